"""The error that a scenario plans with: what the field means for each accelerator, and how it is said."""

from __future__ import annotations

import random
from typing import Any

import pytest
from places import SCENARIOS
from random_profiles import random_profile

import ieco_opt
from ieco_opt import Scenario, ScenarioError
from ieco_opt.scenario import resolve
from ieco_opt.scenario.margin import band_error, errors_of, in_words, limits_hold, margin_of

FITTED: dict[str, Any] = {
    "source": "here",
    "rows": 9,
    "configurations": 3,
    "median_error": 0.01,
    "p90_error": 0.055,
    "models": ["any"],
    "weights": ["fp8"],
    "gpus": [1, 8],
    "batch_per_gpu": [1.0, 9.0],
    "context_tokens": [1.0, 9.0],
}


def scenario(**fields: Any) -> Scenario:
    profile = random_profile(random.Random(1)) | {"accelerators": ["H100-SXM"], "fitted_on": FITTED}  # noqa: S311
    given: dict[str, Any] = {
        "model": "Llama-3.1-8B",
        "weights": ["fp8"],
        "accelerators": ["H100-SXM", "L40S"],
        "workload": {"context_tokens": 1000},
        "profile": profile,
    }
    return Scenario(**given | fields)


def test_the_word_profile_is_the_expected_error_of_each_accelerator() -> None:
    accelerators = resolve(scenario(model_error="profile")).accelerators
    assert errors_of("profile", accelerators) == {"H100-SXM": 0.055, "L40S": 0.3}
    assert errors_of(0.15, accelerators) == {"H100-SXM": 0.15, "L40S": 0.15}
    assert margin_of("profile", accelerators[0]) == 1.055
    unfitted = resolve(scenario(profile="paper-constants")).accelerators
    assert errors_of("profile", unfitted) == {"H100-SXM": 0.3, "L40S": 0.3}


def test_it_is_said_in_words() -> None:
    assert limits_hold(scenario()) is None
    assert limits_hold(scenario(model_error=0)) is None
    assert limits_hold(scenario(model_error=0.15)) == "limits hold if the model is 15 % too optimistic"
    expected = "limits hold if the model is 5.5 % (H100-SXM) or 30 % (L40S) too optimistic"
    assert limits_hold(scenario(model_error="profile")) == expected
    assert in_words({"a": 0.3, "b": 0.1, "c": 0.3}) == "30 % (a, c) or 10 % (b)"
    fleet = ieco_opt.load_scenario(
        SCENARIOS / "fleet-chat-and-code.yaml", ["model_error=profile", "profile=paper-constants"]
    )
    assert limits_hold(fleet) == "limits hold if the model is 30 % too optimistic"


def test_a_band_without_an_error_is_that_of_the_profile() -> None:
    assert band_error(scenario()) == band_error(scenario(model_error=0)) == "profile"
    assert band_error(scenario(model_error=0.2)) == 0.2


def test_paper_plans_with_no_error_and_has_no_band() -> None:
    paper = next(each for each in sorted(SCENARIOS.glob("**/*.yaml")) if "fidelity: paper" in each.read_text("utf-8"))
    with pytest.raises(ScenarioError, match="nothing in fidelity paper"):
        ieco_opt.load_scenario(paper, ["model_error=0.1"])
    with pytest.raises(ScenarioError, match="band: found True, expected no band in fidelity paper"):
        ieco_opt.frontier(ieco_opt.load_scenario(paper), band=True)
