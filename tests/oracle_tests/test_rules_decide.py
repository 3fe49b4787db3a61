"""How often each rule of the model decides what the random scenarios draw: a rule that never binds is never tried."""

from __future__ import annotations

from collections import Counter

import pytest
from random_scenarios import numbered_or_refused
from ruled_scenarios import SWITCHES, Switch, answer, decides

LEAST_SHARE = 0.05


@pytest.mark.slow
def test_every_rule_decides_in_a_twentieth_of_the_scenarios() -> None:
    drawn = [case.oracle for case, _ in map(numbered_or_refused, range(300)) if case.oracle.fidelity == "deployable"]
    found: Counter[str] = Counter()
    for scenario in drawn:
        honest = answer(scenario)
        found.update(name for name, switch in SWITCHES.items() if decides(switch, scenario, honest))
    shares = {name: found[name] / len(drawn) for name in SWITCHES}
    assert {name: share for name, share in shares.items() if share < LEAST_SHARE} == {}


def test_a_switch_that_changes_nothing_decides_nothing() -> None:
    scenario = numbered_or_refused(0)[0].oracle
    assert not decides(Switch(), scenario, answer(scenario))
