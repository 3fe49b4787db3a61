"""Results in which every text that a user can choose tries to become part of a page, and large ones."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from saved_results import DRAFTED, FLEET, result

import ieco_opt
from ieco_opt.results.alternatives import Alternatives
from ieco_opt.results.answer import Answer
from ieco_opt.results.comparison import Comparison
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.explanation import Explanation
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.guarantee import AnswerStatus, Guarantee, GuaranteeKind
from ieco_opt.results.plan import FleetPlan, FleetResult

HOSTILE = """<script>alert(1)</script></script><img src=x onerror=alert(2)>'"&{{7*7}}]]>-->"""

_TEXTS = ("accelerator", "weights", "engine", "engines", "draft_model", "profile")
"""Fields of deployments and instances that scenarios choose."""


def hostile(kind: str) -> Answer:
    """The result of a kind (see ``saved_results.KINDS``) with that text in every field that takes any."""
    answer: Any = result(kind)
    if isinstance(answer, FleetResult):
        return _fleet(kind)
    if isinstance(answer, Alternatives):
        return _alternatives(answer)
    named = answer.scenario.model_copy(update={"name": HOSTILE})
    answer = replace(answer, scenario=named, notes=(HOSTILE,), deployments=tuple(map(_deployment, answer.deployments)))
    if isinstance(answer, Frontier) and answer.guarantee.stopped is not None:
        stopped = replace(answer.guarantee, stopped=HOSTILE)
        return replace(answer, guarantee=stopped)
    if isinstance(answer, Comparison):
        heuristics = [
            replace(each, name=f"{HOSTILE}{at}", stopped=HOSTILE, proposals=tuple(map(_proposal, each.proposals)))
            for at, each in enumerate(answer.heuristics)
        ]
        return replace(answer, heuristics=tuple(heuristics))
    if isinstance(answer, Explanation):
        runner_ups = tuple(replace(each, deployment=_deployment(each.deployment)) for each in answer.runner_ups)
        return replace(answer, runner_ups=runner_ups)
    return answer


def _alternatives(answer: Alternatives) -> Alternatives:
    named = answer.scenario.model_copy(update={"name": HOSTILE})
    found = [
        replace(
            each,
            deployment=None if each.deployment is None else _deployment(each.deployment),
            plan=None if each.plan is None else _plan(each.plan),
            combinations=tuple(replace(one, accelerator=HOSTILE, layout=HOSTILE) for one in each.combinations),
        )
        for each in answer.every
    ]
    next_one = None if answer.next_one is None else found.pop()
    return replace(answer, scenario=named, notes=(HOSTILE,), found=tuple(found), next_one=next_one)


def _deployment(item: Deployment) -> Deployment:
    return replace(item, **dict.fromkeys(_TEXTS, HOSTILE))


def _proposal(item: Any) -> Any:
    reasons = tuple(replace(each, text=HOSTILE) for each in item.reasons)
    return replace(item, accelerator=HOSTILE, weights=HOSTILE, engine=HOSTILE, reasons=reasons)


def _fleet(kind: str) -> FleetResult:
    """Planned under such names, since they refer to each other."""
    pools = [pool | {"name": f"{HOSTILE} {pool['name']}"} for pool in FLEET["pools"]]
    workloads = [each | {"name": f"{HOSTILE} {each['name']}"} for each in FLEET["workloads"]]
    fleet = ieco_opt.Fleet(**FLEET | {"name": HOSTILE, "pools": pools, "workloads": workloads})
    found = ieco_opt.plan(fleet) if kind == "plan" else ieco_opt.fleet_frontier(fleet, against="gpus", delta=0.5)
    return replace(found, plans=tuple(map(_plan, found)))


def _plan(plan: FleetPlan) -> FleetPlan:
    rows = [replace(row, **dict.fromkeys(_TEXTS, HOSTILE), instance_type=row.instance_type) for row in plan.instances]
    pools = [replace(row, accelerator=HOSTILE) for row in plan.pools]
    return replace(plan, instances=tuple(rows), pools=tuple(pools))


def large_frontier(points: int, seed: int) -> Frontier:
    """A frontier of so many deployments that no two figures are alike."""
    small = result("frontier")
    assert isinstance(small, Frontier)
    draw = random.Random(seed)  # noqa: S311
    speeds = sorted((draw.uniform(20.0, 400.0) for _ in range(points)), reverse=True)
    items = [_drawn(draw, small[at % len(small)], speed) for at, speed in enumerate(speeds)]
    scenario = ieco_opt.Scenario(**DRAFTED | {"name": f"a scenario with a long name, number {seed}"})
    return replace(
        small,
        scenario=scenario,
        deployments=tuple(items),
        guarantee=Guarantee(GuaranteeKind.COVERED, 0.01),
        status=AnswerStatus.OPTIMAL,
    )


def _drawn(draw: random.Random, like: Deployment, speed: float) -> Deployment:
    times = {name: draw.uniform(0.0, 0.3) / speed for name in ("kernel_s", "network_s", "memory_s", "arithmetic_s")}
    sizes = {name: draw.uniform(1.0, 30.0) for name in ("weights_gb", "cache_gb", "draft_gb", "reserve_gb", "free_gb")}
    return replace(
        like,
        speed_tokens_per_s=speed,
        latency_s=1.0 / speed,
        cost_usd_per_mtok=draw.uniform(0.1, 20.0),
        throughput_tokens_per_s=draw.uniform(100.0, 9e4),
        batch=draw.randrange(1, 4096),
        mfu=draw.random(),
        power_kw=draw.uniform(1.0, 90.0),
        memory_per_gpu_gb=draw.uniform(20.0, 80.0),
        time_to_first_token_s=draw.uniform(0.1, 3.0),
        end_to_end_s=draw.uniform(3.0, 90.0),
        requests_per_s=draw.uniform(0.1, 90.0),
        cost_usd_per_mtok_total=draw.uniform(0.1, 5.0),
        usd_per_request=draw.uniform(0.0001, 0.01),
        usd_per_hour=draw.uniform(1.0, 99.0),
        **times,
        **sizes,
    )
