"""Explanations of plans on the page."""

from __future__ import annotations

from pathlib import Path

from explained_fleets import counted

import ieco_opt
from ieco_opt.reports.page import page


def test_the_page_says_what_binds_what_does_not_and_what_comes_next(tmp_path: Path) -> None:
    # Ten GPUs at 1 kW or 0.3 kW of which power leaves five and five: 15 $/h instead of 10.
    explanation = ieco_opt.explain(counted())
    assert explanation.binding == ("limits.max_power_kw",)
    text = page([explanation])
    assert "binds: limits.max_power_kw ($10.00/h without it, 33.3 % cheaper)" in text
    assert "<td>limits.max_power_kw<td>6.5 kW" in text
    assert "<li>workloads.chat.min_speed = 30 tokens/s" in text
    assert "What holds the instances" in text
    ieco_opt.report(explanation, tmp_path / "why.html")
    assert (tmp_path / "why.html").read_text(encoding="utf-8") == text


def test_names_of_an_explained_fleet_stay_text() -> None:
    name = "<script>alert(1)</script>"
    text = page([ieco_opt.explain(counted(name=name))])
    assert name not in text
    assert "&lt;script&gt;alert(1)" in text
