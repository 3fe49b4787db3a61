"""The energy of fleets: by hand, by brute force over whole instances with a linear program of their loads, and laws."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

import ieco_opt
from ieco_opt.errors import InfeasibleError, ScenarioError
from ieco_opt.reports.text import render
from ieco_opt.results.plan import FleetPlan, FleetResult
from ieco_opt.scenario import load_fleet_mapping

Mapping = dict[str, Any]

IDLE, BUSY = 0.26, 0.65
"""Shares of the board power without a calibration profile (docs/performance-model.md)."""

SITE = {"usd_per_kwh": 0.5, "pue": 1.5, "kg_co2_per_kwh": 0.4}


def pool(name: str = "p", gpus: int = 24, **fields: object) -> Mapping:
    """GPUs at $1 and 1 kW, rented one by one."""
    base = {"accelerator": "H100-SXM", "node_size": 8, "usd_per_gpu_hour": 1, "power_w": 1000, "rented_by": "gpu"}
    return {"name": name, "gpus": gpus} | base | fields


def point(gpus: int, requests: float, where: str = "p", **fields: object) -> Mapping:
    return {"pool": where, "gpus": gpus, "throughput_requests_per_s": requests} | fields


def workload(requests: float, points: list[Mapping], **fields: object) -> Mapping:
    base: Mapping = {"prompt_tokens": 1000, "output_tokens": 100, "serving": ["colocated"]}
    return {"name": "chat", "requests_per_s": requests, "operating_points": points} | base | fields


def planned(pools: list[Mapping], work: list[Mapping], objective: str = "cost", **limits: float) -> FleetResult:
    """The plan of a fleet with published constants, whose saved figures are computed again."""
    fleet = {"kind": "fleet", "pools": pools, "workloads": work, "limits": limits, "profile": "paper-constants"}
    found = ieco_opt.plan(load_fleet_mapping(fleet | {"objective": objective}))
    assert ieco_opt.verify(found).problems == []
    return found


def best(*args: Any, **limits: float) -> FleetPlan:
    return planned(*args, **limits)[0]


def test_an_instance_draws_its_idle_share_and_its_requests_the_rest() -> None:
    # 8 GPUs at 10 of 12 requests/s: 8 (0.26 + 0.65 10 / 12) = 6.41333 kW; nothing has a price.
    found = best([pool()], [workload(10, [point(8, 12)])])
    assert found.energy_kw == pytest.approx(6.413333333333334, rel=1e-12)
    assert (found.usd_per_hour, found.energy_usd_per_hour, found.carbon_kg_per_hour) == (8.0, None, None)


def test_energy_costs_what_the_site_draws() -> None:
    # 6.41333 kW x 1.5 at the site: 9.62 kW, $4.81 and 3.848 kg an hour.
    found = best([pool(power=SITE)], [workload(10, [point(8, 12)])])
    assert found.energy_kw == pytest.approx(9.62, rel=1e-12)
    assert found.energy_usd_per_hour == pytest.approx(4.81, rel=1e-12)
    assert found.carbon_kg_per_hour == pytest.approx(3.848, rel=1e-12)
    assert found.usd_per_hour == pytest.approx(12.81, rel=1e-12)
    assert found.pools[0].usd_per_hour == found.usd_per_hour


def test_the_site_of_a_pool_goes_before_that_of_its_accelerator() -> None:
    mapping = {"like": "H100-SXM", "power": {"usd_per_kwh": 3.0}}
    work = [workload(10, [point(8, 12)])]
    assert best([pool(accelerator=mapping)], work).energy_usd_per_hour == pytest.approx(3 * 6.4133333333, rel=1e-9)
    assert best([pool(accelerator=mapping, power=SITE)], work).energy_usd_per_hour == pytest.approx(4.81, rel=1e-12)


def test_loads_go_where_requests_take_least() -> None:
    # 12 requests/s need one of each: the efficient instance (8 J/... of 4 GPUs at 8) is full, the other serves 4.
    two = [pool("p", 4), pool("q", 8)]
    work = [workload(12, [point(4, 8, "p"), point(8, 8, "q")])]
    found = best(two, work, "energy")
    served = {row.gpus: row.requests_per_s for row in found.instances}
    assert served == pytest.approx({4: 8.0, 8: 4.0})
    assert found.energy_kw == pytest.approx(12 * IDLE + 4 * BUSY + 8 * BUSY * 0.5, rel=1e-9)


def test_headroom_is_kept_by_every_instance() -> None:
    work = [workload(8, [point(4, 8, "p"), point(8, 8, "q")], headroom=0.25)]
    found = best([pool("p", 4), pool("q", 8)], work, "energy", max_energy_kw=100)
    # One instance of 4 GPUs covers 6.4 of 8 requests/s with its headroom; 8 GPUs serve the rest.
    assert {row.gpus: row.requests_per_s for row in found.instances} == pytest.approx({4: 6.4, 8: 1.6})


def test_where_energy_does_not_matter_all_are_loaded_alike() -> None:
    work = [workload(12, [point(4, 8, "p"), point(8, 8, "q")])]
    found = best([pool("p", 4), pool("q", 8)], work)
    assert {row.gpus: row.requests_per_s for row in found.instances} == pytest.approx({4: 6.0, 8: 6.0})


def test_what_serves_more_than_is_asked_may_take_least() -> None:
    # Both serve 3 requests/s; 2 GPUs take 0.52 kW + 3 x 0.65 x 2/3, 4 GPUs 1.04 + 3 x 0.65 x 4/100.
    work = [workload(3, [point(2, 3), point(4, 100)])]
    frugal = best([pool()], work, "energy")
    assert [row.gpus for row in frugal.instances] == [4]
    assert frugal.energy_kw == pytest.approx(4 * IDLE + 3 * BUSY * 0.04, rel=1e-12)
    assert [row.gpus for row in best([pool()], work).instances] == [2]


def test_the_cost_includes_energy_exactly_where_it_has_a_price() -> None:
    unpriced = {name: value for name, value in SITE.items() if name != "usd_per_kwh"}
    two = [pool("p", 4, power=SITE), pool("q", 8, power=unpriced)]
    found = best(two, [workload(12, [point(4, 8, "p"), point(8, 8, "q")])])
    # Energy of q costs nothing, so it is full: 8 of 12 requests/s, and 4 on p.
    priced, free = found.pools
    drawn = 1.5 * (4 * IDLE + 4 * 4 * BUSY / 8)
    assert priced.energy_kw == pytest.approx(drawn, rel=1e-9)
    assert priced.usd_per_hour == pytest.approx(4 + 0.5 * drawn, rel=1e-9)
    assert (free.usd_per_hour, free.energy_usd_per_hour) == (8.0, None)
    assert free.energy_kw == pytest.approx(1.5 * 8 * (IDLE + BUSY), rel=1e-9)
    assert found.energy_usd_per_hour == priced.energy_usd_per_hour == pytest.approx(0.5 * drawn, rel=1e-9)
    costs = {row.pool: row.cost_usd_per_mtok for row in found.instances}
    # A full instance generates 800 tokens/s: 4 GPUs for $4 and 1.5 x 3.64 kW for $2.73 an hour, or 8 GPUs for $8.
    assert costs == pytest.approx({"p": 6.73 / 3600 / 800 * 1e6, "q": 8 / 3600 / 800 * 1e6}, rel=1e-9)


def test_a_site_without_a_price_changes_nothing_but_what_is_stated_of_energy() -> None:
    work = [workload(12, [point(4, 8, "p"), point(8, 8, "q")])]
    bare = best([pool("p", 4), pool("q", 8)], work)
    stated = {"kg_co2_per_kwh": 0.4}
    sited = best([pool("p", 4, power=stated), pool("q", 8, power=stated)], work)
    assert sited.carbon_kg_per_hour == pytest.approx(0.4 * 12 * (IDLE + BUSY * 0.75), rel=1e-9)
    pools = tuple(replace(each, carbon_kg_per_hour=None) for each in sited.pools)
    assert replace(sited, carbon_kg_per_hour=None, pools=pools) == bare


def _silent(plan: FleetPlan) -> FleetPlan:
    """A plan that says nothing of energy, nor of what it costs."""
    unsaid = dict.fromkeys(("energy_kw", "energy_usd_per_hour", "carbon_kg_per_hour"))
    paid = plan.energy_usd_per_hour or 0.0
    cost = plan.usd_per_hour - paid
    pools = tuple(
        replace(each, **unsaid, usd_per_hour=each.usd_per_hour - (each.energy_usd_per_hour or 0.0))
        for each in plan.pools
    )
    rows = tuple(replace(each, energy_kw=None) for each in plan.instances)
    changes: Mapping = {"objective": cost, "bound": cost} if paid else {}
    return replace(plan, **unsaid, usd_per_hour=cost, pools=pools, instances=rows, **changes)


PRICED_BY_THE_MODEL: Mapping = {
    "name": "chat",
    "model": "Llama-3.1-8B",
    "weights": ["fp8"],
    "requests_per_s": 20,
    "prompt_tokens": 1000,
    "output_tokens": 100,
    "design_space": {"tensor_parallel": [1], "attention_data_parallel": [1], "pipeline_parallel": [1]},
}


@pytest.mark.parametrize("site", [None, SITE, {"pue": 1.2}], ids=["no site", "a price", "no price"])
@pytest.mark.parametrize(
    "work", [PRICED_BY_THE_MODEL, workload(10, [point(8, 12)])], ids=["of the model", "operating points"]
)
def test_a_plan_that_keeps_silent_on_energy_is_refused(work: Mapping, site: Mapping | None) -> None:
    found = planned([pool(power=site)], [work])
    silent = replace(found, plans=(_silent(found[0]),))
    problems = ieco_opt.verify(silent).problems
    assert sum("energy_kw: found null, the performance model gives" in each for each in problems) == len(
        found[0].instances
    )
    # Also where the energy of pools and plan is left, or that of the rows alone.
    for part in (
        replace(found[0], instances=silent[0].instances),
        replace(found[0], pools=silent[0].pools),
        replace(found[0], energy_kw=None),
    ):
        problems = ieco_opt.verify(replace(found, plans=(part,))).problems
        assert any("energy_kw: found null" in problem for problem in problems), part


def test_where_the_power_is_unknown_no_energy_is_stated() -> None:
    unknown = pool(accelerator={"like": "H100-SXM", "name": "mine", "power_w": None})
    del unknown["power_w"]
    found = planned([unknown], [workload(10, [point(8, 12)])])
    assert (found[0].energy_kw, found[0].pools[0].energy_kw, found[0].instances[0].energy_kw) == (None, None, None)
    rows = (replace(found[0].instances[0], energy_kw=1.0),)
    problems = ieco_opt.verify(replace(found, plans=(replace(found[0], instances=rows),))).problems
    assert any("energy_kw: found 1, expected null where power_w is unknown" in problem for problem in problems)


@pytest.mark.parametrize(
    ("objective", "site", "limits", "line"),
    [
        ("cost", None, {}, None),
        ("cost", SITE, {}, "energy: 9.62 kW on average, $4.81/h of the cost, 3.848 kg CO2/h"),
        ("cost", {"kg_co2_per_kwh": 0.5}, {}, "energy: 6.413 kW on average, 3.207 kg CO2/h"),
        ("cost", None, {"max_energy_kw": 7}, "energy: 6.413 kW on average"),
        ("energy", None, {}, "energy: 6.413 kW on average"),
    ],
)
def test_the_text_speaks_of_energy_where_it_is_given_or_asked(
    objective: str, site: Mapping | None, limits: dict[str, float], line: str | None
) -> None:
    text = render(planned([pool(power=site)], [workload(10, [point(8, 12)])], objective, **limits), width=120)
    assert [each for each in text.splitlines() if each.startswith("energy: ")] == ([] if line is None else [line])
    assert ("energy: power drawn on average" in text) == (line is not None)
    assert (" energy " in text) == (line is not None)


def test_a_demand_of_which_any_bit_less_takes_less_energy_is_no_requirement_that_is_missed() -> None:
    def missed(site: Mapping | None) -> dict[str, float | None]:
        fleet = {"kind": "fleet", "pools": [pool(power=site)], "profile": "paper-constants"}
        fleet["workloads"] = [workload(10, [point(8, 12), point(4, 6)])]
        found = ieco_opt.plan(load_fleet_mapping(fleet), relaxations=True)
        assert ieco_opt.verify(found).problems == []
        return {each.requirement: each.amount for each in found[0].next_cheaper}

    assert missed(None)["demand of chat"] == pytest.approx(4.0, rel=1e-6)
    assert "demand of chat" not in missed(SITE)


@pytest.mark.parametrize(
    ("objective", "limits", "site", "field"),
    [
        ("energy", {}, None, "power_w"),
        ("cost", {"max_energy_kw": 5}, None, "power_w"),
        ("cost", {}, SITE, "power_w"),
        ("carbon", {}, {"usd_per_kwh": 0.1}, "power"),
        ("cost", {"max_carbon_kg_per_hour": 5}, None, "power"),
    ],
)
def test_what_is_not_known_is_asked_for(objective: str, limits: Mapping, site: Mapping | None, field: str) -> None:
    unknown = {"like": "H100-SXM", "name": "mine", "power_w": None} if field == "power_w" else "H100-SXM"
    mine = pool(accelerator=unknown, power=site)
    if field == "power_w":
        del mine["power_w"]
    with pytest.raises(ScenarioError, match=rf"pools\[0\]\.{field}: no "):
        planned([mine], [workload(10, [point(8, 12)])], objective, **limits)


# --- brute force ---------------------------------------------------------------------------------------------------


def drawn(seed: int) -> tuple[list[Mapping], list[Mapping], list[tuple[str, int, float]]]:
    """Two pools with sites of their own, one workload and a few points."""
    draw = random.Random(seed)  # noqa: S311 - test data
    pools = [
        pool(
            name,
            draw.randint(4, 9),
            usd_per_gpu_hour=draw.choice((0.5, 1.0, 2.0)),
            power_w=draw.choice((400, 700, 1000)),
            power={
                "usd_per_kwh": draw.choice((0.1, 0.5, 2.0)),
                "pue": draw.choice((1.0, 1.3)),
                "kg_co2_per_kwh": draw.choice((0.05, 0.4)),
            },
        )
        for name in ("p", "q")
    ]
    points = [(draw.choice(("p", "q")), draw.randint(1, 4), draw.choice((1.0, 2.5, 4.0, 7.5))) for _ in range(4)]
    headroom = draw.choice((0.0, 0.25))
    work = workload(
        draw.choice((2.0, 5.0, 9.0)), [point(gpus, requests, where) for where, gpus, requests in points]
    ) | {"headroom": headroom, "min_instances": draw.choice((1, 1, 2))}
    return pools, [work], points


def enumerated(
    pools: list[Mapping], work: Mapping, points: list[tuple[str, int, float]], objective: str, limits: Mapping
) -> float | None:
    """Least of an objective over all whole instances, with a linear program of what each serves."""
    named = {each["name"]: each for each in pools}
    least: float | None = None
    ranges = [range(named[where]["gpus"] // gpus + 1) for where, gpus, _ in points]
    demand, spare = work["requests_per_s"], 1.0 + work["headroom"]
    for counts in itertools.product(*ranges):
        used = dict.fromkeys(named, 0)
        for (where, gpus, _), count in zip(points, counts, strict=True):
            used[where] += gpus * count
        if any(used[name] > named[name]["gpus"] for name in named) or sum(counts) < work["min_instances"]:
            continue
        fixed = dict.fromkeys(("cost", "energy", "carbon"), 0.0)
        rates: dict[str, list[float]] = {name: [] for name in fixed}
        for (where, gpus, capacity), count in zip(points, counts, strict=True):
            site = named[where]["power"]
            board = gpus * named[where]["power_w"] / 1000 * site["pue"]
            factors = {"cost": site["usd_per_kwh"], "energy": 1.0, "carbon": site["kg_co2_per_kwh"]}
            fixed["cost"] += named[where]["usd_per_gpu_hour"] * gpus * count
            for name, factor in factors.items():
                fixed[name] += factor * board * IDLE * count
                rates[name].append(factor * board * BUSY / capacity)
        # Even if what takes least could serve all of it.
        if least is not None and fixed[objective] + demand * min(rates[objective]) >= least:
            continue
        caps = [(name, most) for name, most in limits.items() if most is not None]
        found = linprog(
            rates[objective],
            A_ub=np.array([rates[name] for name, _ in caps]) if caps else None,
            b_ub=[most - fixed[name] for name, most in caps] if caps else None,
            A_eq=[[1.0] * len(points)],
            b_eq=[demand],
            bounds=[(0, capacity * count / spare) for (_, _, capacity), count in zip(points, counts, strict=True)],
        )
        if found.status == 0 and (least is None or fixed[objective] + found.fun < least):
            least = fixed[objective] + found.fun
    return least


FIELDS = {"cost": "max_usd_per_hour", "energy": "max_energy_kw", "carbon": "max_carbon_kg_per_hour"}


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("objective", ["cost", "energy", "carbon"])
def test_the_optimum_is_that_of_an_enumeration(seed: int, objective: str) -> None:
    pools, (work,), points = drawn(seed)
    free = enumerated(pools, work, points, objective, {})
    if free is None:
        with pytest.raises(InfeasibleError):
            planned(pools, [work], objective)
        return
    plain = best(pools, [work], objective)
    assert plain.objective == pytest.approx(free, rel=1e-7)
    other = {"cost": "energy", "energy": "cost", "carbon": "cost"}[objective]
    reached = {"cost": plain.usd_per_hour, "energy": plain.energy_kw, "carbon": plain.carbon_kg_per_hour}[other]
    assert reached is not None
    tight = 0.97 * reached
    expected = enumerated(pools, work, points, objective, {other: tight})
    if expected is None:
        with pytest.raises(InfeasibleError):
            planned(pools, [work], objective, **{FIELDS[other]: tight})
    else:
        # A lower cap never lowers the objective.
        found = best(pools, [work], objective, **{FIELDS[other]: tight})
        assert found.objective == pytest.approx(expected, rel=1e-7)
        assert found.objective >= plain.objective * (1 - 1e-7)


@pytest.mark.parametrize("seed", range(4))
def test_a_higher_price_of_energy_never_lowers_the_cost(seed: int) -> None:
    pools, work, _ = drawn(seed)
    costs = []
    for factor in (1, 2, 5):
        dearer = [
            each | {"power": each["power"] | {"usd_per_kwh": factor * each["power"]["usd_per_kwh"]}} for each in pools
        ]
        costs.append(best(dearer, work).usd_per_hour)
    assert costs == sorted(costs)
