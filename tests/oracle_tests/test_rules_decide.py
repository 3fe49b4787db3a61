"""How often each rule of the model decides what the random scenarios draw: a rule that never binds is never tried."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import pytest
from oracle import OracleScenario
from oracle.servers import DRAFT_RULES
from random_fleets import numbered_asked_fleet, numbered_fleet
from random_scenarios import numbered_or_refused
from ruled_fleets import CAP, ENERGY_RULES, FREE_RULES, decided_in_plan, decided_without
from ruled_scenarios import SERVER_SWITCHES, SWITCHES, Switch, answer, decides

LEAST_SHARE = 0.025
LEAST_SHARE_OF_A_SERVERS_RULE = 0.015
"""Of scenarios that some server runs: each rule needs a server, a class or a format of its own."""

LEAST_SHARE_OF_A_RULE_OF_DRAFTS = 0.003
"""Of these scenarios: it needs speculation in its mode besides, and that all else allows it."""

LEAST_SHARE_OF_AN_EXCHANGE = 0.01
"""Of these scenarios: it needs groups that exchange experts with all-to-all besides."""

LEAST_SHARE_OF_ERRORS = 0.003
"""Of deployments: between the error of a profile and the usual one there has to be a limit, and some deployment."""

LEAST_SHARE_OF_A_RULE_OF_FLEETS = 0.02
"""Of fleets that draw everything at once; tests/exactness/test_fleet_rules.py draws some for each rule."""

LEAST_SHARE_OF_A_CAP = 0.05
"""Of fleets with instances that are priced: a cap on the time to first token makes another plan the best one."""

DRAFT_ROWS = {*DRAFT_RULES, "no draft beside attention groups in SGLang"}


Drawn = TypeVar("Drawn")


def seldom(
    least: Mapping[str, float], drawn: Sequence[Drawn], decided: Callable[[set[str], Drawn], Iterable[str]]
) -> dict[str, float]:
    """Rules that decide fewer than their least share of what was drawn, with their shares.

    A rule that has its share already is not tried on the rest: most have it after a tenth of the draws.
    """
    wanted = {name: math.ceil(share * len(drawn)) for name, share in least.items()}
    found: Counter[str] = Counter()
    for each in drawn:
        if not (open_rules := {name for name, count in wanted.items() if found[name] < count}):
            break
        found.update(decided(open_rules, each))
    return {name: found[name] / len(drawn) for name, count in wanted.items() if found[name] < count}


def of_scenarios(switches: Mapping[str, Switch]) -> Callable[[set[str], OracleScenario], list[str]]:
    def decided(names: set[str], scenario: OracleScenario) -> list[str]:
        honest = answer(scenario)
        return [name for name in sorted(names) if decides(switches[name], scenario, honest)]

    return decided


@pytest.mark.slow
def test_every_rule_decides_in_some_of_the_scenarios() -> None:
    drawn = [case.oracle for case, _ in map(numbered_or_refused, range(600)) if case.oracle.fidelity == "deployable"]
    least = dict.fromkeys(SWITCHES, LEAST_SHARE)
    least["an error of its own for each accelerator"] = LEAST_SHARE_OF_ERRORS
    assert least.keys() == SWITCHES.keys()
    assert seldom(least, drawn, of_scenarios(SWITCHES)) == {}


@pytest.mark.slow
def test_every_rule_of_a_server_decides_in_some_of_its_scenarios() -> None:
    drawn = [case.oracle for case, _ in map(numbered_or_refused, range(600)) if case.oracle.fidelity == "deployable"]
    served = [scenario for scenario in drawn if scenario.engine != "none"]
    least = dict.fromkeys(SERVER_SWITCHES, LEAST_SHARE_OF_A_SERVERS_RULE)
    least |= dict.fromkeys(DRAFT_ROWS, LEAST_SHARE_OF_A_RULE_OF_DRAFTS)
    least["shared experts of any width in SGLang"] = LEAST_SHARE_OF_AN_EXCHANGE
    assert least.keys() == SERVER_SWITCHES.keys()
    assert seldom(least, served, of_scenarios(SERVER_SWITCHES)) == {}


@pytest.mark.slow
def test_every_rule_of_version_4_decides_in_some_of_the_fleets() -> None:
    priced = [fleet for fleet in map(numbered_fleet, range(500)) if any("model" in each for each in fleet["workloads"])]
    least = {**dict.fromkeys(FREE_RULES, LEAST_SHARE_OF_A_RULE_OF_FLEETS), CAP: LEAST_SHARE_OF_A_CAP}
    assert seldom(least, priced, lambda names, fleet: [n for n in names if decided_without(FREE_RULES[n], fleet)]) == {}


@pytest.mark.slow
def test_every_rule_of_energy_decides_in_some_of_the_fleets() -> None:
    asked = [fleet for fleet in map(numbered_asked_fleet, range(200)) if fleet["objective"] != "throughput"]
    supplied = [fleet for fleet in asked if "kg_co2_per_kwh" in str(fleet["pools"])]
    least = dict.fromkeys(ENERGY_RULES, LEAST_SHARE)
    assert (
        seldom(least, supplied, lambda names, fleet: [n for n in names if decided_in_plan(ENERGY_RULES[n], fleet)])
        == {}
    )


def test_a_switch_that_changes_nothing_decides_nothing() -> None:
    scenario = numbered_or_refused(0)[0].oracle
    assert not decides(Switch(), scenario, answer(scenario))
