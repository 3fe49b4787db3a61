"""`ieco-opt calibrate`: what it prints, writes and refuses."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd
import pytest
from synthetic_rows import profile, rows

from ieco_opt.catalog import profiles
from ieco_opt.catalog.profiles import read_calibration
from ieco_opt.cli.main import main
from ieco_opt.documents.yaml_document import yaml_text


def call(*arguments: str | Path) -> int:
    """Run the command line in this process; returns its exit status."""
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    return int(exit_.value.code or 0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A base, also as the package's only profile, rows of a slower machine, and rows of another one."""
    base = profile()
    monkeypatch.setattr(profiles, "calibrations", lambda: (base,))
    (tmp_path / "base.yaml").write_text(yaml_text(base.model_dump(mode="json", exclude_defaults=True)), "utf-8")
    table = rows(profile(layer_s=1.5 * base.layer_s), degrees=(2, 8), noise=0.03)
    pd.concat([table, table.iloc[:2].assign(accelerator="B200")]).to_csv(tmp_path / "rows.csv", index=False)
    return tmp_path


def test_it_prints_before_and_after_and_writes_profile_and_picture(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    given = ("calibrate", folder / "rows.csv", "--profile", folder / "base.yaml")
    assert call(*given, "--out", folder / "mine.yaml", "--plot", folder / "mine.svg") == 0
    out, err = capfd.readouterr()
    assert out.startswith("mine: base fitted to 30 rows of H200-SXM\n")
    for words in ("cross-validated", "90th percentile", "layer_s ", "constants that moved by more than 1%"):
        assert words in out
    assert f"{folder / 'rows.csv'}:32 and 1 more: found the accelerator B200-SXM" in err
    assert "the rows say little of layer_kernels.experts" in err
    assert read_calibration(folder / "mine.yaml").name == "mine"
    picture = (folder / "mine.svg").read_text("utf-8")
    assert "<svg" in picture
    assert call(*given, "--out", folder / "again.yaml", "--quiet") == 0
    assert capfd.readouterr() == ("", "")
    assert (folder / "again.yaml").read_text().replace("again", "mine") == (folder / "mine.yaml").read_text()


def test_the_base_is_by_default_the_profile_of_the_rows(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert call("calibrate", folder / "rows.csv", "--quiet") == 0
    assert capfd.readouterr().out.startswith("calibrated: base fitted to 30 rows of H200-SXM\n")


def test_json_and_csv(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    given = ("calibrate", folder / "rows.csv", "--profile", folder / "base.yaml", "--quiet", "--format")
    assert call(*given, "json") == 0
    found = json.loads(capfd.readouterr().out)
    assert set(found) == {"profile", "base", "kept_together", "errors", "constants", "left_out"}
    assert [each["prediction"] for each in found["errors"]] == ["base", "fitted", "cross-validated"]
    assert [each["place"].rpartition(":")[2] for each in found["left_out"]] == ["32", "33"]
    assert call(*given, "csv") == 0
    table = pd.read_csv(io.StringIO(capfd.readouterr().out))
    assert len(table) == 30
    assert table["fitted_time_per_output_token_s"].notna().all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("rows.csv", "--out", "rows.csv"), "rows.csv: found a file that is read, expected another name"),
        (("rows.csv", "--out", "base.yaml"), "base.yaml: found a file that is read"),
        ((".", "--plot", "rows.csv"), "rows.csv: found the ending '.csv'"),
        (("rows.csv", "--out", "mine.json"), "mine.json: found the ending '.json', expected one of .yaml, .yml"),
        (("rows.csv", "--out", "none/mine.yaml"), "does not exist"),
        (("rows.csv", "--profile", "no-such-profile"), "--profile: found 'no-such-profile'"),
        (("rows.csv", "--setup", "none.yaml"), "none.yaml: cannot be read"),
        (("rows.csv", "--gpus", "0"), "Invalid value for '--gpus'"),
        (("rows.csv", "--model", ""), "--model: found ''"),
        (("none.csv",), "none.csv: cannot be read"),
        (("none",), "none: found a name without an ending"),
    ],
)
def test_wrong_input_ends_with_2(
    folder: Path,
    arguments: tuple[str, ...],
    message: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    before = (folder / "rows.csv").read_text()
    profile_given = () if "--profile" in arguments else ("--profile", "base.yaml")
    assert call("calibrate", *arguments, *profile_given) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert message in err
    assert "Traceback" not in err
    assert (folder / "rows.csv").read_text() == before


def test_a_name_that_no_profile_may_have_is_wrong_input(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = folder / "a\tb.yaml"
    assert call("calibrate", folder / "rows.csv", "--profile", folder / "base.yaml", "--out", out) == 2
    assert "name: found" in capfd.readouterr().err


def test_an_output_that_cannot_be_written_ends_with_1_and_loses_nothing(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    given = ("calibrate", folder / "rows.csv", "--profile", folder / "base.yaml", "--quiet")
    (folder / "full.yaml").symlink_to("/dev/full")
    assert call(*given, "--out", folder / "full.yaml") == 1
    out, err = capfd.readouterr()
    assert "cannot be written" in err
    assert out.startswith("full: base fitted to 30 rows")


def test_without_scipy_it_says_what_to_install(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "scipy.optimize", None)
    assert call("calibrate", folder / "rows.csv", "--profile", folder / "base.yaml") == 2
    assert "pip install 'ieco_opt[calibrate]'" in capfd.readouterr().err
