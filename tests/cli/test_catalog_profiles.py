"""`ieco-opt catalog` on calibration profiles."""

from __future__ import annotations

import json

import pytest

from ieco_opt.catalog.profiles import calibrations
from ieco_opt.cli.main import main

Capture = pytest.CaptureFixture[str]


def printed(capsys: Capture, *words: str) -> str:
    with pytest.raises(SystemExit) as done:
        main(["catalog", *words])
    assert done.value.code == 0
    return capsys.readouterr().out


def test_all_profiles_are_listed_with_their_errors(capsys: Capture) -> None:
    rows = json.loads(printed(capsys, "list", "profiles", "--format", "json"))
    assert [row["name"] for row in rows] == [each.name for each in calibrations()]
    table = printed(capsys, "list", "profiles")
    for each in calibrations():
        assert each.fitted_on is not None
        assert each.name in table
        assert str(each.fitted_on.p90_error) in table


def test_every_constant_of_a_profile_is_shown(capsys: Capture) -> None:
    shown = printed(capsys, "show", "hopper-2026-07")
    held = next(each for each in calibrations() if each.name == "hopper-2026-07")
    for field, value in (
        ("layer_s", held.layer_s),
        ("expert_share.fp4", held.expert_share.fp4),
        ("all_to_all.seconds", held.all_to_all.seconds),
        ("engines.vllm", held.engines["vllm"]),
    ):
        line = next(line for line in shown.splitlines() if line.startswith(f"{field} "))
        assert str(value) in line
    assert "all_reduce.8_ranks" in shown
    assert "SemiAnalysis" in shown
