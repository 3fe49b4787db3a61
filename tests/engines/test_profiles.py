"""Profiles: those of the package are what the servers know, and faults of a user's own are named."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from places import DATA

from ieco_opt.documents import yaml_document
from ieco_opt.engines.profile import Profile, Said
from ieco_opt.engines.store import NAMES, profile, profiles, read_profile
from ieco_opt.errors import ScenarioError

FLAGS: dict[str, Any] = json.loads((DATA / "engine_flags.json").read_text())
"""Flags as the servers' own code lists them: type, choices and place; those that the profiles use."""


def text_of(name: str) -> str:
    return resources.files("ieco_opt.engines").joinpath("data", f"{name}.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_profile_is_read_alike_with_and_without_lines(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.yaml"
    path.write_text(text_of(name), encoding="utf-8")
    read, shipped = read_profile(path), profile(name)
    assert read.rules == shipped.rules
    assert read.say == shipped.say
    assert read.prices == shipped.prices
    assert read.name == name


@pytest.mark.parametrize("file", [*NAMES, "hosts"])
def test_data_files_are_read_alike_by_both_parsers(file: str) -> None:
    text = text_of(file)
    assert yaml_document.parse(text, file).values == yaml_document.parse_trusted(text)


@pytest.mark.parametrize("chosen", profiles(), ids=lambda each: each.name)
def test_the_flags_are_those_of_the_version_that_was_read(chosen: Profile) -> None:
    known = FLAGS[chosen.name]
    assert known["version"].split(",")[0].split("@")[0] in chosen.version_read
    for said in chosen.say.flags:
        spec = known["flags"][said.name]
        assert _fits(said, spec), (said, spec)
    for flags in chosen.precisions.values():
        for name, value in flags or ():
            spec = known["flags"][name]
            assert value in (spec.get("choices") or spec.get("values")), (name, value)


def _fits(said: Said, spec: dict[str, Any]) -> bool:
    if said.parts or said.text.startswith('{"'):
        return bool(spec["type"] == "json")
    if said.value is not None:
        return spec["type"] in ({"float"} if said.digits else {"int", "human_int", "int_or_auto"})
    if not said.text:
        return spec["type"] in {"flag", "bool"}
    choices = spec.get("choices") or spec.get("values")
    return spec["type"] == "str" and ("{" in said.text or choices is None or said.text in choices)


def test_the_keys_of_speculation_are_those_of_vllm() -> None:
    (said,) = (each for each in profile("vllm").say.flags if each.name == "--speculative-config")
    assert {part.name for part in said.parts} <= FLAGS["vllm"]["speculative_config"].keys()


@pytest.mark.parametrize("chosen", profiles(), ids=lambda each: each.name)
def test_every_rule_says_where_it_was_read(chosen: Profile) -> None:
    for rule in chosen.rules:
        assert rule.says
        assert rule.source
        assert "/" in rule.source or rule.source.startswith("memory"), rule


@pytest.mark.parametrize("chosen", profiles(), ids=lambda each: each.name)
def test_rules_about_instances_apart_say_so(chosen: Profile) -> None:
    """Refusals of fleets put them before others, by this word."""
    for rule in chosen.rules:
        about = {"prefills_alone", "decodes_alone"} & rule.expression.names
        assert (" apart " in rule.says) is bool(about), rule.says


def test_names_are_taken_as_people_write_them() -> None:
    assert profile("vLLM") is profile("vllm")
    assert profile("TensorRT-LLM") is profile("trtllm")
    with pytest.raises(ScenarioError, match=r"expected one of sglang, trtllm, vllm, or an engine profile.*near: vllm"):
        profile("vlm")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rule: heads %", "rule: head %", r"accepts\[0\]\.rule: found 'head', expected the name of a column"),
        ("rule: heads %", "rule: heads **", r"accepts\[0\]\.rule: found"),
        ("unless: 1}", "unlest: 1}", r"unlest: unknown field, expected perhaps unless"),
        ("vendors: [nvidia, amd]", "vendors: nvidia", "vendors: found 'nvidia', expected a list of texts"),
        ("  fp8: {online", "  fp9: {online", "precision.fp9: unknown format, expected one of bf16"),
        ("engine: vllm\n", "", "engine: found nothing, expected text on one line"),
        ('"{model}"]\n', '"{modelx}"]\n', "say.command: found modelx in braces"),
        ("{value: tensor_parallel}", "{value: tensor_parallel, text: x}", "found value and text of value"),
        ("{value: tensor_parallel}", "{}", "found none of value, text, flag and json"),
        ("experts: dense,", "experts: thick,", r"classes\[0\].experts: found 'thick', expected one of dense, routed"),
        ("kind: all_gather", "kind: all", r"prices.exchange\[1\].kind: found 'all', expected one of none"),
        ("dense_over: tensor_parallel", "dense_over: heads", "prices.dense_over: found 'heads'"),
        ("precisions: [mxfp4]", "precisions: [mxfp5]", "precisions: found 'mxfp5', expected formats"),
        ("absent: {expert_parallel: 1}", "absent: {experts: 1}", "absent.experts: unknown name"),
        ("absent: {expert_parallel: 1}", "absent: {expert_parallel: one}", "absent.expert_parallel: found 'one'"),
        ("port: 8000", "port: [8000]", "port: found a list, expected a whole number"),
        ("port: 8000", "port: .inf", "port: found inf, expected a whole number from 1 to 65535"),
        ("port: 8000", "port: 0", "port: found 0, expected a whole number from 1 to 65535"),
        ("port: 8000", "port: 65536", "port: found 65536, expected a whole number from 1 to 65535"),
        ("port: 8000", "port: 80.5", "port: found 80.5, expected a whole number"),
        ("within: generation", "within: rack", "cache_transfer.within: found 'rack', expected one of anywhere, gen"),
        ("port: 8000", "port: 80\nport_step: 0", "port_step: found 0, expected a whole number from 1 to 1000"),
        ("digits: 4", "digits: 400", "digits: found 400, expected a whole number from 0 to 15"),
        ("unless: 1}", "unless: .nan}", "unless: found nan, expected a number"),
        (
            "devices: {nvidia: CUDA",
            "devices: {nvidia: A B;CUDA",
            "devices.nvidia: found 'A B;CUDA_VISIBLE_DEVICES', exp",
        ),
        (
            "    VLLM_NIXL_SIDE_CHANNEL_HOST",
            "    A B;touch x",
            "found 'A B;touch x', expected the name of an",
        ),
        ('"http://{address}"]', '"http://{model}"]', "router.prefill: found model in braces, expected one of address"),
        (
            "package: vllm-router==0.1.17",
            "package: ;x",
            "router.package: found ';x', expected the name",
        ),
        ("[vllm-router", '["{address}"', "router.command: found address in braces, expected one of config"),
        ("text: deepep_low_latency", 'text: "{address}"', "text: found address in braces"),
        (
            "routed, attention_groups: divisors",
            'routed, attention_groups: "-"',
            "attention_groups: found '-', expected",
        ),
        ("kv_cache: {bf16: auto", "kv_cache: {bf17: auto", "kv_cache.bf17: unknown name, expected one of bf16"),
        ("accepts:", "accept:", "accept: unknown field, expected perhaps accepts"),
        ("versions: {", "versions: 3 #", "versions: found 3, expected a mapping"),
        ("- {rule: heads", "- 3\n  - {rule: heads", r"accepts\[0\]: found 3, expected a mapping"),
    ],
)
def test_a_fault_of_a_profile_is_named_with_its_place(old: str, new: str, message: str, tmp_path: Path) -> None:
    text = text_of("vllm")
    assert old in text
    path = tmp_path / "own.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ScenarioError, match=message) as raised:
        profile(str(path))
    assert all(fault.file == str(path) for fault in raised.value.faults)
    assert len(set(raised.value.faults)) == len(raised.value.faults)


def test_keys_of_a_file_that_hold_each_other_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    text = text_of("trtllm").replace("    moe_config.backend:", "    moe_config: {value: 1}\n    moe_config.backend:")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"'moe_config\.backend': found beside 'moe_config'"):
        profile(str(path))
    path.write_text(text_of("trtllm").replace("  prefill_key: context_servers\n", ""), encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"router\.prefill_key: found nothing, expected text"):
        profile(str(path))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'dense_over: "stage_ranks if',
            'dense_over: "layers if',
            r"layouts\[0\]\.dense_over: found 'layers'",
        ),
        (
            "- architectures: [DeepseekV2",
            "- architectures: [] # [",
            r"layouts\[0\]\.architectures: found none",
        ),
        ("- architectures: [DeepseekV2", "- head_over: 1\n      architectures: [V2", r"head_over: unknown field"),
    ],
)
def test_a_fault_of_a_layout_is_named_with_its_place(old: str, new: str, message: str, tmp_path: Path) -> None:
    text = text_of("sglang")
    assert old in text
    path = tmp_path / "own.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ScenarioError, match=message):
        profile(str(path))


@pytest.mark.parametrize("text", ["", "3", "[]", "{", "a: 1\na: 2"])
def test_what_is_no_profile_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError):
        profile(str(path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"own.yaml: cannot be read.*expected an engine profile"):
        profile(str(tmp_path / "own.yaml"))


def test_another_profile_gives_other_rules(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text_of("vllm").replace("engine: vllm", "engine: mine"), encoding="utf-8")
    own = profile(str(path))
    assert own.name == "mine"
    assert own.file == str(path)
