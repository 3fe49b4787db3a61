"""Heuristics price energy as the exact search does, and heed limits on it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ieco_opt import Scenario
from ieco_opt.comparison.deployability import judge
from ieco_opt.heuristics.interface import Heuristic
from ieco_opt.heuristics.paper_grid import PaperGrid
from ieco_opt.heuristics.registry import chosen
from ieco_opt.results.comparison import Budget
from ieco_opt.scenario import resolve

MAPPING: dict[str, Any] = {
    "model": "Llama-3.1-8B",
    "weights": ["fp8"],
    "accelerators": [{"like": "H100-SXM", "power": {"usd_per_kwh": 3.0, "kg_co2_per_kwh": 0.4}}],
    "workload": {"context_tokens": 1000, "output_tokens": 200},
    "design_space": {"tensor_parallel": [1, 2, 4], "pipeline_parallel": [1, 2], "max_gpus": 8},
    "speculation": {"draft_model": "Llama-3.2-1B", "acceptance": 0.8, "max_draft_tokens": 3},
}


@pytest.mark.parametrize("heuristic", chosen(("rule-of-thumb", "coarse-grid", "random"), 3), ids=lambda one: one.name)
def test_claims_are_what_a_deployment_costs_with_its_energy(heuristic: Heuristic) -> None:
    scenario = resolve(Scenario(**MAPPING))
    proposals = heuristic.propose(scenario, Budget(evaluations=300))
    verdicts = judge(scenario, proposals)
    assert verdicts.deployable.any()
    claimed = proposals.cost_usd_per_mtok[verdicts.deployable]
    assert claimed == pytest.approx(verdicts.cost_usd_per_mtok[verdicts.deployable], rel=1e-9)


@pytest.mark.parametrize("limit", ["max_energy_j_per_token", "max_carbon_kg_per_mtok"])
@pytest.mark.parametrize("heuristic", [*chosen(("coarse-grid", "random"), 3), PaperGrid(24)], ids=lambda one: one.name)
def test_proposals_meet_limits_on_energy(heuristic: Heuristic, limit: str) -> None:
    """What meets half of what the most frugal proposal takes is nothing, and proposals that do are left."""
    free = heuristic.propose(resolve(Scenario(**MAPPING)), Budget(evaluations=300))
    assert len(free.batch) > 1
    strictest = heuristic.propose(resolve(Scenario(**MAPPING, limits={limit: 1e-6})), Budget(evaluations=300))
    assert len(strictest.batch) == 0
    counts = {
        len(heuristic.propose(resolve(Scenario(**MAPPING, limits={limit: most})), Budget(evaluations=300)).batch)
        for most in np.geomspace(0.01, 10.0, 7)
    }
    assert len(counts) > 2


@pytest.mark.parametrize(("limit", "most"), [("max_energy_j_per_token", 0.4), ("max_carbon_kg_per_mtok", 0.05)])
@pytest.mark.parametrize("heuristic", [*chosen(("coarse-grid",), 3), PaperGrid(24)], ids=lambda one: one.name)
def test_limits_on_energy_hold_with_the_error_of_the_model(heuristic: Heuristic, limit: str, most: float) -> None:
    """An error of 1 halves what may be taken."""

    def proposed(**fields: Any) -> list[int]:
        return heuristic.propose(resolve(Scenario(**MAPPING, **fields)), Budget(evaluations=300)).batch.tolist()

    held = proposed(limits={limit: most}, model_error=1.0)
    assert held == proposed(limits={limit: most / 2.0})
    assert 0 < len(held) < len(proposed(limits={limit: most}))


def test_the_published_grid_pays_for_energy() -> None:
    plain = MAPPING | {"accelerators": ["H100-SXM"]}
    priced, unpriced = (PaperGrid(24).propose(resolve(Scenario(**each)), Budget()) for each in (MAPPING, plain))
    # The fastest of both is the same, and dearer where energy has a price.
    assert priced.latency_s.min() == pytest.approx(unpriced.latency_s.min(), rel=1e-12)
    assert priced.cost_usd_per_mtok.min() > 1.1 * unpriced.cost_usd_per_mtok.min()
