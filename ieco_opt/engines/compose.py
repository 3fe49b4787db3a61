"""Servers as services of docker compose: one file, whose profiles say what runs on which node."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ieco_opt.documents.yaml_document import yaml_text
from ieco_opt.engines.command import LaunchCommand
from ieco_opt.engines.launch import Launch
from ieco_opt.engines.server import Server, slug

MOUNT = "/etc/ieco-opt/config.yaml"

_CACHE = "/root/.cache/huggingface"

Values = dict[str, Any]


def compose_text(launches: Sequence[Launch]) -> str:
    """Write all servers and routers.

    A file for one node is started with ``docker compose up``. Where there are several nodes, each service has the
    profile of its node, and ``docker compose --profile NODE up`` on that node starts those of it.
    """
    services: Values = {}
    configs: Values = {}
    hosts = {host for launch in launches for server in launch.servers for host in server.placed.hosts}
    for launch in launches:
        for server in launch.servers:
            services |= dict(_services(server, several=len(hosts) > 1))
            if server.config:
                configs[server.name] = {"content": _literal(server.config)}
        for routed in launch.routed:
            router = routed.router(config=MOUNT)
            if router is not None:
                services[router.name] = _router(router, several=len(hosts) > 1)
                if router.files:
                    configs[router.name] = {"content": _literal("".join(router.files.values()))}
    file: Values = {"services": services, "volumes": {"models": {}}}
    return yaml_text(file | ({"configs": configs} if configs else {}))


def _services(server: Server, several: bool) -> Iterator[tuple[str, Values]]:
    for node in range(server.nodes):
        name = server.name if server.nodes == 1 else f"{server.name}-node-{node}"
        shared = several or not server.placed.alone
        said = server.words(node, reached=True, config=MOUNT)
        env = server.env(node)
        if server.accelerator.vendor != "amd":
            # The container sees its own accelerators alone, numbered from 0.
            env.pop(server.profile.devices.get("nvidia", ""), None)
        service: Values = {
            "image": server.image,
            "entrypoint": [_literal(word) for word in said],
            "ipc": "host",
            "environment": {key: _literal(value) for key, value in env.items()},
            "volumes": [f"models:{_CACHE}"],
            **_devices(server, node),
        }
        # Others on the machine reach a single server, nobody else; servers of several nodes reach each other.
        service |= {"network_mode": "host"} if shared else {"ports": [f"127.0.0.1:{server.port}:{server.port}"]}
        if server.config:
            service["configs"] = [{"source": server.name, "target": MOUNT}]
        if several:
            service["profiles"] = [slug(server.placed.hosts[node])]
        yield name, {key: value for key, value in service.items() if value not in ({}, [])}


def _devices(server: Server, node: int) -> Values:
    """Accelerators of a service."""
    if server.accelerator.vendor == "amd":
        return {"devices": ["/dev/kfd", "/dev/dri"], "group_add": ["video"], "cap_add": ["SYS_PTRACE"]}
    used = server.placed.devices_of(node)
    chosen: Values = {"count": server.gpus_per_node} if used is None else {"device_ids": [str(each) for each in used]}
    wanted = {"driver": "nvidia", **chosen, "capabilities": ["gpu"]}
    return {"deploy": {"resources": {"reservations": {"devices": [wanted]}}}}


def _router(command: LaunchCommand, several: bool) -> Values:
    service: Values = {
        "image": command.image,
        "entrypoint": [_literal(word) for word in command.contained_argv],
        "network_mode": "host",
    }
    if command.files:
        service["configs"] = [{"source": command.name, "target": MOUNT}]
    if several:
        service["profiles"] = [slug(command.hosts[0])]
    return service


def _literal(text: str) -> str:
    """Text in which compose replaces nothing."""
    return text.replace("$", "$$")
