"""What the closed form says of one workload on one pool is the optimum of the mixed-integer program."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from ieco_opt.fleet.caps import Caps
from ieco_opt.fleet.columns import Column, Origin, conflicts, phases_of, possible_modes
from ieco_opt.fleet.one_pool import decided_in_closed_form, has_closed_form
from ieco_opt.fleet.placement import Nodes
from ieco_opt.fleet.plan import decided_plan
from ieco_opt.fleet.program.data import FleetProgramData, Goal, Quantity
from ieco_opt.fleet.program.plan import build_fleet_program
from ieco_opt.fleet.space import Demand, FleetProblem, PoolData
from ieco_opt.performance.serving import Phase
from ieco_opt.solvers.config import load_solver_config
from ieco_opt.solvers.outcome import Outcome
from ieco_opt.solvers.run import Run

FORMS = (None, ("vllm", "bf16", "hopper"), ("vllm", "fp8", "hopper"))


def drawn(seed: int) -> FleetProgramData:
    """A program whose sizes divide each other, with every limit that has a closed form at times."""
    rng = random.Random(seed)  # noqa: S311 - chance, not secrets
    node, by_node = rng.choice((4, 8)), rng.random() < 0.5
    nodes = Nodes(node, rng.randint(0, 4) + by_node, 0 if by_node else rng.randint(1, node - 1))
    columns = [_column(rng, phase) for phase in Phase for _ in range(rng.randint(1, 5))]
    pool = PoolData(
        name="pool",
        nodes=nodes,
        by_node=by_node,
        usd_per_gpu_hour=rng.choice((0.0, 1.5)),
        kw_per_gpu=0.7,
        max_power_kw=rng.choice((float("inf"), float("inf"), 7.7)),
        owned_gpus=rng.choice((0, 0, 3)),
        idle_kw_per_gpu=0.2,
        busy_kw_per_gpu=0.6,
        usd_per_kwh=0.0,
        kg_co2_per_kwh=0.3,
    )
    modes = rng.choice((("colocated",), ("disaggregated",), ("colocated", "disaggregated")))
    rate = rng.uniform(1.0, 30.0)
    columns = [column for column in columns if nodes.most(column.gpus)]
    modes = possible_modes(modes, 1, columns)
    columns = [column for column in columns if column.phase in phases_of(modes)]
    workload = Demand("chat", (rate,), (rate,), 0.0, 1, None, modes, None)
    caps = Caps(max_gpus=rng.choice((float("inf"), float("inf"), 13.0)))
    problem = FleetProblem(
        pools=(pool,),
        workloads=(workload,),
        columns=tuple(columns),
        most=tuple(nodes.most(column.gpus) for column in columns),
        late_pairs=tuple(conflicts(columns)),
        caps=caps,
    )
    epsilons = {Quantity.COST: 12.0} if rng.random() < 0.2 else {}
    minimise = rng.choice((Goal.SLACK, Quantity.COST, Quantity.POWER, Quantity.GPUS))
    return FleetProgramData(problem, minimise, epsilons, least_covered=rng.choice((0.0, 0.0, 1.0)))


def _column(rng: random.Random, phase: Phase) -> Column:
    gpus = rng.choice((1, 2, 4, 8, 16))
    apart = phase is not Phase.COLOCATED
    return Column(
        workload=0,
        pool=0,
        phase=phase,
        gpus=gpus,
        requests_per_s=(gpus * rng.uniform(0.5, 1.5),),
        room_s=(rng.choice((0.1, 0.2, 0.3)) if phase is Phase.PREFILL else 0.0,),
        transfer_s=(rng.choice((0.05, 0.15, 0.25)) if phase is Phase.DECODE else 0.0,),
        batch=(1,),
        origin=Origin(None, ()),
        cache_form=rng.choice(FORMS) if apart else None,
        busy_s=(0.1,),
    )


def test_the_closed_form_is_the_optimum_of_the_program() -> None:
    run, answers = Run(load_solver_config("fleet")), Counter[str]()
    for seed in range(400):
        data = drawn(seed)
        if data.problem.unserved:
            continue
        assert has_closed_form(data)
        decision = decided_in_closed_form(data)
        solution = run.solve(build_fleet_program(data))
        assert (decision is None) == (solution.outcome is Outcome.INFEASIBLE), seed
        if decision is None:
            answers["none"] += 1
            continue
        # Placing it on nodes fails where it does not fit.
        plan = decided_plan(data, 1.0, decision)
        assert plan.value == pytest.approx(solution.objective, rel=1e-8, abs=1e-9), seed
        used = {at for at, count in enumerate(plan.counts) if count}
        assert not any(used >= set(pair) for pair in data.problem.late_pairs), seed
        assert len({data.problem.columns[at].cache_form for at in used} - {None}) <= 1, seed
        answers["apart" if plan.disaggregated[0] else "together"] += 1
    assert min(answers.values()) >= 20, answers


@pytest.mark.parametrize("sizes", [(3,), (5, 1), (4, 6)])
def test_sizes_that_do_not_divide_each_other_have_none(sizes: Sequence[int]) -> None:
    data = drawn(1)
    columns = tuple(replace(_column(random.Random(0), Phase.COLOCATED), gpus=size) for size in sizes)  # noqa: S311
    assert not has_closed_form(replace(data, problem=replace(data.problem, columns=columns)))
