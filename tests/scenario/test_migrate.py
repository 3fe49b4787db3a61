"""Version 1 of scenario files rewritten to version 2: the same configurations, comments and layout kept."""

from __future__ import annotations

import json
import os
import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from places import SCENARIOS

from ieco_opt.catalog.precision import Precision
from ieco_opt.cli import main
from ieco_opt.design_space.from_scenario import degree_choices
from ieco_opt.design_space.setups import SetupRequest, enumerate_setups
from ieco_opt.errors import ScenarioError
from ieco_opt.performance.architecture import architecture
from ieco_opt.performance.reserve import ServerMemory
from ieco_opt.scenario import load_fleet_mapping, load_scenario, load_scenario_mapping, resolve, resolve_fleet
from ieco_opt.scenario.migrate import migrated_file, migrated_mapping, migrated_text

Mapping = dict[str, Any]

DEPLOYABLE = {"model": "Mixtral-8x7B", "weights": ["fp8"], "accelerators": ["H100-SXM"]}
PAPER = {"fidelity": "paper", "model": "Mixtral 8x22B", "accelerators": ["H100"]}
POOLS = [{"name": "h100", "accelerator": "H100-SXM", "gpus": 64}]
REQUESTS = {"requests_per_s": 1, "prompt_tokens": 100, "output_tokens": 10}


def random_space(rng: random.Random) -> Mapping:
    """A design space of version 1: some lists odd, some left out, some null."""
    degrees = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
    space: Mapping = {}
    for name, most, often in (
        ("tensor_parallel", 5, 0.8),
        ("attention_data_parallel", 4, 0.6),
        ("pipeline_parallel", 3, 0.6),
        ("expert_parallel", 3, 0.3),
    ):
        if rng.random() < often:
            space[name] = rng.sample(degrees, rng.randint(1, most))
        elif rng.random() < 0.2:
            space[name] = "auto" if name == "expert_parallel" else None
    if rng.random() < 0.2:
        space["attention_data_parallel"] = [1]
    if rng.random() < 0.5:
        space["max_gpus"] = rng.choice((1, 5, 16, 64, 512))
    return dict(rng.sample(list(space.items()), len(space)))


def configurations_of_version_1(space: Mapping, *, paper: bool) -> Iterator[tuple[int, int, int, int]]:
    """Ranks T, stages P, groups sigma and expert ranks Q as version 1 counted them, in its order."""
    experts, heads, layers = 8, 32, 32
    for t in sorted(space.get("tensor_parallel") or (1, 2, 4, 8, 16, 32, 64)):
        for p in sorted(space.get("pipeline_parallel") or (1, 2, 4, 8, 16)):
            for sigma in sorted(space.get("attention_data_parallel") or (1, 2, 4, 8, 16, 32)):
                if t * p > (space.get("max_gpus") or 512) or t % sigma:
                    continue
                if not paper and (heads % (t // sigma) or p > layers):
                    continue
                listed = space.get("expert_parallel")
                if listed in (None, "auto"):
                    split = [q for q in range(1, 9) if t % q == 0 and experts % q == 0]
                    allowed = sorted({1, min(t, experts)}) if paper else split
                else:
                    fitting = [q for q in sorted(listed) if t % q == 0 and q <= experts]
                    allowed = fitting if paper else [q for q in fitting if experts % q == 0]
                yield from ((t, p, sigma, q) for q in allowed)


def configurations(mapping: Mapping) -> list[tuple[int, int, int, int]]:
    """What the package enumerates, on accelerators whose memory holds anything."""
    resolved = resolve(load_scenario_mapping(mapping))
    accelerator = replace(resolved.accelerators[0], hbm_bytes=1e18)
    precision = None if mapping.get("fidelity") else Precision("fp8", "bf16")
    setups, _ = enumerate_setups(
        SetupRequest(
            architecture=architecture(resolved.model, precision, accelerator),
            accelerator=accelerator,
            # Version 1 knew no copies of experts.
            choices=replace(degree_choices(resolved.design_space), tensor_layout=("1d",), redundant_experts=(0,)),
            batch_min=1,
            batch_max=16_384,
            resident_tokens=100.0,
            memory=ServerMemory(utilization=1.0),
        )
    )
    degrees = setups.degrees
    columns = (
        degrees.stage_ranks,
        degrees.pipeline_parallel,
        degrees.attention_data_parallel,
        degrees.expert_parallel,
    )
    return [tuple(int(value) for value in row) for row in zip(*columns, strict=True)]


@pytest.mark.parametrize("paper", [False, True], ids=["deployable", "paper"])
def test_the_configurations_stay_the_same_in_the_same_order(paper: bool) -> None:
    rng, sizes, renamed = random.Random(4), [], 0  # noqa: S311 - chance, not secrets
    for _ in range(150):
        space = random_space(rng)
        mapping = {"kind": "deployment", **(PAPER if paper else DEPLOYABLE), "workload": {"context_tokens": 1}}
        mapping["design_space"] = space
        current = migrated_mapping(mapping)
        found = configurations(current)
        assert found == list(configurations_of_version_1(space, paper=paper)), space
        sizes.append(len(found))
        renamed += "stage_ranks" in current["design_space"]
    assert 20 < renamed < 130
    assert max(sizes) > 50
    assert 0 in sizes


def test_the_default_design_space_is_that_of_version_1() -> None:
    for paper in (False, True):
        mapping = {"kind": "deployment", **(PAPER if paper else DEPLOYABLE), "workload": {"context_tokens": 1}}
        assert configurations(mapping) == list(configurations_of_version_1({}, paper=paper))


@pytest.mark.parametrize("seed", range(60))
def test_texts_become_what_mappings_become(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - chance, not secrets
    if rng.random() < 0.5:
        mapping = {"kind": "deployment", "name": "a", **DEPLOYABLE, "design_space": random_space(rng)}
    else:
        spaces = [random_space(rng) for _ in range(rng.randint(1, 3))]
        workloads = [{"name": f"w{at}", **REQUESTS, "design_space": space} for at, space in enumerate(spaces)]
        mapping = {"kind": "fleet", "pools": POOLS, "workloads": workloads}
    if rng.random() < 0.3:
        mapping = {"version": 1} | mapping
    mapping = dict(rng.sample(list(mapping.items()), len(mapping)))
    text = yaml.safe_dump(mapping, default_flow_style=rng.choice((True, False, None)), sort_keys=False)
    if rng.random() < 0.3:
        text = json.dumps(mapping, indent=rng.choice((None, 2)))
    migration = migrated_text(text)
    assert yaml.safe_load(migration.text) == migrated_mapping(mapping)
    assert len(migration.text.splitlines()) - len(text.splitlines()) in (0, 1)
    again = migrated_text(migration.text)
    assert (again.text, again.renamed, again.was_current) == (migration.text, (), True)


BEFORE_AND_AFTER = {
    "block": (
        "# Why: a test.\n\nkind: deployment  # not a fleet\ndesign_space:\n  # two nodes\n"
        "  tensor_parallel:   [8, 16]   # ranks\n  pipeline_parallel: [1]\n",
        "# Why: a test.\n\nversion: 2\nkind: deployment  # not a fleet\ndesign_space:\n  # two nodes\n"
        "  stage_ranks:   [8, 16]   # ranks\n  pipeline_parallel: [1]\n",
    ),
    "block list": (
        "kind: deployment\ndesign_space:\n  tensor_parallel:\n  - 8  # a node\n  - 16\n",
        "version: 2\nkind: deployment\ndesign_space:\n  stage_ranks:\n  - 8  # a node\n  - 16\n",
    ),
    "flow": (
        "kind: deployment\ndesign_space: {pipeline_parallel: [1], tensor_parallel: [8, 16]}  # two nodes\n",
        "version: 2\nkind: deployment\ndesign_space: {pipeline_parallel: [1], stage_ranks: [8, 16]}  # two nodes\n",
    ),
    "one group": (
        "kind: deployment\ndesign_space: {tensor_parallel: [8], attention_data_parallel: [1]}\n",
        "version: 2\nkind: deployment\ndesign_space: {tensor_parallel: [8], attention_data_parallel: [1]}\n",
    ),
    "nothing to rename": ("kind: deployment\nmodel: x # y", "version: 2\nkind: deployment\nmodel: x # y"),
    "null": (
        "kind: deployment\ndesign_space:\n  tensor_parallel:\n  max_gpus: 8\n",
        "version: 2\nkind: deployment\ndesign_space:\n  tensor_parallel:\n  max_gpus: 8\n",
    ),
    "text that looks like the field": (
        "kind: deployment\nname: 'tensor_parallel: [1]'\ndesign_space: {tensor_parallel: [1]}\n",
        "version: 2\nkind: deployment\nname: 'tensor_parallel: [1]'\ndesign_space: {stage_ranks: [1]}\n",
    ),
    "version 1": (
        "kind: deployment\nversion: 1   # old\ndesign_space: {tensor_parallel: [4]}\n",
        "kind: deployment\nversion: 2   # old\ndesign_space: {stage_ranks: [4]}\n",
    ),
    "carriage returns": (
        "kind: deployment\r\ndesign_space:\r\n  tensor_parallel: [4]\r\n",
        "version: 2\r\nkind: deployment\r\ndesign_space:\r\n  stage_ranks: [4]\r\n",
    ),
    "indented": (
        "  kind: deployment\n  design_space: {'tensor_parallel': [4]}\n",
        "  version: 2\n  kind: deployment\n  design_space: {'stage_ranks': [4]}\n",
    ),
    "document start": ("---\nkind: deployment\n...\n", "---\nversion: 2\nkind: deployment\n...\n"),
    "beyond ASCII": (
        "# Dürfen Umlaute? 日本語 🚀\nkind: deployment\nname: 🚀\ndesign_space: {tensor_parallel: [4]}\n",
        "# Dürfen Umlaute? 日本語 🚀\nversion: 2\nkind: deployment\nname: 🚀\ndesign_space: {stage_ranks: [4]}\n",
    ),
    "JSON": (
        '{"kind": "deployment", "design_space": {"tensor_parallel": [4]}}',
        '{"version": 2, "kind": "deployment", "design_space": {"stage_ranks": [4]}}',
    ),
    "JSON on lines": (
        '{\n  "kind": "deployment",\n  "design_space": {"tensor_parallel": [4]}\n}\n',
        '{\n  "version": 2,\n  "kind": "deployment",\n  "design_space": {"stage_ranks": [4]}\n}\n',
    ),
    "fleet": (
        "kind: fleet\nworkloads:\n  - name: a\n    design_space:\n      tensor_parallel: [4]\n"
        "  - {name: b, design_space: {attention_data_parallel: [1], tensor_parallel: [2]}}\n"
        "  - {name: c, design_space: {tensor_parallel: [8], attention_data_parallel: [1, 2]}}\n  - {name: d}\n",
        "version: 2\nkind: fleet\nworkloads:\n  - name: a\n    design_space:\n      stage_ranks: [4]\n"
        "  - {name: b, design_space: {attention_data_parallel: [1], tensor_parallel: [2]}}\n"
        "  - {name: c, design_space: {stage_ranks: [8], attention_data_parallel: [1, 2]}}\n  - {name: d}\n",
    ),
    "shared by an alias": (
        "kind: fleet\nworkloads:\n  - {name: a, design_space: &d {tensor_parallel: [4]}}\n"
        "  - {name: b, design_space: *d}\n",
        "version: 2\nkind: fleet\nworkloads:\n  - {name: a, design_space: &d {stage_ranks: [4]}}\n"
        "  - {name: b, design_space: *d}\n",
    ),
    "a list shared by an alias": (
        "kind: deployment\ndesign_space: {tensor_parallel: &a [1, 2], pipeline_parallel: *a}\n",
        "version: 2\nkind: deployment\ndesign_space: {stage_ranks: &a [1, 2], pipeline_parallel: *a}\n",
    ),
}


@pytest.mark.parametrize("name", BEFORE_AND_AFTER)
def test_only_names_and_the_version_are_touched(name: str) -> None:
    before, after = BEFORE_AND_AFTER[name]
    assert migrated_text(before).text == after


REFUSED = {
    "kind: deployment\ndesign_space: {stage_ranks: [4]}\n": ":2: design_space.stage_ranks: version 1 has no such field",
    "kind: fleet\nworkloads:\n- design_space: {tensor_parallel: [4]}\n- design_space: {stage_ranks: [4]}\n": (
        ":4: workloads[1].design_space.stage_ranks: version 1 has no such field"
    ),
    "design_space: {tensor_parallel: [4]}\n": ": kind: found nothing, expected 'deployment' or 'fleet'",
    "kind: catalog\n": ":1: kind: found 'catalog', expected 'deployment' or 'fleet'",
    "version: 3\nkind: fleet\n": ":1: version: found 3, expected 1 or 2",
    "version:\nkind: fleet\n": ":1: version: found nothing, expected 1 or 2",
    "kind: fleet\nkind: fleet\n": ":2: kind: found twice (first on line 1)",
    "- kind: fleet\n": ": found a list, expected a scenario",
    "": ": found nothing, expected a scenario",
    "kind: [": ":1: not valid YAML: ",
    # Renaming the key would take its anchor away; the alias would name nothing.
    "kind: deployment\ndesign_space: {&a tensor_parallel: [4]}\nname: *a\n": ": cannot be rewritten as it is laid out",
    "? kind\n: deployment\n": ": cannot be rewritten as it is laid out",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_be_migrated_is_refused_where_it_is_wrong(text: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        migrated_text(text, "old.yaml")
    assert str(caught.value).startswith("old.yaml" + REFUSED[text])
    assert "\n" not in str(caught.value)


def test_mappings_are_copied_and_current_ones_left_alone() -> None:
    old: Mapping = {
        "kind": "fleet",
        "pools": POOLS,
        "workloads": [{"name": "a", **REQUESTS, **DEPLOYABLE, "design_space": {"tensor_parallel": [4], "max_gpus": 8}}],
    }
    del old["workloads"][0]["accelerators"]
    kept = json.dumps(old)
    current = migrated_mapping(old)
    assert json.dumps(old) == kept
    assert list(current) == ["version", "kind", "pools", "workloads"]
    assert current["workloads"][0]["design_space"] == {"stage_ranks": [4], "max_gpus": 8}
    assert migrated_mapping(current) == current
    assert migrated_mapping(old | {"version": 1}) == current
    fleet = load_fleet_mapping(current)
    assert fleet.notes() == ()
    assert resolve_fleet(fleet).workloads[0].design_space.stage_ranks == (4,)
    assert migrated_mapping(fleet.to_mapping()) == fleet.to_mapping()


def test_shipped_scenarios_are_of_version_2() -> None:
    files = sorted(SCENARIOS.glob("*.yaml"))
    assert len(files) > 20
    assert all(migrated_file(path).was_current for path in files)


def call(*arguments: str | Path) -> int:
    """Run `ieco-opt migrate` in this process; returns its exit status."""
    with pytest.raises(SystemExit) as exit_:
        main(["migrate", *map(str, arguments)])
    return int(exit_.value.code or 0)


OLD = (
    "kind: deployment\nmodel: Llama-3.1-8B\nweights: [fp8]\naccelerators: [H100-SXM]\n"
    "workload: {context_tokens: 9}\ndesign_space: {tensor_parallel: [1, 2]}\n"
)
NEW = "version: 2\n" + OLD.replace("tensor_parallel", "stage_ranks")


def test_command_rewrites_files_in_place(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    old, other, current = tmp_path / "old.yaml", tmp_path / "other.yaml", tmp_path / "current.yaml"
    old.write_bytes(b"\xef\xbb\xbf" + OLD.encode())
    old.chmod(0o640)
    other.write_text(OLD.replace("tensor_parallel", "pipeline_parallel"), encoding="utf-8")
    current.write_text(NEW, encoding="utf-8")
    before = current.stat()
    # Reading a file may move the time of its last access.
    written = (before.st_ino, before.st_mtime_ns, before.st_size, before.st_mode)
    assert call(old, other, current) == 0
    assert old.read_bytes() == b"\xef\xbb\xbf" + NEW.encode()
    assert old.stat().st_mode & 0o777 == 0o640
    after = current.stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_size, after.st_mode) == written
    assert sorted(tmp_path.iterdir()) == [current, old, other]
    assert load_scenario(old).design_space.stage_ranks == (1, 2)
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines() == [
        f"wrote {old}: design_space.tensor_parallel became stage_ranks",
        f"wrote {other}",
        f"{current} says version 2 already",
    ]
    assert call(old, "--quiet") == 0
    assert capfd.readouterr() == ("", "")


def test_command_writes_elsewhere(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    old, new, copy = tmp_path / "old.yaml", tmp_path / "new.yaml", tmp_path / "copy.yaml"
    old.write_text(OLD, encoding="utf-8")
    assert call(old, "--out", new) == 0
    assert call(new, "--out", copy) == 0
    assert old.read_text("utf-8") == OLD
    assert new.read_text("utf-8") == copy.read_text("utf-8") == NEW
    assert capfd.readouterr().err.endswith(f"{new} says version 2 already; copied to {copy}\n")


def test_command_writes_nothing_where_one_file_is_wrong(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    old, wrong, missing = tmp_path / "old.yaml", tmp_path / "wrong.yaml", tmp_path / "missing.yaml"
    old.write_text(OLD, encoding="utf-8")
    wrong.write_text("kind: deployment\nversion: 7\n", encoding="utf-8")
    assert call(old, wrong, missing) == 2
    assert old.read_text("utf-8") == OLD
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines() == [
        f"error: {wrong}:2: version: found 7, expected 1 or 2",
        f"error: {missing}: cannot be read (No such file or directory)",
    ]
    assert call(old, old, "--out", tmp_path / "new.yaml") == 2
    assert call(old, "--out", tmp_path / "no" / "new.yaml") == 2
    assert call() == 2


def test_what_can_be_read_once_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "old.yaml"
    os.mkfifo(pipe)
    old = (SCENARIOS / "mixtral-8x22b-budget.yaml").read_bytes()
    for content, read in (
        (b"\xef\xbb\xbf" + old, lambda: migrated_file(pipe).content),
        (old, lambda: load_scenario(pipe, ["name=x"]).name.encode()),
    ):
        writer = threading.Thread(target=pipe.write_bytes, args=(content,), daemon=True)
        writer.start()
        found: list[bytes] = []
        reader = threading.Thread(target=lambda read=read, found=found: found.append(read()), daemon=True)
        reader.start()
        reader.join(timeout=20)
        assert found in ([content], [b"x"])
