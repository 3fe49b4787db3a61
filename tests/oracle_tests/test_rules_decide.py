"""How often each rule of the model decides what the random scenarios draw: a rule that never binds is never tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

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

LEAST_SHARE_OF_ERRORS = 0.003
"""Of deployments: between the error of a profile and the usual one there has to be a limit, and some deployment."""

LEAST_SHARE_OF_A_CAP = 0.05
"""Of fleets with instances that are priced: a cap on the time to first token makes another plan the best one."""

DRAFT_ROWS = {*DRAFT_RULES, "no draft beside attention groups in SGLang"}


def shares(switches: Mapping[str, Switch], drawn: Sequence[OracleScenario]) -> dict[str, float]:
    """Share of the scenarios that each rule decides."""
    found: Counter[str] = Counter()
    for scenario in drawn:
        honest = answer(scenario)
        found.update(name for name, switch in switches.items() if decides(switch, scenario, honest))
    return {name: found[name] / len(drawn) for name in switches}


def seldom(found: Mapping[str, float], least: float) -> dict[str, float]:
    return {name: share for name, share in found.items() if share < least}


@pytest.mark.slow
def test_every_rule_decides_in_some_of_the_scenarios() -> None:
    drawn = [case.oracle for case, _ in map(numbered_or_refused, range(600)) if case.oracle.fidelity == "deployable"]
    found = shares(SWITCHES, drawn)
    assert found.pop("an error of its own for each accelerator") >= LEAST_SHARE_OF_ERRORS
    assert seldom(found, LEAST_SHARE) == {}


@pytest.mark.slow
def test_every_rule_of_a_server_decides_in_some_of_its_scenarios() -> None:
    drawn = [case.oracle for case, _ in map(numbered_or_refused, range(600)) if case.oracle.fidelity == "deployable"]
    served = [scenario for scenario in drawn if scenario.engine != "none"]
    found = shares(SERVER_SWITCHES, served)
    drafts = {name: share for name, share in found.items() if name in DRAFT_ROWS}
    others = {name: share for name, share in found.items() if name not in DRAFT_ROWS}
    assert drafts.keys() == DRAFT_ROWS
    assert seldom(others, LEAST_SHARE_OF_A_SERVERS_RULE) == {}
    assert seldom(drafts, LEAST_SHARE_OF_A_RULE_OF_DRAFTS) == {}


@pytest.mark.slow
def test_every_rule_of_version_4_decides_in_some_of_the_fleets() -> None:
    priced = [fleet for fleet in map(numbered_fleet, range(500)) if any("model" in each for each in fleet["workloads"])]
    found: Counter[str] = Counter()
    for fleet in priced:
        found.update(name for name, without in FREE_RULES.items() if decided_without(without, fleet))
    assert seldom({name: found[name] / len(priced) for name in FREE_RULES}, LEAST_SHARE) == {}
    assert found[CAP] / len(priced) >= LEAST_SHARE_OF_A_CAP


@pytest.mark.slow
def test_every_rule_of_energy_decides_in_some_of_the_fleets() -> None:
    asked = [fleet for fleet in map(numbered_asked_fleet, range(200)) if fleet["objective"] != "throughput"]
    supplied = [fleet for fleet in asked if "kg_co2_per_kwh" in str(fleet["pools"])]
    found: Counter[str] = Counter()
    for fleet in supplied:
        found.update(name for name, without in ENERGY_RULES.items() if decided_in_plan(without, fleet))
    assert seldom({name: found[name] / len(supplied) for name in ENERGY_RULES}, LEAST_SHARE) == {}


def test_a_switch_that_changes_nothing_decides_nothing() -> None:
    scenario = numbered_or_refused(0)[0].oracle
    assert not decides(Switch(), scenario, answer(scenario))
