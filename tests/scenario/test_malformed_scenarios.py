"""Every malformed scenario is refused with faults that name the file and the field, and nothing else."""

from __future__ import annotations

import contextlib
import json
import random
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from malformed_scenarios import GOOD, MALFORMED, Malformed

from ieco_opt.errors import ScenarioError
from ieco_opt.scenario import (
    Fleet,
    load_deployment,
    load_scenario,
    load_scenario_mapping,
    resolve,
    resolve_fleet,
)

SECONDS = 30.0
"""CPU time that tells what never ends from what is read: the most values that are allowed take 1 to 6 s, traced."""
PIECES = (
    *(
        "[",
        "]",
        "{",
        "}",
        ":",
        "\n",
        "  ",
        "- ",
        "#",
        "&a ",
        "*a",
        "'",
        '"',
        "|\n",
        "---\n",
        "? ",
        "%",
        "@",
        "\t",
        "é",
    ),
    *(
        "!!python/name:os.system ",
        "\x00",
        "\ud7ff",
        "nan",
        ".nan",
        ".inf",
        "1e400",
        "-1",
        "0",
        "true",
        "~",
        "[]",
        "{}",
    ),
    *(
        "9" * 5000,
        "2024-01-01",
        "0x10",
        "1_0",
        "<<",
        "paper",
        "auto",
        "x.yaml",
        "../x.json",
        "/",
        "like: H100-SXM",
    ),
)
VALUES = (
    *(
        None,
        True,
        0,
        1,
        -1,
        2.5,
        1e300,
        10**400,
        float("nan"),
        float("inf"),
        "",
        "auto",
        "1d",
        "paper",
        "x.yaml",
    ),
    *(
        "Llama-3.1-8B",
        "Llama 3 8B",
        "H100",
        "a\nb",
        "\ud800",
        "{found}",
        b"bytes",
        object(),
        1j,
        range(10**12),
        {1},
    ),
    *(
        [],
        [[]],
        [1, 1],
        {},
        {"min": 5},
        {1: 2},
        {"like": "A100"},
        {"name": "x", "layers": 10**400},
        ("fp8",),
        "bf16",
    ),
)


def _refusal(path: Path, content: str | bytes) -> ScenarioError:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ScenarioError) as caught:
        resolve(load_deployment(path))
    return caught.value


@pytest.mark.parametrize("case", MALFORMED, ids=[case.id for case in MALFORMED])
def test_malformed_scenario_is_refused_by_name(case: Malformed, tmp_path: Path) -> None:
    path = tmp_path / "case.yaml"
    start = time.process_time()
    error = _refusal(path, case.content)
    assert time.process_time() - start < SECONDS
    lines = [str(fault) for fault in error.faults]
    assert any(case.field in line for line in lines), lines
    assert not any("after validation" in line or "Input should" in line for line in lines)
    assert all(line.startswith(str(path)) for line in lines)
    assert all("\n" not in line and len(line) < 600 for line in lines)
    assert str(error).splitlines() == lines
    if case.id != "file-fleet":
        with pytest.raises(ScenarioError) as caught:
            resolve(load_scenario(path))  # type: ignore[arg-type]
        assert str(caught.value) == str(error)


def test_ids_are_unique_and_many() -> None:
    assert len({case.id for case in MALFORMED}) == len(MALFORMED) >= 70


def test_good_scenario_is_good(tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    assert resolve(load_deployment(path)).scenario.name == "good"
    assert load_scenario(path) == load_deployment(path)


@pytest.mark.parametrize("name", ["missing.yaml", "", "a\0b.yaml"])
def test_files_that_cannot_be_read(name: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="cannot be read"):
        load_deployment(tmp_path / name)
    with pytest.raises(ScenarioError, match="cannot be read"):
        load_scenario(tmp_path / name)


def test_all_faults_come_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("1000", "-1").replace("fp8", "fp9").replace("0.8", "8").replace("min_speed", "min_sped")
    error = _refusal(tmp_path / "many.yaml", text + "model: again\nfidelity: exact\n")
    fields = {fault.field for fault in error.faults}
    assert {"model", "weights[0]", "fidelity", "workload.context_tokens"} < fields
    assert fields - {"model", "weights[0]", "fidelity", "workload.context_tokens"} == {
        "speculation.acceptance",
        "limits.min_sped",
    }


def test_faults_are_cut_off_where_nobody_would_read_on(tmp_path: Path) -> None:
    error = _refusal(tmp_path / "twice.yaml", GOOD + "model: again\n" * 3000)
    assert len(error.faults) == 101
    assert "2900 more faults" in error.faults[-1].message


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), edits=st.integers(1, 6))
def test_mutated_scenarios_load_or_are_refused(seed: int, edits: int, tmp_path: Path) -> None:
    """Replace random stretches of a good scenario by fragments that upset YAML or the schema."""
    generator = random.Random(seed)  # noqa: S311
    text = GOOD
    for _ in range(edits):
        start = generator.randrange(len(text) + 1)
        length = generator.choice([0, 0, 1, 3, 12])
        text = text[:start] + generator.choice(PIECES) + text[start + length :]
    path = tmp_path / "mutated.yaml"
    path.write_bytes(text.encode())
    with contextlib.suppress(ScenarioError):
        scenario = load_scenario(path)
        scenario.notes()
        if isinstance(scenario, Fleet):
            resolve_fleet(scenario)
        else:
            resolve(scenario)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=80))
def test_arbitrary_bytes_are_refused(content: bytes, tmp_path: Path) -> None:
    _refusal(tmp_path / "bytes.yaml", content)


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32), edits=st.integers(1, 3))
def test_mutated_mappings_load_or_are_refused(seed: int, edits: int) -> None:
    """Put odd Python values into random places of a good scenario."""
    generator = random.Random(seed)  # noqa: S311
    mapping = yaml.safe_load(GOOD)
    for _ in range(edits):
        at = mapping
        key = generator.choice([*at, "odd"])
        while isinstance(at.get(key), dict) and at[key] and generator.random() < 0.8:
            at = at[key]
            key = generator.choice([*at, "odd"])
        at[key] = generator.choice(VALUES)
    with contextlib.suppress(ScenarioError):
        scenario = load_scenario_mapping(mapping)
        resolve(scenario)
        again = load_scenario_mapping(json.loads(json.dumps(scenario.to_mapping(), allow_nan=False)))
        assert again == scenario
