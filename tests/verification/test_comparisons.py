"""Comparisons computed again: proposals that no setup of the scenario is, and measures that come out otherwise."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import pytest
from edited_results import RESULTS

from ieco_opt.results.comparison import Comparison
from ieco_opt.scenario import resolve
from ieco_opt.verification.comparisons import _positions, of_the_heuristics


@cache
def compared() -> Comparison:
    answer = RESULTS["compared"]()
    assert isinstance(answer, Comparison)
    return answer


def told(heuristic: int, proposal: int | None = None, **changes: Any) -> list[str]:
    """What is said of the comparison where one heuristic, or one of its proposals, says something else."""
    heuristics = list(compared().heuristics)
    if proposal is None:
        heuristics[heuristic] = dataclasses.replace(heuristics[heuristic], **changes)
    else:
        proposals = list(heuristics[heuristic].proposals)
        proposals[proposal] = dataclasses.replace(proposals[proposal], **changes)
        heuristics[heuristic] = dataclasses.replace(heuristics[heuristic], proposals=tuple(proposals))
    changed = dataclasses.replace(compared(), heuristics=tuple(heuristics))
    return list(of_the_heuristics(changed, resolve(compared().scenario)))


def test_the_comparison_itself_comes_out_alike() -> None:
    assert len(compared().heuristics) == 2
    assert all(each.proposals for each in compared().heuristics)
    assert told(0) == []


def test_names_that_a_list_lacks_lie_beyond_its_end() -> None:
    assert _positions(["a", "b", None], ["b", "x", None, "a"]).tolist() == [1, 3, 2, 0]


@pytest.mark.parametrize(
    "changes", [{"accelerator": "other"}, {"weights": "other"}, {"tensor_layout": "2d"}, {"batch": 3}], ids=str
)
def test_a_proposal_that_no_setup_is_cannot_be_launched(changes: dict[str, Any]) -> None:
    at = next(at for at, each in enumerate(compared().heuristics[0].proposals) if not each.reasons)
    found = told(0, at, **changes)
    assert f"heuristics[0].proposals[{at}].reasons: found 0 entries, expected 1" in found
    assert any(problem.startswith(f"heuristics[0].proposals[{at}].speed_tokens_per_s: found ") for problem in found)
    assert any(problem.startswith("heuristics[0].hypervolume_ratio: found ") for problem in found)


@pytest.mark.parametrize("heuristic", [0, 1])
def test_a_verdict_is_that_of_the_scenario(heuristic: int) -> None:
    other = compared().heuristics[1].proposals[0].reasons
    assert len(other) == 1
    for at, each in enumerate(compared().heuristics[heuristic].proposals):
        reasons = () if each.reasons else other
        assert told(heuristic, at, reasons=reasons) == [
            f"heuristics[{heuristic}].proposals[{at}].reasons: "
            f"found {len(reasons)} entries, expected {len(each.reasons)}"
        ]


@pytest.mark.parametrize("name", ["hypervolume_ratio", "additive_epsilon", "igd_plus"])
def test_a_measure_that_comes_out_otherwise_is_all_that_is_named(name: str) -> None:
    value = getattr(compared().heuristics[0], name)
    (problem,) = told(0, **{name: value * (1.0 + 3e-9)})
    assert problem.startswith(f"heuristics[0].{name}: found ")
