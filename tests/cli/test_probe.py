"""`ieco-opt probe`: what it refuses before it measures, with torch and without."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from probed_machines import CARD, all_reduces, timings

from ieco_opt import catalog
from ieco_opt.catalog.profiles import calibration, read_calibration
from ieco_opt.cli.main import main
from ieco_opt.probing import devices, probe
from ieco_opt.probing.devices import Machine


def call(*arguments: str | Path) -> int:
    """Run the command line in this process; returns its exit status."""
    with pytest.raises(SystemExit) as exit_:
        main(["probe", *map(str, arguments)])
    return int(exit_.value.code or 0)


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without torch, also where there is one."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else find(name, *rest))


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with eight cards whose timings are known, instead of this one."""
    monkeypatch.setattr(devices, "machine_of", lambda _kind, _count: Machine(CARD, None))
    monkeypatch.setattr(probe, "_measured", lambda *_: timings(all_reduces=all_reduces(), notes=("something is off",)))


@pytest.mark.usefixtures("no_torch")
@pytest.mark.parametrize("more", [(), ("--decode", "Llama-3.1-8B")])
def test_without_torch_one_line_says_how_to_get_it(
    more: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / ("rows.csv" if more else "card.yaml")
    assert call("--out", out, *more) == 2
    assert capfd.readouterr() == (
        "",
        "error: probe: needs torch, which is not installed; install it with pip install 'ieco_opt[probe]'\n",
    )
    assert not out.exists()


@pytest.mark.usefixtures("no_torch")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--out", "card.json"), "card.json: found the ending '.json', expected one of .yaml, .yml"),
        (
            ("--out", "rows.yaml", "--decode", "Llama-3.1-8B"),
            "found the ending '.yaml', expected one of .csv, .parquet",
        ),
        (("--out", "none/card.yaml"), "the folder none does not exist"),
        (("--out", "card.yaml", "--profile-out", "p.json"), "p.json: found the ending '.json'"),
        (("--out", "card.yaml", "--profile-out", "none/p.yaml"), "the folder none does not exist"),
        (("--out", "card.yaml", "--profile-out", "./card.yaml"), "found the file of --out, expected another name"),
        (("--out", "card.yaml", "--accelerator", "H10000"), "--accelerator: found 'H10000', expected the name of an"),
        (("--out", "card.yaml", "--profile", "hoper"), "--profile: found 'hoper'"),
        (("--out", "rows.csv", "--decode", "Lama-9"), "--decode: found 'Lama-9'"),
        (("--out", "rows.csv", "--decode", "no.json"), "no.json: cannot be read"),
        (("--out", "card.yaml", "--batches", "1"), "found --batches, which needs --decode MODEL"),
        (("--out", "card.yaml", "--layers", "1"), "found --layers, which needs --decode MODEL"),
        (
            ("--out", "rows.csv", "--decode", "Llama-3.1-8B", "--profile-out", "p.yaml"),
            "found --profile-out, which is not said with --decode",
        ),
        (("--out", "rows.csv", "--decode", "x", "--batches", "1,,2"), "found '1,,2', expected whole numbers"),
        (("--out", "rows.csv", "--decode", "x", "--contexts", "0"), "found '0', expected whole numbers"),
        (("--out", "card.yaml", "--seconds", "0"), "--seconds"),
        ((), "--out"),
    ],
)
def test_what_is_wrong_is_refused_before_torch_is_looked_for(
    arguments: tuple[str, ...],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(*arguments) == 2
    said = capfd.readouterr().err
    assert message in said
    assert "needs torch" not in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("card")
def test_entry_and_prior_are_written_and_read_back(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert call("--out", tmp_path / "card.yaml", "--profile-out", tmp_path / "mine.yaml") == 0
    out, err = capfd.readouterr()
    said = " ".join(out.split())
    assert said.startswith("NVIDIA H100 80GB HBM3 with torch 2.99, CUDA 13.0: the catalog's H100-SXM; the prior starts")
    for words in ("launch in a captured graph", "TFLOP/s", "all-reduces"):
        assert words in out
    assert "note: something is off" in err
    card = catalog.accelerator_from_file(tmp_path / "card.yaml")
    assert (card.name, card.hbm_bytes) == ("H100-SXM", CARD.memory_bytes)
    text = (tmp_path / "card.yaml").read_text("utf-8")
    assert text.startswith("# Measured by ieco-opt probe on NVIDIA H100 80GB HBM3 with torch 2.99, CUDA 13.0, 20")
    prior = read_calibration(tmp_path / "mine.yaml")
    assert (prior.name, prior.accelerators) == ("mine", ("H100-SXM",))
    assert [each.ranks for each in prior.all_reduce] == [2, 4, 8]
    with pytest.raises(SystemExit):
        main(["catalog", "show", str(tmp_path / "card.yaml")])
    assert "measured on NVIDIA H100 80GB HBM3: total_memory" in " ".join(capfd.readouterr().out.split())


@pytest.mark.usefixtures("card")
def test_quiet_prints_nothing_and_options_choose_card_and_base(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    chosen = ("--accelerator", "B200", "--profile", "cdna3-2026-07")
    assert call("--out", tmp_path / "c.yaml", "--profile-out", tmp_path / "p.yaml", "--quiet", *chosen) == 0
    assert capfd.readouterr() == ("", "")
    assert catalog.accelerator_from_file(tmp_path / "c.yaml").name == "B200-SXM"
    assert read_calibration(tmp_path / "p.yaml").cache_share == calibration("cdna3-2026-07").cache_share


@pytest.mark.usefixtures("card")
def test_an_interrupt_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(probe, "_measured", interrupted)
    (tmp_path / "card.yaml").write_text("like: H100\n", "utf-8")
    assert call("--out", tmp_path / "card.yaml", "--profile-out", tmp_path / "p.yaml") == 4
    assert capfd.readouterr().err.endswith("interrupted before anything was found\n")
    assert [each.name for each in tmp_path.iterdir()] == ["card.yaml"]
    assert (tmp_path / "card.yaml").read_text("utf-8") == "like: H100\n"
