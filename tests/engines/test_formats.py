"""Every format of a launch: what it holds, and that no name of a model, a result or a file means anything in it."""

from __future__ import annotations

import json
import shlex
import subprocess
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ieco_opt import catalog
from ieco_opt.catalog.types import Accelerator, Model
from ieco_opt.documents.yaml_document import yaml_text
from ieco_opt.engines.compose import compose_text
from ieco_opt.engines.kubernetes import manifests, unsupported
from ieco_opt.engines.launch import Launch, RoutedWorkload
from ieco_opt.engines.server import Named, Placed, Server, Serving, server_of, slug
from ieco_opt.engines.shell import json_of, line_text, sh_text, yaml_of
from ieco_opt.engines.store import NAMES, profile
from ieco_opt.errors import ScenarioError

ROW: dict[str, Any] = {
    "weights": "bf16",
    "kv_cache": "bf16",
    "tensor_parallel": 8,
    "attention_data_parallel": 1,
    "pipeline_parallel": 1,
    "expert_parallel": 1,
    "redundant_experts": 0,
    "batch": 16,
    "draft_tokens": 0,
    "tensor_layout": "1d",
    "weights_gb": 20.0,
    "reserve_gb": 5.0,
    "memory_limit_gb": 72.0,
}

HOSTILE = (
    "$(touch pwned)",
    "`touch pwned`",
    "'; touch pwned; '",
    '"; touch pwned; "',
    "a\nb: c",
    "--trust-remote-code",
    "${HOME}",
    "$$(HOME)",
    "{model}",
    "{{ .Values }}",
    "yes",
    "1e3",
    "&a *b !!python/object:os.system",
    "# comment",
    "\u202eright to left",
    "\x1b[31m",
    "",
    "../../etc/passwd",
    "a" * 500,
)


def server(engine: str = "vllm", placed: Placed | None = None, title: str = "a point", **row: Any) -> Server:
    model, accelerator = catalog.model("Llama-3.1-8B"), catalog.accelerator("H100-SXM")
    assert isinstance(model, Model)
    assert isinstance(accelerator, Accelerator)
    return server_of(
        profile(engine),
        ROW | row,
        Serving(model, "Llama-3.1-8B", 1000, 200, 0.9),
        accelerator,
        placed or Placed(("node-0",)),
        Named(slug(title), title, title, Path("/tmp/out")),  # noqa: S108
    )


def launch(*servers: Server, heading: str = "a heading", routed: tuple[RoutedWorkload, ...] = ()) -> list[Launch]:
    return [Launch(heading, servers, routed)]


def documents(text: str) -> list[dict[str, Any]]:
    return [*yaml.safe_load_all(text)]


TWO_NODES = {"tensor_parallel": 8, "pipeline_parallel": 2}


def two_nodes(engine: str) -> Server:
    return server(engine, Placed(("node-0", "node-1")), **TWO_NODES)


def test_sh_has_a_flag_a_line_and_says_where_and_how_to_measure() -> None:
    text = sh_text(launch(two_nodes("vllm")))
    assert text.startswith("# a heading\n# a point, with vllm >=0.33,<0.34\n# on node-0\nvllm serve meta-llama/")
    assert " \\\n  --max-num-seqs 16 \\\n" in text
    assert "\n# on node-1\nvllm serve " in text
    assert "\n# measure it: vllm bench serve --model meta-llama/Llama-3.1-8B --host node-0 --port 8000 " in text
    assert "--random-input-len 1000 --random-output-len 200 --max-concurrency 16 --num-prompts 64" in text


@pytest.mark.parametrize("engine", NAMES)
def test_sh_is_read_by_a_shell_as_it_is_meant(engine: str) -> None:
    of = two_nodes(engine)
    said = sh_text(launch(of))
    commands = [line for line in said.replace(" \\\n", " ").splitlines() if line and not line.startswith("#")]
    assert [tuple(shlex.split(command)) for command in commands] == [*of.command().nodes]
    script = f"set -n\n{said}"
    assert subprocess.run(["/bin/sh", "-c", script], check=False).returncode == 0


def test_a_line_holds_a_server_with_its_nodes() -> None:
    (line,) = line_text(launch(two_nodes("sglang"))).splitlines()
    first, second = line.split(" # node 1: ")
    assert tuple(shlex.split(first)) == two_nodes("sglang").words(0)
    assert tuple(shlex.split(second)) == two_nodes("sglang").words(1)
    assert shlex.split(line, comments=True) == shlex.split(first)


def test_json_and_yaml_hold_the_same() -> None:
    of = launch(two_nodes("trtllm"))
    values = json.loads(json_of(of))
    assert yaml.safe_load(yaml_of(of)) == values
    assert values[0]["argv"][0] == "mpirun"
    assert values[0]["files"] == {"/tmp/out/a-point-trtllm-options.yaml": of[0].servers[0].config}  # noqa: S108
    assert yaml.safe_load(of[0].servers[0].config)["tensor_parallel_size"] == 8


@pytest.mark.parametrize("engine", NAMES)
def test_a_manifest_is_a_service_and_a_deployment(engine: str) -> None:
    of = server(engine)
    made = documents(manifests(launch(of)))
    kinds = [each["kind"] for each in made]
    assert kinds == [*(["ConfigMap"] if engine == "trtllm" else []), "Service", "Deployment"]
    (container,) = made[-1]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == profile(engine).images["nvidia"]
    assert ":latest" not in container["image"]
    assert container["resources"]["limits"] == {"nvidia.com/gpu": 8}
    assert made[-2]["spec"]["ports"][0]["port"] == container["ports"][0]["containerPort"] == profile(engine).port
    assert made[-2]["spec"]["selector"].items() <= made[-1]["spec"]["template"]["metadata"]["labels"].items()
    if engine == "trtllm":
        assert yaml.safe_load(made[0]["data"]["config.yaml"]) == yaml.safe_load(of.config)
        assert container["command"][3] == "/etc/ieco-opt/config.yaml"


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_several_nodes_are_a_leader_and_its_workers(engine: str) -> None:
    _, made = documents(manifests(launch(two_nodes(engine))))
    assert made["kind"] == "LeaderWorkerSet"
    template = made["spec"]["leaderWorkerTemplate"]
    assert template["size"] == 2
    leader, worker = (template[f"{role}Template"]["spec"]["containers"][0]["command"] for role in ("leader", "worker"))
    assert leader[leader.index("--node-rank") + 1] == "0"
    assert worker[worker.index("--node-rank") + 1] == "$(LWS_WORKER_INDEX)"
    assert any("$(LWS_LEADER_ADDRESS)" in word for word in leader)
    assert any("$(LWS_LEADER_ADDRESS)" in word for word in worker)


def test_what_a_cluster_cannot_start_is_said() -> None:
    assert "mpirun" in unsupported(two_nodes("trtllm"))
    assert unsupported(two_nodes("vllm")) == ""
    other = server("trtllm")
    assert "no container image" in unsupported(
        replace(other, accelerator=replace(other.accelerator, name="MI300X", vendor="amd"))
    )


def test_tokens_are_references_and_only_where_they_are_asked_for() -> None:
    assert "HF_TOKEN" not in manifests(launch(server()))
    (_, made) = documents(manifests(launch(server()), "hub"))
    assert made["spec"]["template"]["spec"]["containers"][0]["env"] == [
        {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}}
    ]


@pytest.mark.parametrize("engine", NAMES)
def test_compose_starts_one_server_for_this_machine_alone(engine: str) -> None:
    of = server(engine, Placed(("node-0",), ((0, 1, 2, 3),)), tensor_parallel=4)
    made = yaml.safe_load(compose_text(launch(of)))
    (service,) = made["services"].values()
    port = profile(engine).port
    assert service["ports"] == [f"127.0.0.1:{port}:{port}"]
    device = service["deploy"]["resources"]["reservations"]["devices"][0]
    assert device["device_ids"] == ["0", "1", "2", "3"]
    assert "environment" not in service
    assert "profiles" not in service
    if engine == "trtllm":
        assert yaml.safe_load(made["configs"]["a-point"]["content"]) == yaml.safe_load(of.config)


def test_compose_tells_nodes_apart() -> None:
    made = yaml.safe_load(compose_text(launch(two_nodes("vllm"))))
    assert {name: each["profiles"] for name, each in made["services"].items()} == {
        "a-point-node-0": ["node-0"],
        "a-point-node-1": ["node-1"],
    }
    assert all(each["network_mode"] == "host" for each in made["services"].values())


def routed(engine: str) -> list[Launch]:
    prefill = server(engine, Placed(("h100-0",), ((0, 1),), phase="prefill", alone=False), "p", tensor_parallel=2)
    decode = server(
        engine, Placed(("h100-0",), ((2, 3),), instance=1, phase="decode", alone=False), "d", tensor_parallel=2
    )
    work = RoutedWorkload("r", "router", profile(engine), (prefill,), (decode,), Path("/tmp/out"))  # noqa: S108
    return launch(prefill, decode, routed=(work,))


def test_prefill_and_decode_servers_have_their_router() -> None:
    prefill, decode, router = (
        tuple(each) for each in (json.loads(json_of(routed("sglang")))[at]["argv"] for at in range(3))
    )
    assert prefill[prefill.index("--disaggregation-mode") + 1] == "prefill"
    assert decode[decode.index("--disaggregation-mode") + 1] == "decode"
    assert router[-5:] == ("--prefill", "http://h100-0:30000", "8998", "--decode", "http://h100-0:30010")
    commands = json.loads(json_of(routed("vllm")))
    assert '"kv_role": "kv_both"' in " ".join(commands[0]["argv"])
    assert commands[0]["env"]["VLLM_NIXL_SIDE_CHANNEL_PORT"] != commands[1]["env"]["VLLM_NIXL_SIDE_CHANNEL_PORT"]
    assert commands[0]["env"]["CUDA_VISIBLE_DEVICES"] == "0,1"
    assert commands[2]["argv"][-4:] == ["--prefill", "http://h100-0:8000", "--decode", "http://h100-0:8001"]
    (file,) = json.loads(json_of(routed("trtllm")))[2]["files"].values()
    assert yaml.safe_load(file)["generation_servers"] == {"num_instances": 1, "urls": ["h100-0:8001"]}


def test_servers_of_groups_on_one_machine_share_no_port() -> None:
    """SGLang with attention groups takes seven ports from 233 above its own on (sglang/srt/server_args.py:818-855)."""
    taken: list[int] = []
    for instance in range(4):
        of = server("sglang", Placed(("node-0",), ((instance,),), instance=instance, alone=False), tensor_parallel=1)
        taken += [of.port, *range(of.port + 233, of.port + 240)]
    assert len(set(taken)) == len(taken)


@pytest.mark.parametrize("engine", NAMES)
def test_routers_stand_in_every_format(engine: str) -> None:
    of = routed(engine)
    assert line_text(of).splitlines()[-1].startswith("# router: ")
    assert [each["kind"] for each in documents(manifests(of))][-1] == "Deployment"
    made = yaml.safe_load(compose_text(of))
    entry = made["services"]["r"]["entrypoint"]
    container = documents(manifests(of))[-1]["spec"]["template"]["spec"]["containers"][0]["command"]
    package = {"vllm": "vllm-router==0.1.17", "sglang": "sglang-router==0.3.2", "trtllm": ""}[engine]
    command = json.loads(json_of(of))[-1]
    assert command["package"] == package
    if package:
        # Images may lack a router that is a package of its own; "$$" is how both write "$".
        assert (
            entry[:4] == container[:4] == ["sh", "-c", f'python3 -m pip install --quiet {package} && exec "$$@"', "sh"]
        )
        assert entry[4:] == command["argv"]
        assert f"# needs: pip install {package}\n" in sh_text(of)
    else:
        assert entry[0] == container[0] == "trtllm-serve"
    addresses = " ".join(map(str, documents(manifests(of))))
    assert f"p:{profile(engine).port}" in addresses


def test_a_service_that_is_called_as_a_server_is_tells_it_nothing() -> None:
    """Clusters tell pods of a service `vllm` by VLLM_PORT=tcp://..., which vLLM refuses as its own port."""
    made = documents(manifests([*launch(server(title="vllm"), two_nodes("vllm")), *routed("vllm")]))
    leader_and_workers = next(each for each in made if each["kind"] == "LeaderWorkerSet")["spec"][
        "leaderWorkerTemplate"
    ]
    pods = [each["spec"]["template"]["spec"] for each in made if each["kind"] == "Deployment"]
    pods += [leader_and_workers[f"{role}Template"]["spec"] for role in ("leader", "worker")]
    assert [pod["enableServiceLinks"] for pod in pods] == [False] * 6


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("engine", NAMES)
def test_a_hostile_name_means_nothing_in_any_format(hostile: str, engine: str) -> None:
    """A result and a workload may be called anything; and so may a repository, if a profile lets it pass."""
    of = server(engine, title=hostile)
    of = replace(of, texts={**of.texts, "model": hostile})
    every = launch(of, heading=hostile)
    said = of.words()
    plain = len(server(engine).words())
    assert len(said) == plain
    commands = [line for line in sh_text(every).replace(" \\\n", " ").splitlines() if not line.startswith("#")]
    if hostile.isprintable():
        assert [shlex.split(line) for line in commands if line] == [[*said]]
        assert [shlex.split(line) for line in line_text(every).splitlines()] == [[*said]]
    assert json.loads(json_of(every))[0]["argv"] == [*said]
    assert yaml.safe_load(yaml_of(every))[0]["argv"] == [*said]
    deployment = documents(manifests(every))[-1]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert [word.replace("$$", "$") for word in container["command"]] == [
        *of.words(reached=True, config="/etc/ieco-opt/config.yaml")
    ]
    assert not any("$" in word.replace("$$", "") for word in container["command"])
    assert slug(hostile) == deployment["metadata"]["name"]
    (service,) = yaml.safe_load(compose_text(every))["services"].values()
    assert [word.replace("$$", "$") for word in service["entrypoint"]] == [
        *of.words(reached=True, config="/etc/ieco-opt/config.yaml")
    ]
    assert not any("$" in word.replace("$$", "") for word in service["entrypoint"])


@given(st.text(max_size=80))
def test_slugs_are_names_of_files_and_clusters(text: str) -> None:
    made = slug(text)
    assert 1 <= len(made) <= 63
    assert made[0].isalpha()
    assert made[-1].isalnum()
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


@given(
    st.recursive(
        st.text(max_size=20) | st.integers() | st.booleans() | st.none(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
        max_leaves=8,
    )
)
def test_yaml_is_read_back_as_it_was(values: object) -> None:
    assert yaml.safe_load(yaml_text(values)) == values


def test_words_that_older_readers_take_for_other_things_are_quoted() -> None:
    text = yaml_text({"yes": ["no", "1e3", "0o7", "null", "on", "1:30", "~", "plain-text", "0x1f", "=", "<<"]})
    assert text == (
        '"yes":\n  - "no"\n  - "1e3"\n  - "0o7"\n  - "null"\n  - "on"\n  - "1:30"\n  - "~"\n  - plain-text\n'
        '  - "0x1f"\n  - "="\n  - "<<"\n'
    )


def test_remote_code_is_allowed_only_where_it_is_asked_for() -> None:
    assert "--trust-remote-code" not in server().words()
    model, accelerator = catalog.model("Llama-3.1-8B"), catalog.accelerator("H100-SXM")
    assert isinstance(model, Model)
    assert isinstance(accelerator, Accelerator)
    asked = server_of(
        profile("vllm"),
        ROW,
        Serving(model, "Llama-3.1-8B", 1000, 200, 0.9),
        accelerator,
        Placed(("node-0",)),
        Named("n", "t", "t", Path()),
        trust_remote_code=True,
    )
    assert "--trust-remote-code" in asked.words()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "{value: tensor_parallel}",
            "{value: batch / 0}",
            "--tensor-parallel-size: found inf as the value of batch / 0",
        ),
        (
            "{value: tensor_parallel}",
            "{value: draft_tensor_parallel}",
            "found nan as the value of draft_tensor_parallel",
        ),
    ],
)
def test_a_value_that_is_no_number_is_named(old: str, new: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    text = resources.files("ieco_opt.engines").joinpath("data", "vllm.yaml").read_text(encoding="utf-8")
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ScenarioError, match=message):
        server(str(path)).words()


def test_memory_that_is_not_known_is_said_where_a_flag_needs_it() -> None:
    """Files of older versions have no such columns; vLLM counts from the whole memory and needs none."""
    unknown = {"weights_gb": None, "reserve_gb": None, "memory_limit_gb": None}
    assert server("vllm", **unknown).not_expressible == ()
    for engine, names in (("sglang", "reserve_gb, memory_limit_gb"), ("trtllm", "weights_gb, reserve_gb, memory")):
        of = server(engine, **unknown)
        assert of.not_expressible[0].startswith(f"the share of the memory: {names}")
        assert "--mem-fraction-static" not in of.words()
        assert "free_gpu_memory_fraction" not in of.config
