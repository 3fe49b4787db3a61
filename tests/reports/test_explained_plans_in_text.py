"""Figures of explanations of plans, as people read them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from explained_fleets import counted

import ieco_opt
from ieco_opt.reports.text.explanation_fleet import limits_table, one_line


@pytest.mark.parametrize(
    ("stated", "value", "told"),
    [
        (6.5, 6.700012, "6.7001"),
        (50.0, 49.37878132, "49.378"),
        (8, 16.0, "16"),
    ],
)
def test_a_relaxation_is_rounded_to_where_it_still_helps(stated: float, value: float, told: str) -> None:
    explanation = ieco_opt.explain(counted())
    (effect,) = (each for each in explanation.limits if each.binds)
    assert effect.removed is not None
    looser = replace(effect, value=stated, least=replace(effect.removed, value=value, gain=0.25))
    shown = replace(explanation, limits=(looser,))
    assert limits_table(shown).columns[-1].cells == (f"{told} (25 %)",)
    endless = replace(shown, limits=(replace(looser, removed=None),))
    assert f"25 % more at {told}" in one_line(endless)
