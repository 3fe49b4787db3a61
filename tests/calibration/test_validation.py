"""Predicted against measured times: each row its own prediction, error and range; groups, ranks and regret."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import ieco_opt
from ieco_opt import catalog
from ieco_opt.calibration.measurements import measurements_of
from ieco_opt.calibration.pricing import group_rows, predicted
from ieco_opt.calibration.ranking import Regret, ranking_of, regret_of
from ieco_opt.calibration.validation import ADDED, validate
from ieco_opt.catalog.expected_error import UNCALIBRATED_ERROR
from ieco_opt.catalog.profiles import calibration_of

PREDICTED = "predicted_time_per_output_token_s"
ROW: dict[str, Any] = {
    "model": "Llama-3.1-8B",
    "weights": "fp8",
    "accelerator": "H100",
    "engine": "vllm",
    "gpus_per_instance": 1,
    "prompt_tokens": 1000,
    "output_tokens": 100,
    "batch": 4.0,
    "time_per_output_token_s": 0.01,
}
FITTED_ON: dict[str, Any] = {
    "source": "made up",
    "rows": 10,
    "configurations": 2,
    "median_error": 0.05,
    "p90_error": 0.12,
    "models": ["Llama-3.1-8B"],
    "weights": ["fp8"],
    "gpus": [1, 4],
    "batch_per_gpu": [1.0, 64.0],
    "context_tokens": [1000.0, 8000.0],
}


def table(*rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame([ROW | row for row in rows])


def measured_with(errors: list[float], rows: list[dict[str, Any]], profile: str) -> pd.DataFrame:
    """Rows whose measured times are such that the model has the given errors."""
    times = validate(measurements_of(table(*rows)), profile).table[PREDICTED].to_numpy(dtype=float)
    return table(*rows).assign(time_per_output_token_s=times / (1.0 + np.array(errors)))


@pytest.fixture
def profile(tmp_path: Path) -> str:
    """A file of a profile that was fitted on H100 and is taken to be alike for H200."""
    hopper = calibration_of(catalog.accelerator("H100"))
    assert hopper is not None
    values = hopper.model_dump(mode="json", exclude_defaults=True, exclude={"sources"})
    values |= {"name": "made-up", "accelerators": ["H100-SXM"], "like": ["H200-SXM"], "fitted_on": FITTED_ON}
    path = tmp_path / "made-up.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return str(path)


def test_rows_keep_their_order_and_columns_and_get_their_own_prediction() -> None:
    rows = table(
        {"batch": 64.0, "note": "b"},
        {"model": "nope", "note": "a"},
        {"accelerator": "B200", "weights": "fp4", "note": "d"},
        {"batch": 1.0, "note": "c"},
    )
    rows.index = pd.Index([7, 3, 3, 1])
    found = ieco_opt.validate(rows).to_dataframe()
    assert [*found.columns] == [*rows.columns, *ADDED]
    assert found[[*rows.columns]].equals(rows)
    alone = [ieco_opt.validate(rows.iloc[[row]]).table[PREDICTED].iloc[0] for row in range(4)]
    assert np.array_equal(found[PREDICTED].to_numpy(), np.array(alone), equal_nan=True)
    assert np.isnan(found[PREDICTED]).tolist() == [False, True, False, False]
    assert found["profile"].tolist() == ["hopper-2026-07", "", "blackwell-2026-07", "hopper-2026-07"]
    assert found["left_out"].tolist()[1].startswith("found 'nope', expected the name of a model")
    assert found["left_out"].tolist()[::2] == ["", ""]


def test_errors_are_those_of_the_predictions() -> None:
    errors = [0.5, -0.1, 0.0, -0.2]
    rows = [{"batch": 1.0}, {"batch": 2.0}, {"batch": 600.0}, {"batch": 8.5, "accelerator": "H200"}]
    found = ieco_opt.validate(measured_with(errors, rows, "paper-constants"), profile="paper-constants")
    assert found.table["error"].to_numpy() == pytest.approx(errors, abs=1e-12)
    (overall,) = found.overall.to_dict("records")
    assert overall["rows"] == 4
    assert overall["median_error"] == pytest.approx(0.15)
    assert overall["bias"] == pytest.approx(-0.05)
    assert overall["p90_error"] == pytest.approx(np.quantile(np.abs(errors), 0.9))
    assert overall["within_expected"] == 0.75
    by = found.summaries["accelerator"].set_index("accelerator")
    assert by.index.tolist() == ["H100-SXM", "H200-SXM"]
    assert by.loc["H200-SXM", ["rows", "bias"]].tolist() == pytest.approx([1, -0.2])
    assert found.summaries["batch"]["batch"].tolist() == ["<= 2", "<= 32", "> 512"]
    assert found.summaries["batch"]["rows"].tolist() == [2, 1, 1]


def test_published_constants_and_profiles_price_differently() -> None:
    rows = table({})
    paper, auto = (ieco_opt.validate(rows, profile=name).table for name in ("paper-constants", "auto"))
    groups = group_rows(measurements_of(rows))
    for found, chosen in ((paper, None), (auto, calibration_of(catalog.accelerator("H100")))):
        expected = predicted(groups, 1, lambda _, profile=chosen: profile)  # type: ignore[misc]
        assert found[PREDICTED].tolist() == expected.tolist()
    assert paper[PREDICTED].iloc[0] < auto[PREDICTED].iloc[0]
    assert paper[["profile", "in_range", "expected_error"]].to_numpy().tolist() == [
        ["paper-constants", False, UNCALIBRATED_ERROR]
    ]


@pytest.mark.parametrize(
    ("change", "inside"),
    [
        ({}, True),
        ({"batch": 0.3}, True),
        ({"batch": 64.2}, True),
        ({"batch": 65.0}, False),
        ({"gpus_per_instance": 2, "batch": 1.5}, False),
        ({"gpus_per_instance": 2, "tensor_parallel": 1, "batch": 1.5}, True),
        ({"gpus_per_instance": 8, "batch": 16.0}, False),
        ({"weights": "bf16"}, False),
        ({"model": "Llama-3.1-70B"}, False),
        ({"prompt_tokens": 900}, False),
        ({"prompt_tokens": 900, "output_tokens": 200}, True),
        ({"prompt_tokens": 7000, "output_tokens": 3000}, False),
    ],
)
def test_the_range_of_a_profile(change: dict[str, Any], inside: bool, profile: str) -> None:
    found = ieco_opt.validate(table(change), profile=profile).table
    assert found[["in_range", "expected_error", "left_out"]].to_numpy().tolist() == [[inside, 0.12, ""]]


@pytest.mark.parametrize("accelerator", ["H200", "B200"])
def test_an_accelerator_without_measurements_is_uncalibrated(accelerator: str, profile: str) -> None:
    found = ieco_opt.validate(table({"accelerator": accelerator}), profile=profile).table
    assert found[["profile", "in_range", "expected_error"]].to_numpy().tolist() == [
        ["made-up", False, UNCALIBRATED_ERROR]
    ]


def test_degrees_are_named_as_everywhere() -> None:
    rows = table(
        {"gpus_per_instance": 8},
        {"gpus_per_instance": 8, "pipeline_parallel": 2},
        {"gpus_per_instance": 8, "tensor_parallel": 2},
        {"model": "DeepSeek-R1", "gpus_per_instance": 8, "attention_data_parallel": 8, "expert_parallel": 8},
    )
    found = ieco_opt.validate(rows).summaries["degrees"]
    assert sorted(found["degrees"]) == ["TP1 DP8 EP8", "TP2 DP4", "TP4 PP2", "TP8"]


def test_all_rows_may_be_left_out() -> None:
    found = ieco_opt.validate(table({"model": "nope"}, {"weights": "fp7"}, {"model": "nope"}))
    assert [*found.left_out.values()] == [2, 1]
    assert found.overall.empty
    assert found.to_mapping()["overall"] is None
    assert (found.ranking.pairs, found.ranking.rightly) == (0, None)
    assert found.regret == Regret(0, 0, None, None, None, None)


def priced(generator: np.random.Generator, rows: int) -> pd.DataFrame:
    """Rows as the summaries read them, with predictions that are off and some equal times."""
    measured = np.round(generator.uniform(1.0, 3.0, rows), 1)
    return pd.DataFrame(
        {
            "model": generator.choice(["a", "b"], rows),
            "accelerator": generator.choice(["x", "y"], rows),
            "prompt_tokens": 1.0,
            "output_tokens": generator.choice([1.0, 2.0], rows),
            "disaggregated": generator.choice([0.0, 1.0], rows),
            "gpus_per_instance": generator.integers(1, 4, rows),
            "mean_batch": np.round(generator.uniform(1.0, 9.0, rows), 1),
            "time_per_output_token_s": measured,
            PREDICTED: np.round(measured * generator.uniform(0.7, 1.4, rows), 1),
            "expected_error": 0.1,
        }
    )


@pytest.mark.parametrize("seed", range(8))
def test_pairs_and_regret_are_those_of_their_definitions(seed: int) -> None:
    rows = priced(np.random.default_rng(seed), 80)
    pairs = rightly = 0
    for one, other in itertools.permutations(rows.to_dict("records"), 2):
        if one["model"] == other["model"] and other["time_per_output_token_s"] > 1.2 * one["time_per_output_token_s"]:
            pairs += 1
            rightly += other[PREDICTED] > one[PREDICTED]
    ranking = ranking_of(rows)
    assert ranking.pairs == pairs > 0
    assert ranking.rightly == pytest.approx(rightly / pairs, abs=1e-15)

    groups, asked, late, regrets = 0, 0, 0, []
    for _, part in rows.groupby(["model", "accelerator", "output_tokens", "disaggregated"]):
        listed = part.to_dict("records")
        if len(listed) < 3:
            continue
        groups += 1
        for t in part["time_per_output_token_s"]:
            asked += 1
            fast = [row for row in listed if row[PREDICTED] <= t]
            if fast:
                pick = min(fast, key=lambda row: cost(row, PREDICTED))
                real = pick["time_per_output_token_s"]
                least = min(cost(row, MEASURED) for row in listed if row[MEASURED] <= real)
                regrets.append(cost(pick, MEASURED) / least - 1.0)
                late += real > t * 1.1
    found = regret_of(rows)
    assert (found.groups, found.asked) == (groups, asked)
    assert found.unanswered == pytest.approx(1.0 - len(regrets) / asked)
    assert found.slower == pytest.approx(late / len(regrets))
    assert found.median == pytest.approx(np.median(regrets))
    assert found.p90 == pytest.approx(np.quantile(regrets, 0.9))
    assert max(regrets) > 0.0


MEASURED = "time_per_output_token_s"


def cost(row: dict[Any, Any], time: str) -> float:
    return float(row["gpus_per_instance"] * row[time] / row["mean_batch"])


def test_of_equally_cheap_rows_the_quickest_by_prediction_is_picked() -> None:
    one = dict.fromkeys(("prompt_tokens", "output_tokens", "disaggregated"), 1.0)
    one |= {"model": "a", "accelerator": "x", "expected_error": 0.1}
    quick = one | {"gpus_per_instance": 2, "mean_batch": 2.0, PREDICTED: 1.0, MEASURED: 1.0}
    slow = one | {"gpus_per_instance": 2, "mean_batch": 4.0, PREDICTED: 2.0, MEASURED: 3.0}
    slowest = one | {"gpus_per_instance": 2, "mean_batch": 1.0, PREDICTED: 9.0, MEASURED: 3.0}
    found = regret_of(pd.DataFrame([slow, quick, slowest]))
    # Always the quick one, whose cost is 1; the slow one costs 1 too by prediction, but really 1.5.
    assert (found.asked, found.unanswered, found.p90, found.slower) == (3, 0.0, 0.0, 0.0)


def test_gpus_that_only_decode_are_no_alternative_to_those_that_run_prompts_too() -> None:
    # Of the disaggregated rows the GPUs of prompts are not counted, so that they look cheaper by half.
    batches = [{"batch": batch, "time_per_output_token_s": 0.01 * batch} for batch in (1.0, 2.0, 4.0)]
    beside = [row | {"gpus_per_instance": 2} for row in batches]
    elsewhere = [row | {"disaggregated": 1, "time_per_output_token_s": 0.001} for row in batches]
    found = validate(measurements_of(table(*beside, *elsewhere)), "auto").regret
    assert (found.groups, found.asked) == (2, 6)
    assert found.p90 == 0.0


def test_perfect_predictions_have_no_regret() -> None:
    rows = priced(np.random.default_rng(1), 40)
    found = regret_of(rows.assign(**{PREDICTED: rows[MEASURED]}))
    assert (found.unanswered, found.slower, found.median, found.p90) == (0.0, 0.0, 0.0, 0.0)
    assert ranking_of(rows.assign(**{PREDICTED: rows[MEASURED]})).rightly == 1.0
