"""Pools of which a node costs more than a plan that is known make no difference to what is best."""

from __future__ import annotations

import random
from typing import Any

import pytest

import ieco_opt
from ieco_opt.fleet.planner import FleetPlanner
from ieco_opt.fleet.program.data import Quantity
from ieco_opt.fleet.space import FleetSpace, build_fleet_space
from ieco_opt.scenario import resolve_fleet
from ieco_opt.solvers.config import load_solver_config
from ieco_opt.solvers.run import Run

CONFIG = load_solver_config("fleet")
CARDS = ("H100-SXM", "H200-SXM", "B200")


def drawn(seed: int) -> ieco_opt.Fleet:
    """One workload of instances that are listed, on up to three pools of which some cannot serve it alone."""
    rng = random.Random(seed)  # noqa: S311 - chance, not secrets
    points, pools = [], []
    for card in CARDS[: rng.choice((2, 3))]:
        pools.append(
            {
                "name": card.lower(),
                "accelerator": card,
                "gpus": rng.choice((4, 8, 16)),
                "node_size": 4,
                "rented_by": rng.choice(("gpu", "node")),
                "usd_per_gpu_hour": rng.choice((1.0, 2.0, 3.5, 6.0)),
                "owned_gpus": rng.choice((0, 0, 0, 4)),
            }
        )
        for phase in ("colocated", "prefill", "decode"):
            for gpus in (1, 2, 4):
                speed = {} if phase == "prefill" else {"speed_tokens_per_s": rng.choice((30.0, 40.0, 60.0))}
                served = {"throughput_requests_per_s": gpus * rng.uniform(0.5, 2.0)}
                points.append({"accelerator": card, "gpus": gpus, "phase": phase, **speed, **served})
    workload = {
        "name": "listed",
        "prompt_tokens": 10,
        "output_tokens": 10,
        "requests_per_s": rng.uniform(0.5, 20.0),
        "min_speed": 25.0,
        "serving": ["colocated", "disaggregated"],
        "operating_points": points,
    }
    return ieco_opt.Fleet(name="drawn", pools=pools, workloads=[workload], objective="cost")


def test_the_cheapest_plan_is_as_cheap_without_them() -> None:
    left_out = 0
    for seed in range(30):
        space = build_fleet_space(resolve_fleet(drawn(seed)))
        of_all = FleetPlanner(space, Run(CONFIG)).best()
        bare = FleetPlanner(space, Run(CONFIG), bare=True).best()
        assert (of_all is None) == (bare is None), seed
        if of_all is not None and bare is not None:
            cost = of_all.totals[Quantity.COST]
            assert bare.totals[Quantity.COST] == pytest.approx(cost, rel=1e-9), seed
            assert bare.covered() >= 1.0 - 1e-9
            left_out += len(space.within(cost)) < len(space.pools)
    assert left_out > 5


def test_criteria_among_equals_come_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def levels() -> list[Any]:
        found = []
        for seed in (1, 2, 3, 5, 8, 13):
            try:
                found.append([(each.criterion, round(each.value, 6)) for each in ieco_opt.plan(drawn(seed))[0].levels])
            except ieco_opt.InfeasibleError:
                found.append(None)
        return found

    without = levels()
    monkeypatch.setattr(FleetSpace, "within", lambda self, _: frozenset(range(len(self.pools))))
    assert levels() == without
    assert sum(each is not None for each in without) > 2
