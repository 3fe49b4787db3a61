"""Fitting a profile to rows: known constants come back, what rows do not say stays, ten rows help."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic_rows import profile, rows

import ieco_opt
from ieco_opt.calibration import calibrate as module
from ieco_opt.calibration.calibrate import Calibrated, calibrate
from ieco_opt.calibration.fitting import folds
from ieco_opt.calibration.measurements import measurements_of
from ieco_opt.calibration.pricing import group_rows, predicted
from ieco_opt.catalog.calibration import Calibration
from ieco_opt.catalog.profiles import read_calibration
from ieco_opt.errors import ScenarioError

TRUTH = {"layer_s": 6.5e-5, "cache_share": 0.45, "linear_share__fp8": 0.7}


@pytest.fixture(scope="module")
def recovered(base: Calibration) -> Calibrated:
    return calibrate([rows(profile(**TRUTH), noise=0.03)], profile=base)


@pytest.mark.parametrize("name", TRUTH)
def test_known_constants_come_back_within_their_standard_errors(recovered: Calibrated, name: str) -> None:
    row = recovered.constants.set_index("name").loc[name.replace("__", ".")]
    standard_error = np.log(row["standard_error_factor"])
    assert abs(np.log(row["fitted"] / TRUTH[name])) < 3.0 * standard_error
    assert abs(np.log(row["fitted"] / TRUTH[name])) < abs(np.log(row["base"] / TRUTH[name])) / 2.0
    assert row["identified"]


def test_the_error_falls_to_the_noise_also_on_configurations_kept_apart(recovered: Calibrated) -> None:
    errors = recovered.errors.set_index("prediction")
    assert errors.loc["base", "median"] > 0.15
    assert errors.loc["fitted", "median"] < 0.03
    assert errors.loc["cross-validated", "median"] < 0.035
    assert abs(errors.loc["cross-validated", "bias"]) < 0.01
    assert recovered.kept_together == "configuration"
    assert set(errors["rows"]) == {60}


def test_what_rows_do_not_say_stays_and_is_named(recovered: Calibrated) -> None:
    constants = recovered.constants.set_index("name")
    for name in ("expert_share.fp8", "linear_share.int4", "all_to_all.seconds", "layer_kernels.experts"):
        assert constants.loc[name, "fitted"] == pytest.approx(constants.loc[name, "base"], rel=1e-6)
        assert not constants.loc[name, "identified"]
    [warning] = [note for note in recovered.notes() if "say little of" in note]
    assert "layer_kernels.experts" in warning
    assert "cache_share" not in warning


def test_the_prior_holds_against_a_single_row_of_noise(base: Calibration) -> None:
    table = rows(base, degrees=(8,))
    table.loc[3, "time_per_output_token_s"] *= 3.0
    moved = calibrate([table], profile=base)
    assert moved.profile.layer_s == pytest.approx(base.layer_s, rel=0.05)
    assert moved.kept_together == "row"
    assert any("leaves out single rows" in note for note in moved.notes())


@pytest.mark.parametrize("seed", range(3))
def test_ten_rows_lower_the_error_on_the_others(base: Calibration, seed: int) -> None:
    table = rows(profile(layer_s=1.5 * base.layer_s), noise=0.03)
    drawn = np.random.default_rng(seed).permutation(len(table))
    rest = measurements_of(table.iloc[drawn[10:]])
    moved = calibrate([table.iloc[drawn[:10]]], profile=base).profile
    error = [
        np.median(np.abs(predicted(group_rows(rest), 50, lambda _, each=each: each) / rest.rows[module.MEASURED] - 1.0))
        for each in (base, moved)
    ]
    assert error[1] < 0.5 * error[0]


def test_the_profile_is_read_back_as_it_was(recovered: Calibrated, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(recovered.profile_text(), "utf-8")
    assert read_calibration(path) == recovered.profile
    on = recovered.profile.fitted_on
    assert on is not None
    assert (on.rows, on.configurations, on.models, on.weights) == (60, 4, ("Llama-3.1-70B",), ("fp8",))
    assert (on.gpus, on.batch_per_gpu, on.context_tokens) == ((1, 8), (0.125, 128.0), (750.0, 30250.0))
    errors = recovered.errors.set_index("prediction").loc["cross-validated"]
    assert on.median_error == pytest.approx(errors["median"], rel=1e-3)
    assert on.p90_error == pytest.approx(errors["p90"], rel=1e-3)
    (pair,) = on.measured
    assert (pair.model, pair.accelerator, pair.rows) == ("Llama-3.1-70B", "H200-SXM", 60)
    assert (pair.median_error, pair.p90_error) == (on.median_error, on.p90_error)
    assert (recovered.profile.accelerators, recovered.profile.like) == (("H200-SXM",), ("H100-SXM",))


def test_a_server_with_a_dot_in_its_name_has_its_factors(recovered: Calibrated) -> None:
    assert list(recovered.profile.engines) == ["vllm-0.9"]
    assert list(recovered.profile.pairs) == ["vllm-0.9"]
    table = recovered.rows
    again = predicted(group_rows(measurements_of(table)), len(table), lambda _: recovered.profile)
    assert again == pytest.approx(table["fitted_time_per_output_token_s"], rel=1e-3)


def test_before_and_after_are_frames_of_the_fitted_rows(recovered: Calibrated) -> None:
    for frame, column in ((recovered.before, "base"), (recovered.after, "fitted")):
        assert frame["predicted_time_per_output_token_s"].equals(recovered.rows[f"{column}_time_per_output_token_s"])
        error = frame["predicted_time_per_output_token_s"] / frame["time_per_output_token_s"] - 1.0
        assert frame["relative_error"].to_numpy() == pytest.approx(error.to_numpy())


def test_rows_of_other_accelerators_and_unknown_models_are_left_out_with_the_reason(base: Calibration) -> None:
    table = rows(base, degrees=(8,)).iloc[:6].reset_index(drop=True)
    table.loc[1, "accelerator"] = "B200-SXM"
    table.loc[2, "model"] = "no-such-model"
    table.loc[3, "accelerator"] = "no-such-card"
    moved = calibrate([table], profile=base)
    reasons = {each.place: each.reason for each in moved.left_out}
    assert list(reasons) == [f"table 1: row {row}" for row in (2, 3, 4)]
    assert "found the accelerator B200-SXM, expected one of base (H100-SXM, H200-SXM)" in reasons["table 1: row 2"]
    assert "no-such-model" in reasons["table 1: row 3"]
    assert "no-such-card" in reasons["table 1: row 4"]
    assert moved.rows["row"].tolist() == [f"table 1: row {row}" for row in (1, 5, 6)]


def test_a_base_that_is_named_moves_to_accelerators_it_does_not_know() -> None:
    other = profile(accelerators=["MI300X"])
    moved = calibrate([rows(other)], profile=other).profile
    assert (moved.accelerators, moved.like) == (("H200-SXM",), ())


def test_rows_of_several_shipped_profiles_ask_for_one(base: Calibration, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = {"H200-SXM": base, "B200-SXM": profile(name="other")}
    monkeypatch.setattr(module, "calibration_of", lambda accelerator: shipped.get(accelerator.name))
    table = rows(base, degrees=(8,))
    assert calibrate([table]).base == base
    table.loc[:4, "accelerator"] = "B200-SXM"
    with pytest.raises(ScenarioError, match=r"several profiles \(other: B200-SXM; base: H200-SXM\).*or split the rows"):
        calibrate([table])
    with pytest.raises(ScenarioError, match="no profile of the accelerators MI300X"):
        calibrate([table.assign(accelerator="MI300X")])


def test_too_few_rows_and_none_at_all_are_refused(base: Calibration) -> None:
    table = rows(base, degrees=(8,))
    with pytest.raises(ScenarioError, match="found 1 row that can be fitted, expected at least 2"):
        calibrate([table.iloc[:1]], profile=base)
    with pytest.raises(ScenarioError, match=r"found no row that can be fitted.*no-such-model"):
        calibrate([table.assign(model="no-such-model")], profile=base)


def test_two_configurations_are_never_left_out_together(base: Calibration) -> None:
    """Also where the table has many others, which are left out."""
    table = rows(base, degrees=(2, 8))
    others = [table.iloc[:1].assign(model=f"no-such-{number}") for number in range(40)]
    moved = calibrate([pd.concat([*others, table])], profile=base)
    assert moved.rows["cross_validated_time_per_output_token_s"].notna().all()


def test_the_facade_takes_tables_names_of_files_and_setups(base: Calibration, tmp_path: Path) -> None:
    table = rows(base, degrees=(2, 8))
    path = tmp_path / "rows.csv"
    table.to_csv(path, index=False)
    moved = [ieco_opt.calibrate(each, profile=base) for each in (table, path, str(path), [path])]
    assert len({each.profile.layer_s for each in moved}) == 1
    assert moved[0].profile.fitted_on != moved[1].profile.fitted_on
    with pytest.raises(ScenarioError, match="gpus"):
        ieco_opt.calibrate(table, profile=base, setup={"gpus": 8})


@pytest.mark.parametrize("count", [2, 3, 7, 40])
def test_folds_keep_configurations_together_and_are_never_one(count: int) -> None:
    numbers = np.repeat(100 + 7 * np.arange(count), 3)
    for seed in range(20):
        labels = folds(numbers, seed=seed)
        assert len(np.unique(labels)) == min(count, 5)
        assert all(len(np.unique(labels[numbers == number])) == 1 for number in numbers)
