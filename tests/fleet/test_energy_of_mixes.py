"""The energy of fleets with mixes, slices and disaggregated workloads, against an enumeration with a program of loads.

All whole numbers of instances are listed. What they serve is the optimum of a linear program that SciPy solves, or of
an integer one where slices stay whole.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

import ieco_opt
from ieco_opt.errors import InfeasibleError
from ieco_opt.results.plan import FleetPlan
from ieco_opt.scenario import load_fleet_mapping

Mapping = dict[str, Any]

IDLE, BUSY = 0.26, 0.65
"""Shares of the board power without a calibration profile (docs/performance-model.md)."""

CLASSES = ("short", "long")
MODES = {"colocated": ("colocated",), "disaggregated": ("prefill", "decode")}
CAPS = {"cost": "max_usd_per_hour", "energy": "max_energy_kw", "carbon": "max_carbon_kg_per_hour"}
OTHER = {"cost": "energy", "energy": "cost", "carbon": "cost"}


@dataclass(frozen=True)
class Type:
    """An instance type: what one instance serves of each class, in requests/s."""

    pool: str
    phase: str
    gpus: int
    capacity: tuple[float, ...]


@dataclass(frozen=True)
class Case:
    """A fleet of one workload, as a scenario and as what the enumeration needs."""

    pools: list[Mapping]
    workload: Mapping
    types: list[Type]

    @property
    def demand(self) -> list[float]:
        """Requests/s that arrive, by class."""
        mix = self.workload.get("request_mix", [{"share": 1}])
        whole = sum(each["share"] for each in mix)
        return [self.workload["requests_per_s"] * each["share"] / whole for each in mix]

    def planned(self, objective: str, **limits: float) -> FleetPlan:
        """The plan; its saved figures are computed again."""
        fleet = {"kind": "fleet", "pools": self.pools, "workloads": [self.workload], "limits": limits}
        fleet |= {"profile": "paper-constants", "objective": objective}
        found = ieco_opt.plan(load_fleet_mapping(fleet))
        assert ieco_opt.verify(found).problems == []
        return found[0]


def drawn(seed: int, *, mixed: bool, apart: bool, slices: int | None) -> Case:
    """Two pools at sites of their own, nodes of one GPU, and two or three types in each phase."""
    draw = random.Random(seed)  # noqa: S311 - test data
    pools = [
        {
            "name": name,
            "accelerator": "H100-SXM",
            "node_size": 1,
            "rented_by": "gpu",
            "gpus": draw.randint(4, 7),
            # What is cheap draws much, or else the cheapest plan would take the least energy too.
            "usd_per_gpu_hour": price,
            "power_w": power,
            "power": {
                # Of one pool in three the energy has no price.
                "usd_per_kwh": draw.choice((None, 0.5, 2.0)),
                "pue": draw.choice((1.0, 1.3)),
                "kg_co2_per_kwh": draw.choice((0.05, 0.4)),
            },
        }
        for name, price, power in (("p", 0.5, 1000), ("q", draw.choice((0.7, 2.0)), draw.choice((300, 600))))
    ]
    phases = ["prefill", "decode"] if apart else []
    phases += ["colocated"] if not apart or draw.random() < 0.5 else []
    types = [
        Type(
            pool=draw.choice(("p", "q")),
            phase=phase,
            gpus=draw.randint(1, 3),
            capacity=tuple(draw.choice((1.0, 2.5, 4.0, 7.5)) for _ in CLASSES[: 1 + mixed]),
        )
        for phase in phases
        for _ in range(2 if apart else 3)
    ]
    points = [
        {"pool": each.pool, "gpus": each.gpus, "phase": each.phase, "throughput_requests_per_s": capacity}
        | ({"kind": f"t{at}", "request_class": CLASSES[label]} if mixed else {})
        for at, each in enumerate(types)
        for label, capacity in enumerate(each.capacity)
    ]
    workload: Mapping = {
        "name": "chat",
        "requests_per_s": draw.choice((2.0, 3.0, 5.0)),
        "operating_points": points,
        "headroom": draw.choice((0.0, 0.25)),
        "serving": [mode for mode, needed in MODES.items() if set(needed) <= set(phases)],
    }
    mix = [{"name": name, "share": draw.choice((1, 2)), "prompt_tokens": 9, "output_tokens": 9} for name in CLASSES]
    workload |= {"request_mix": mix} if mixed else {"prompt_tokens": 9, "output_tokens": 9}
    return Case(pools, workload | ({"slices": slices} if slices else {}), types)


def placements(case: Case, types: Sequence[Type]) -> Iterator[tuple[int, ...]]:
    """All whole numbers of instances that pools hold, with at least one in each phase."""
    room = {pool["name"]: pool["gpus"] for pool in case.pools}
    for counts in itertools.product(*(range(room[each.pool] // each.gpus + 1) for each in types)):
        running = list(zip(types, counts, strict=True))
        used = {name: sum(each.gpus * count for each, count in running if each.pool == name) for name in room}
        phases = {each.phase for each, count in running if count}
        if phases == {each.phase for each in types} and all(used[name] <= room[name] for name in room):
            yield counts


def least(case: Case, objective: str, caps: dict[str, float]) -> float | None:
    """Least of an objective within caps over all instances and loads; ``None`` if there is no plan."""
    best: float | None = None
    for mode in case.workload["serving"]:
        types = [each for each in case.types if each.phase in MODES[mode]]
        for counts in placements(case, types):
            found = _loaded(case, types, counts, objective, caps, best)
            best = found if best is None or (found is not None and found < best) else best
    return best


def _loaded(
    case: Case,
    types: Sequence[Type],
    counts: Sequence[int],
    objective: str,
    caps: dict[str, float],
    best: float | None,
) -> float | None:
    """Least of an objective over what given instances serve, by shares of each class, unless idle they take more."""
    demand, parts = case.demand, case.workload.get("slices")
    shares = [(k, c) for k in range(len(types)) for c in range(len(demand))]
    idle, rates = dict.fromkeys(CAPS, 0.0), {name: [0.0] * len(shares) for name in CAPS}
    for k, (each, count) in enumerate(zip(types, counts, strict=True)):
        pool = next(pool for pool in case.pools if pool["name"] == each.pool)
        board = each.gpus * pool["power_w"] / 1000 * pool["power"]["pue"]
        factors = {"cost": pool["power"]["usd_per_kwh"] or 0.0, "energy": 1.0}
        factors["carbon"] = pool["power"]["kg_co2_per_kwh"]
        idle["cost"] += pool["usd_per_gpu_hour"] * each.gpus * count
        for name, factor in factors.items():
            idle[name] += factor * board * IDLE * count
            for c, arriving in enumerate(demand):
                rates[name][shares.index((k, c))] = factor * board * BUSY / each.capacity[c] * arriving
    if best is not None and idle[objective] >= best:
        return None
    spare = 1.0 + case.workload["headroom"]
    rows: list[tuple[list[float], float, float]] = []
    for k, count in enumerate(counts):
        needed = [spare * demand[c] / types[k].capacity[c] if k == of else 0.0 for of, c in shares]
        rows.append((needed, -np.inf, float(count)))
    for phase, c in itertools.product({each.phase for each in types}, range(len(demand))):
        rows.append(([float(types[k].phase == phase and c == of) for k, of in shares], 1.0, 1.0))
    rows += [(rates[name], -np.inf, most - idle[name]) for name, most in caps.items()]
    scale = 1.0 / (parts or 1)
    matrix = np.array([row for row, _, _ in rows]) * scale
    found = milp(
        np.array(rates[objective]) * scale,
        constraints=LinearConstraint(matrix, [low for _, low, _ in rows], [high for _, _, high in rows]),
        bounds=Bounds(0, parts or 1),
        integrality=np.full(len(shares), int(parts is not None)),
    )
    return None if found.x is None else idle[objective] + float(found.fun)


KINDS: dict[str, Mapping] = {
    "mix": {"mixed": True, "apart": False, "slices": None},
    "slices": {"mixed": True, "apart": False, "slices": 3},
    "disaggregated": {"mixed": False, "apart": True, "slices": None},
    "disaggregated mix": {"mixed": True, "apart": True, "slices": None},
    "disaggregated slices": {"mixed": True, "apart": True, "slices": 2},
}


@pytest.mark.parametrize("objective", CAPS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_optimum_is_that_of_an_enumeration(kind: str, objective: str) -> None:
    compared, other = 0, OTHER[objective]
    for seed in range(5):
        case = drawn(seed, **KINDS[kind])
        free = least(case, objective, {})
        if free is None:
            with pytest.raises(InfeasibleError):
                case.planned(objective)
            continue
        plan = case.planned(objective)
        assert plan.objective == pytest.approx(free, rel=1e-7), seed
        reached, lowest = {"cost": plan.usd_per_hour, "energy": plan.energy_kw}[other], least(case, other, {})
        assert reached is not None
        assert lowest is not None
        if lowest > reached * (1.0 - 1e-6):
            continue
        # A cap between what the plan takes and the least of all plans binds, and can be met.
        cap = (reached + lowest) / 2
        expected, capped = least(case, objective, {other: cap}), case.planned(objective, **{CAPS[other]: cap})
        assert expected is not None
        assert capped.objective == pytest.approx(expected, rel=1e-7), seed
        assert capped.objective > plan.objective * (1.0 - 1e-9), seed
        compared += 1
    assert compared >= 1


@pytest.mark.parametrize("kind", KINDS)
def test_less_than_the_least_is_proven_infeasible(kind: str) -> None:
    case = drawn(1, **KINDS[kind])
    for name in ("energy", "carbon"):
        lowest = least(case, name, {})
        assert lowest is not None
        assert case.planned("cost", **{CAPS[name]: lowest * (1.0 + 1e-6)}).instances
        with pytest.raises(InfeasibleError, match=f"limits.{CAPS[name]} raised by"):
            case.planned("cost", **{CAPS[name]: lowest * 0.98})
