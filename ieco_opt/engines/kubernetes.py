"""Servers as manifests of a Kubernetes cluster: a Deployment each, or a LeaderWorkerSet across nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ieco_opt.documents.yaml_document import yaml_text
from ieco_opt.engines.command import LaunchCommand
from ieco_opt.engines.launch import ROUTER_PORT, Launch
from ieco_opt.engines.server import Server, slug

Values = dict[str, Any]

MOUNT = "/etc/ieco-opt"
"""Where a container finds the file of its command."""

_FILE = "config.yaml"
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - where ranks of one node exchange data, a volume of the pod's own
_RESOURCES = {"nvidia": "nvidia.com/gpu", "amd": "amd.com/gpu"}
_MANAGED = {"app.kubernetes.io/managed-by": "ieco-opt"}

# Else the cluster gives pods the address of every service as variables, and that of a service `vllm` is VLLM_PORT,
# which vLLM reads as a number (vllm/envs.py:519).
_UNTOLD: Values = {"enableServiceLinks": False}

# Private characters stand for variables of the cluster until everything else is protected from being taken for one.
_LEADER, _RANK = "\ue000leader\ue000", "\ue000rank\ue000"
_VARIABLES = {_LEADER: "$(LWS_LEADER_ADDRESS)", _RANK: "$(LWS_WORKER_INDEX)"}


def manifests(launches: Sequence[Launch], token_secret: str | None = None) -> str:
    """Write all servers with their services, files and routers.

    Parameters
    ----------
    token_secret
        Name of the secret whose key ``token`` holds the token of the model repository; ``None`` for no token.
    """
    documents: list[Values] = []
    for launch in launches:
        for server in launch.servers:
            documents += _server(server, token_secret)
        for routed in launch.routed:
            router = routed.router(lambda server: f"{server.name}:{server.port}", f"{MOUNT}/{_FILE}", ROUTER_PORT)
            if router is not None:
                documents += _router(router)
    return yaml_text(*documents)


def unsupported(server: Server) -> str:
    """Why a server cannot be written as a manifest; empty where it can."""
    if server.image is None:
        return f"no container image of {server.profile.title} is known for {server.accelerator.name}"
    if server.nodes > 1 and server.profile.say.launcher:
        return f"{server.profile.title} over several nodes is started by mpirun or srun, not by a cluster of containers"
    return ""


def _server(server: Server, token_secret: str | None) -> Iterator[Values]:
    if server.config:
        yield _config_map(server.name, server.config)
    yield _service(server.name, server.port, server.nodes)
    pods = [_pod(server, node, token_secret) for node in range(min(server.nodes, 2))]
    labels = _labels(server.name)
    if server.nodes == 1:
        yield _deployment(server.name, pods[0], _annotations(server))
        return
    yield {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": server.name, "labels": {**labels, **_MANAGED}, "annotations": _annotations(server)},
        "spec": {
            "replicas": 1,
            "leaderWorkerTemplate": {
                "size": server.nodes,
                "restartPolicy": "RecreateGroupOnPodRestart",
                "leaderTemplate": {"metadata": {"labels": {**labels, "role": "leader"}}, "spec": pods[0]},
                "workerTemplate": {"metadata": {"labels": {**labels, "role": "worker"}}, "spec": pods[1]},
            },
        },
    }


def _labels(name: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": name}


def _annotations(server: Server) -> dict[str, str]:
    return {"ieco-opt/accelerator": server.accelerator.name, "ieco-opt/engine-versions": server.profile.version}


def _deployment(name: str, pod: Values, annotations: Mapping[str, str]) -> Values:
    labels = _labels(name)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {**labels, **_MANAGED}, "annotations": dict(annotations)},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            # One server at a time: a second one would find no accelerators.
            "strategy": {"type": "Recreate"},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _service(name: str, port: int, nodes: int = 1) -> Values:
    selector = _labels(name) if nodes == 1 else {**_labels(name), "role": "leader"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": {**_labels(name), **_MANAGED}},
        "spec": {"selector": selector, "ports": [{"name": "http", "port": port, "targetPort": port}]},
    }


def _config_map(name: str, content: str) -> Values:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {**_labels(name), **_MANAGED}},
        "data": {_FILE: content},
    }


def _pod(server: Server, node: int, token_secret: str | None) -> Values:
    """A pod with one container; workers learn their rank from the cluster."""
    head = _LEADER if server.nodes > 1 else server.placed.hosts[0]
    instead = {"node": _RANK} if node else {}
    said = server.words(node, instead=instead, reached=True, head=head, config=f"{MOUNT}/{_FILE}")
    container = {
        "name": slug(server.profile.name),
        "image": server.image,
        "command": [_protected(word) for word in said],
        "env": [*_environment(server), *_token(token_secret)],
        "ports": [{"name": "http", "containerPort": server.port}] if node == 0 else [],
        "readinessProbe": _probe(server.port) if node == 0 else None,
        "resources": {
            "limits": {_RESOURCES.get(server.accelerator.vendor or "nvidia", "nvidia.com/gpu"): server.gpus_per_node}
        },
        "volumeMounts": [{"name": "shm", "mountPath": _SHARED_MEMORY}, *_mounts(server.config)],
    }
    volumes = [{"name": "shm", "emptyDir": {"medium": "Memory"}}, *_volumes(server.name, server.config)]
    return {**_UNTOLD, "containers": [_given(container)], "volumes": volumes}


def _probe(port: int) -> Values:
    # Loading a model takes minutes.
    return {"httpGet": {"path": "/health", "port": port}, "periodSeconds": 10, "failureThreshold": 360}


def _environment(server: Server) -> list[Values]:
    """Variables of the command; which accelerators a container sees is for the cluster to say."""
    said = server.env()
    said.pop(server.profile.devices.get(server.accelerator.vendor or "nvidia", ""), None)
    own = {name: value for name, value in said.items() if value != server.placed.hosts[0]}
    pods = [{"name": name, "valueFrom": _POD_ADDRESS} for name in said if name not in own]
    return [*({"name": name, "value": _protected(value)} for name, value in own.items()), *pods]


_POD_ADDRESS: Values = {"fieldRef": {"fieldPath": "status.podIP"}}


def _token(secret: str | None) -> list[Values]:
    if secret is None:
        return []
    return [{"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": secret, "key": "token"}}}]


def _mounts(content: str) -> list[Values]:
    return [{"name": "config", "mountPath": MOUNT, "readOnly": True}] if content else []


def _volumes(name: str, content: str) -> list[Values]:
    return [{"name": "config", "configMap": {"name": name}}] if content else []


def _router(command: LaunchCommand) -> Iterator[Values]:
    content = "".join(command.files.values())
    if content:
        yield _config_map(command.name, content)
    yield _service(command.name, ROUTER_PORT)
    container = {
        "name": "router",
        "image": command.image,
        "command": [_protected(word) for word in command.contained_argv],
        "ports": [{"name": "http", "containerPort": ROUTER_PORT}],
        "volumeMounts": _mounts(content),
    }
    pod = _given({**_UNTOLD, "containers": [_given(container)], "volumes": _volumes(command.name, content)})
    yield _deployment(command.name, pod, {"ieco-opt/engine-versions": command.version})


def _given(values: Values) -> Values:
    return {name: value for name, value in values.items() if value not in (None, [], {})}


def _protected(word: str) -> str:
    """A word that the cluster takes as it is, but for the variables that are meant."""
    word = word.replace("$", "$$")
    for mark, variable in _VARIABLES.items():
        word = word.replace(mark, variable)
    return word
