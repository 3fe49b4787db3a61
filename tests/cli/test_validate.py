"""`ieco-opt validate`: what it prints, writes and draws, and what it refuses."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd
import pytest

import ieco_opt
from ieco_opt.calibration.validation import ADDED
from ieco_opt.cli import main
from ieco_opt.reports.figures import save_validation
from ieco_opt.reports.text.validation import render

HEADER = (
    "model,weights,accelerator,engine,gpus_per_instance,prompt_tokens,output_tokens,batch,time_per_output_token_s,note"
)
ROWS = (
    "Llama-3.1-8B,fp8,H100,vllm,1,1000,100,4,0.006,=a",
    "Llama-3.1-8B,fp8,H100,trt,1,1000,100,64,0.0155,b",
    "nope,fp8,H100,vllm,1,1000,100,8,0.01,",
    "Llama-3.1-8B,fp8,H200,sglang,1,1000,100,16,0.0061,d",
    "Llama-3.1-8B,fp8,H100,vllm,2,1000,100,16,0.0062,e",
)


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    Path("rows.csv").write_text("\n".join([HEADER, *ROWS]) + "\n", encoding="utf-8")


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["validate", *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_the_table_says_everything_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("rows.csv") == 0
    text = capsys.readouterr().out
    blocks = text.rstrip("\n").split("\n\n")
    assert blocks[0].splitlines() == [
        "rows.csv: predicted against measured time per output token",
        "profile auto: hopper-2026-07 (4 rows)",
    ]
    table = blocks[1].splitlines()
    starts = [line.split()[0] for line in table if line[:1].strip()]
    assert starts == ["by", "all", "accelerator", "model", "weights", "engine"]
    assert [line[13:].split()[:2] for line in table[3:]] == [
        ["H100-SXM", "3"],
        ["H200-SXM", "1"],
        ["Llama-3.1-8B", "4"],
        ["fp8", "4"],
        ["vllm", "2"],
        ["sglang", "1"],
        ["trt", "1"],
    ]
    found = ieco_opt.validate("rows.csv")
    (overall,) = found.overall.to_dict("records")
    assert table[2].split() == [
        "all",
        "4",
        f"{100 * overall['median_error']:.1f}",
        f"{100 * overall['p90_error']:.1f}",
        f"{100 * overall['bias']:+.1f}",
        f"{100 * overall['within_expected']:.1f}",
    ]
    assert f"Ranked rightly: {100 * (found.ranking.rightly or 0.0):.1f} % of 3 pairs of rows of one model" in blocks[2]
    assert "for 3 speeds asked for in 1 group; " in " ".join(blocks[2].split())
    assert "In the range that their profile was fitted on: 0 of 4 rows." in blocks[2]
    assert "Left out: 1 row.\n  1: found 'nope', expected the name of a model" in blocks[2]


@pytest.mark.parametrize("width", [40, 60, 100])
def test_the_text_fits_the_terminal(width: int) -> None:
    rows = pd.read_csv("rows.csv").replace({"model": "Llama-3.1-8B"}, "Qwen3-Coder-480B-A35B-Instruct")
    text = render(ieco_opt.validate(rows.assign(gpus_per_instance=8)), width)
    assert "..480B-A35B " in text
    assert max(map(len, text.splitlines())) <= max(width, 60)
    assert ("not shown at this width" in text) == (width < 80)


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_files_hold_every_row_in_order(ending: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = Path(f"out.{ending}")
    assert call("rows.csv", "--out", str(out), "--quiet") == 0
    assert capsys.readouterr().out == ""
    expected = ieco_opt.validate("rows.csv").to_dataframe()
    if ending == "json":
        values = json.loads(out.read_text("utf-8"))
        written = pd.DataFrame(values["rows"])
        assert values["overall"]["rows"] == 4
        assert sum(row["rows"] for row in values["by_degrees"]) == 4
        assert [*values["left_out"].values()] == [1]
    else:
        written = pd.read_csv(out) if ending == "csv" else pd.read_parquet(out)
    assert [*written.columns] == [*HEADER.split(","), *ADDED]
    assert written["batch"].tolist() == [4, 64, 8, 16, 16]
    for name in ("predicted_time_per_output_token_s", "error", "expected_error"):
        assert written[name].to_numpy(dtype=float) == pytest.approx(expected[name].to_numpy(), nan_ok=True, rel=1e-12)
    assert written["in_range"].tolist() == [False] * 5
    # A spreadsheet must not take a note for a formula.
    assert written["note"].iloc[0] == ("'=a" if ending == "csv" else "=a")


def test_formats_of_the_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("rows.csv", "--format", "csv") == 0
    assert len(pd.read_csv(io.StringIO(capsys.readouterr().out))) == 5
    assert call("rows.csv", "--format", "json", "--profile", "paper-constants") == 0
    values = json.loads(capsys.readouterr().out)
    assert values["profile"] == "paper-constants"
    assert {row["profile"] for row in values["rows"]} == {"paper-constants", ""}


def test_pictures_are_equal_where_results_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("rows.csv", "--plot", "a.svg", "--quiet") == 0
    save_validation(ieco_opt.validate("rows.csv"), "b.svg")
    assert Path("a.svg").read_bytes() == Path("b.svg").read_bytes()
    figure = save_validation(ieco_opt.validate("rows.csv"), "c.png")
    (legend,) = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert [label for label in labels if label.strip()][:3] == ["H100-SXM (3)", "H200-SXM (1)", "equal"]
    assert labels[-1].startswith("expected error, ")
    (axes,) = figure.axes
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert axes.get_xlim() == axes.get_ylim()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "rows.csv: found an empty file, expected a table with a header"),
        (HEADER, "rows.csv: found no rows, expected measurements"),
        (HEADER.replace("weights,", "weight,") + "\n" + ROWS[0], "rows.csv:1: weights: found no column weights among "),
        (
            "\n".join([HEADER, ROWS[0], ROWS[1].replace("0.0155", "quick")]),
            "rows.csv:3: time_per_output_token_s: found 'quick', expected a number above 0",
        ),
        ("\n".join([HEADER, ROWS[0] + ",,"]), "rows.csv:2: column 11: found 12 cells, expected at most 10"),
    ],
)
def test_wrong_tables_are_refused(text: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("rows.csv").write_text(text, encoding="utf-8")
    assert call("rows.csv") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {message}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("rows.csv --profile nope", "--profile: found 'nope', expected one of "),
        ("rows.csv --profile nope.yaml", "nope.yaml: cannot be read (No such file or directory)"),
        ("rows.csv --profile bad.yaml", "bad.yaml:1: step_s: found 'quick', expected"),
        ("nope.csv", "nope.csv: cannot be read (No such file or directory); expected a table of measurements in CSV"),
        ("rows.csv --out rows.txt", "rows.txt: found the ending '.txt', expected one of .csv, .json, .parquet"),
        ("rows.csv --plot rows.gif", "rows.gif: found the ending '.gif', expected one of .png, .svg, .html"),
    ],
)
def test_wrong_arguments_are_refused(arguments: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.yaml").write_text("step_s: quick\n", encoding="utf-8")
    assert call(*arguments.split()) == 2
    assert any(line.startswith(f"error: {message}") for line in capsys.readouterr().err.splitlines())


def test_a_picture_of_nothing_is_refused_and_the_rest_shown(capsys: pytest.CaptureFixture[str]) -> None:
    Path("rows.csv").write_text("\n".join([HEADER, ROWS[2]]), encoding="utf-8")
    assert call("rows.csv", "--plot", "rows.svg") == 1
    shown = capsys.readouterr()
    assert "Left out: 1 row." in shown.out
    assert shown.err == "error: rows.csv: found no row with a prediction, expected one to draw\n"
    assert not Path("rows.svg").exists()


def test_a_table_of_pandas_and_its_file_say_the_same() -> None:
    by_file, by_table = ieco_opt.validate("rows.csv"), ieco_opt.validate(pd.read_csv("rows.csv"))
    assert by_file.to_dataframe().equals(by_table.to_dataframe())
    assert by_table.file == "measurements"
