"""Accelerators that scenarios and fleets name as files."""

from __future__ import annotations

from pathlib import Path

import pytest

import ieco_opt
from ieco_opt import catalog
from ieco_opt.errors import ScenarioError

CARD = """\
like: H100-SXM
name: measured
hbm_bytes: 8.45e10
memory_cap: 0.9
sources: {memory_cap: "measured here"}
"""

DEPLOYMENT = """\
version: 2
kind: deployment
name: small
model: Llama-3.1-8B
weights: [bf16]
accelerators: [card.yaml, H100-SXM]
workload: {context_tokens: 1000, output_tokens: 100}
design_space: {tensor_parallel: [1], pipeline_parallel: [1], batch: [1, 8]}
"""

FLEET = """\
version: 2
kind: fleet
name: small
pools: [{name: own, accelerator: card.yaml, gpus: 8}]
workloads:
  - name: chat
    model: Llama-3.1-8B
    weights: [fp8]
    requests_per_s: 1
    prompt_tokens: 1000
    output_tokens: 100
    design_space: {tensor_parallel: [1], pipeline_parallel: [1], batch: [8]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "card.yaml").write_text(CARD, "utf-8")
    (tmp_path / "deployment.yaml").write_text(DEPLOYMENT, "utf-8")
    (tmp_path / "fleet.yaml").write_text(FLEET, "utf-8")
    return tmp_path


def test_a_file_is_read_as_an_accelerator_or_a_model_by_its_fields(folder: Path) -> None:
    card = catalog.accelerator_from_file(folder / "card.yaml")
    assert (card.name, card.hbm_bytes, card.memory_cap) == ("measured", 8.45e10, 0.9)
    assert card.flops_16bit == catalog.accelerator("H100-SXM").flops_16bit
    rows = {row.field: row for row in catalog.describe_file(folder / "card.yaml")}
    assert rows["memory_cap"].source == "measured here"
    (folder / "model.yaml").write_text("like: Llama-3.1-8B\nmax_context_tokens: 1000\n", "utf-8")
    assert next(iter(catalog.describe_file(folder / "model.yaml"))).value == "model"


@pytest.mark.parametrize("name", ["deployment", "fleet"])
def test_results_hold_the_accelerator_itself(folder: Path, name: str) -> None:
    scenario = ieco_opt.load_scenario(folder / f"{name}.yaml")
    if name == "fleet":
        answer = ieco_opt.plan(scenario)
        held = [pool.accelerator for pool in answer.scenario.pools]
    else:
        answer = ieco_opt.frontier(scenario, delta=0.5)
        held = list(answer.scenario.accelerators)
    (folder / "card.yaml").unlink()
    answer.to_json(folder / "answer.json")
    assert ieco_opt.verify(ieco_opt.load_result(folder / "answer.json")).holds
    assert isinstance(held[0], dict)
    assert (held[0]["name"], held[0]["hbm_bytes"]) == ("measured", 8.45e10)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "deployment.yaml:6: accelerators[0]: found 'card.yaml'"),
        (CARD + "speed: 3\n", "card.yaml:6: speed: unknown field"),
        ("- 3\n", "card.yaml: found"),
    ],
)
def test_faults_of_the_file_are_named_where_they_are(folder: Path, text: str | None, message: str) -> None:
    if text is None:
        (folder / "card.yaml").unlink()
    else:
        (folder / "card.yaml").write_text(text, "utf-8")
    with pytest.raises(ScenarioError) as error:
        ieco_opt.frontier(ieco_opt.load_scenario(folder / "deployment.yaml"), delta=0.5)
    assert message in str(error.value)


def test_a_scenario_that_may_name_no_file_is_refused(folder: Path) -> None:
    with pytest.raises(ScenarioError, match="expected no name of a file"):
        ieco_opt.frontier(ieco_opt.load_scenario(DEPLOYMENT, files=False), delta=0.5)
