"""What `ieco-opt verify` says of every kind of result: what agrees, what was not checked, never that nothing does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from saved_results import KINDS, result

from ieco_opt.cli.main import main
from ieco_opt.results.encoding import to_json


def verify(path: Path) -> int:
    with pytest.raises(SystemExit) as exit_:
        main(["verify", str(path)])
    return int(exit_.value.code or 0)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("frontier", "every figure of "),
        ("preferred", "every figure of 1 deployment agrees"),
        ("stopped", "the answer lists no deployment, and none of "),
        ("plan", "1 plan with 2 instance types on 1 node: every figure agrees"),
        ("fleet_frontier", "plan"),
        ("explanation", "every figure of 1 deployment agrees"),
        ("infeasible", "the answer lists no deployment, and none of "),
        ("comparison", "the measures of 2 heuristics come out alike"),
        ("alternatives", "3 alternatives in order, within the share, each unlike those before"),
        ("alternative_plans", "1 alternative in order, within the share, each unlike those before"),
    ],
)
def test_it_says_what_agrees(kind: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "result.json"
    path.write_text(to_json(result(kind)), encoding="utf-8")
    assert verify(path) == 0
    first, *others = capsys.readouterr().out.splitlines()
    assert first.startswith("verified: ")
    assert words in first
    assert "0 deployments" not in first
    assert all(line.startswith("not checked: ") for line in others)


def test_every_kind_is_tried() -> None:
    (parameters,) = (mark for mark in test_it_says_what_agrees.pytestmark if mark.name == "parametrize")  # type: ignore[attr-defined]
    assert [kind for kind, _ in parameters.args[1]] == list(KINDS)


def test_a_point_that_was_taken_out_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "result.json"
    values = json.loads(to_json(result("frontier")))
    del values["deployments"][1]
    path.write_text(json.dumps(values), encoding="utf-8")
    assert verify(path) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"error: {path}: guarantee.between: found ")
