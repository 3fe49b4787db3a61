"""In words and numbers: what a better plan of a fleet would violate, or why there is no plan at all."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from ieco_opt.design_space.setups import NO_MEMORY
from ieco_opt.documents.origin import shortened
from ieco_opt.errors import SolverError
from ieco_opt.fleet.columns import MODES, Candidates, Column, phases_of, possible_modes
from ieco_opt.fleet.placement import Nodes, place
from ieco_opt.fleet.planner import FleetPlanner
from ieco_opt.fleet.pricing import columns_at
from ieco_opt.fleet.program.data import Quantity
from ieco_opt.fleet.relaxations import Violation, minimal_relaxations
from ieco_opt.fleet.space import FleetProblem, FleetSpace
from ieco_opt.fleet.speeds import STEP
from ieco_opt.performance.serving import Phase
from ieco_opt.results.plan import FleetPlan, Relaxation
from ieco_opt.scenario.margin import limits_hold
from ieco_opt.solvers.run import Run

_LIMIT_S = 10.0
"""Seconds for all requirements together: they are extras, which must not keep the plan waiting."""

_NOTHING = 1e-7
"""Share of what is required below which nothing is violated."""

_DIGITS = 4
_ALMOST_ALL = 0.995
"""Share of a demand that would read as all of it."""

_TRACE = 1e-6
"""Share of a demand that is within the tolerance of its row."""

_FLOAT = 1e-9

_APART = " apart "
"""Stands in the words of every rule about instances that exchange caches."""

_NO_SERVICE = {"min_speed": None, "max_time_to_first_token_s": None}

_LARGEST_FACTOR = 1e6
_FACTOR_PRECISION = 1.001


def better_would_violate(planner: FleetPlanner, run: Run, plan: FleetPlan) -> tuple[Relaxation, ...]:
    """Least violations with which some plan is better than this one; what was not examined in time comes last."""
    if plan.objective <= 0.0:
        return ()
    minimised = Quantity(planner.space.resolved.fleet.objective)
    better = {minimised: plan.objective * (1.0 - 10.0 * STEP)}
    violations = minimal_relaxations(_extras(planner, run), better, minimised)
    return tuple(
        Relaxation(
            requirement=each.requirement,
            amount=each.amount,
            unit=each.unit,
            share=each.share,
            objective=each.objective,
        )
        for each in violations
        # A plan that is not proven optimal may have a better one that violates nothing.
        if each.amount is None or each.amount > _NOTHING * max(1.0, each.required)
    )


def why_infeasible(planner: FleetPlanner, run: Run) -> tuple[str, ...]:
    """Which workload cannot be served, or what it would take to serve all."""
    problem, hold = planner.problem(), limits_hold(planner.space.resolved.fleet)
    held = [] if hold is None else [hold]
    if problem.unserved:
        reasons = [reason for at in problem.unserved for reason in _why_unserved(planner.space, problem, at)]
        return (*reasons, *held)
    violations = minimal_relaxations(_extras(planner, run), {})
    ways = [_way(violation) for violation in violations if violation.amount is not None]
    unexamined = [violation.requirement for violation in violations if violation.amount is None]
    if not violations:
        return ("no change of a single limit, capacity or demand is enough to serve all workloads", *held)
    proven = "the workloads cannot all be served within the limits"
    left = [f"not examined in time: {', '.join(unexamined)}"] if unexamined else []
    if not ways:
        return (proven, *left, *held)
    # One reason, since what was not examined and the error of the model are about these changes.
    takes = f"it would take {'one of' if len(ways) > 1 else 'this'}: {'; '.join(ways)}"
    return (proven, "; ".join([takes, *left, *held]))


def _extras(planner: FleetPlanner, run: Run) -> FleetPlanner:
    """A planner for questions beside the one that was asked, which must not keep its answer waiting."""
    options = dict(run.config.options)
    if run.config.solver == "highs":
        # The least violation is small or none: bounds settle it, and searching for solutions is in the way.
        options["mip_heuristic_effort"] = 0.05
    limited = replace(run.config, relative_gap=0.0, accepted_gap=None, options=options)
    left = 0.0 if run.ended() else run.seconds_left()
    limit_s = _LIMIT_S if left is None else min(left, _LIMIT_S)
    return planner.beside(Run(limited, run.interrupt, limit_s=limit_s), counted=False)


def _way(violation: Violation) -> str:
    """One way out in words, its amount rounded up so that it is enough."""
    amount, share = violation.amount or 0.0, violation.share
    demand = violation.requirement.startswith("demand")
    if demand and share is not None and share > _ALMOST_ALL:
        left = violation.required - amount
        if left <= _TRACE * violation.required:
            return f"the {violation.requirement} lowered to less than a millionth of it"
        return f"the {violation.requirement} lowered to {rounded(left, _DIGITS, up=False)} {violation.unit}"
    percent = "" if share is None else f"{100.0 * share:,.0f}" if share >= 10.0 else f"{100.0 * share:.3g}"
    of_all = f" ({percent} %)" if percent else ""
    unit = violation.unit.removesuffix("s") if violation.unit == "GPUs" and amount == 1.0 else violation.unit
    change = "lowered" if demand else "raised"
    return f"the {violation.requirement} {change} by {rounded(amount, _DIGITS)} {unit}{of_all}"


def rounded(value: float, digits: int, *, up: bool = True) -> str:
    """A number with so many significant digits, never on the other side of the value by more than its own rounding.

    It has no exponent, so that files and options take it.
    """
    if value <= 0.0:
        return "0"
    decimals = digits - 1 - math.floor(math.log10(value))
    exact = value * 10.0**decimals
    steps = math.ceil(exact * (1.0 - _FLOAT)) if up else math.floor(exact * (1.0 + _FLOAT))
    text = f"{steps / 10.0**decimals:.{max(decimals, 0)}f}"
    return text.rstrip("0").rstrip(".") if decimals > 0 else text


def _why_unserved(space: FleetSpace, problem: FleetProblem, workload: int) -> tuple[str, ...]:
    """What keeps every column of one workload out: configurations, service or capacity."""
    candidate, name = space.candidates[workload], problem.workloads[workload].name
    if not candidate.points and not any(table.count for table in candidate.tables):
        reasons = "; ".join(
            f"{pool}: {_counted(sum(of_phases.values(), Counter[str]()))}"
            for pool, of_phases in candidate.rejected.items()
        )
        return (f"{name} cannot be served: no configuration of its model fits ({reasons or 'no pool may be used'})",)
    anyhow = _asking(candidate, _NO_SERVICE)
    if not _serves(anyhow, columns := columns_at(anyhow, workload, space.resolved.pools)):
        return (f"{name} cannot be served: {_no_mode(space, candidate, workload)}",)
    if not _serves(anyhow, [column for column in columns if _fits(space, column)]):
        fits_nowhere = f"its smallest instance ({_size(space, columns)}) does not fit on the nodes that its pools have"
        return (f"{name} cannot be served: {fits_nowhere} ({_nodes(space, candidate)})",)
    missed = f"{name} cannot be served: {_missed_service(space, candidate, workload)}"
    meeting = columns_at(candidate, workload, space.resolved.pools)
    if not _serves(candidate, meeting):
        return (missed,)
    nodes = _nodes(space, candidate)
    return missed, f"what does takes {_size(space, meeting)}, which its nodes do not have ({nodes})"


def _size(space: FleetSpace, columns: Sequence[Column]) -> str:
    smallest = _smallest_that_does_not_fit(space, columns)
    return "1 GPU" if smallest == 1 else f"{smallest} GPUs"


def _counted(counter: Counter[str]) -> str:
    """The two reasons that say most: memory and what holds for a phase alone, which decide where others only narrow."""
    most = sorted(counter.most_common(), key=lambda each: each[0] != NO_MEMORY and _APART not in each[0])[:2]
    return ", ".join(f"{count} x {reason}" for reason, count in most)


def _nodes(space: FleetSpace, candidate: Candidates) -> str:
    """What the pools of a workload have, so that it can be seen why nothing fits."""
    pools = [space.pools[at] for at in candidate.workload.pools]
    return shortened(f"{pool.name}: {_counted_nodes(pool.nodes)} GPUs" for pool in pools)


def _counted_nodes(nodes: Nodes) -> str:
    """Whole nodes, and what is left of one more."""
    whole = f"{nodes.whole} x {nodes.size}"
    return whole if not nodes.partial else f"{whole} and {nodes.partial}" if nodes.whole else str(nodes.partial)


def _smallest_that_does_not_fit(space: FleetSpace, columns: Sequence[Column]) -> int:
    """GPUs of the smallest instance of a phase in which none fits; of a mix also where others of the phase fit."""
    fitting = {column.phase for column in columns if _fits(space, column)}
    tight = [column for column in columns if not _fits(space, column)]
    return min(column.gpus for column in [column for column in tight if column.phase not in fitting] or tight)


def _fits(space: FleetSpace, column: Column) -> bool:
    return space.pools[column.pool].nodes.most(column.gpus) > 0


def _serves(candidate: Candidates, columns: Sequence[Column]) -> bool:
    """Whether every phase of some mode has a column for every class."""
    return bool(possible_modes(candidate.workload.workload.serving, len(candidate.classes), columns))


def _no_mode(space: FleetSpace, candidate: Candidates, workload: int) -> str:
    """Why no mode has instances for every phase and class, whatever service is asked for."""
    asked = candidate.workload.workload
    serving = " or ".join(asked.serving)
    if asked.model is None:
        return f"no operating point for its pools serves it {serving}"
    reason = "; ".join(_missing_phases(candidate))
    if _serves(candidate, _of_any_form(space, candidate, workload)):
        reason = "prefill and decode instances need one engine, one kv_cache and one generation of accelerators"
    return f"no configuration of its design space can serve it {serving} ({reason})"


def _missing_phases(candidate: Candidates) -> Iterator[str]:
    """What keeps all configurations from the phases that none is for."""
    for phase in phases_of(candidate.workload.workload.serving):
        if phase is Phase.PREFILL and 1 not in candidate.workload.design_space.attention_data_parallel:
            yield "prefill needs attention_data_parallel 1"
        elif not any(table.count for table in candidate.tables if table.phase is phase):
            rejected = sum((of_phases[phase] for of_phases in candidate.rejected.values()), Counter[str]())
            yield f"{phase.value}: {_counted(rejected)}"


def _missed_service(space: FleetSpace, candidate: Candidates, workload: int) -> str:
    """What is asked for, and what of it could be had if the other were kept."""
    asked = candidate.workload.workload
    ways = []
    slowest, longest = asked.min_speed, asked.max_time_to_first_token_s
    if slowest is not None:
        share = _least(lambda by: _reaches(space, candidate, workload, {"min_speed": slowest / by}))
        best = None if share is None else f"{rounded(slowest / share, _DIGITS, up=False)} tokens/s"
        ways.append(_reachable("min_speed", slowest, best))
    if longest is not None:
        share = _least(lambda by: _reaches(space, candidate, workload, {"max_time_to_first_token_s": longest * by}))
        best = None if share is None else f"{rounded(longest * share, _DIGITS)} s"
        ways.append(_reachable("max_time_to_first_token_s", longest, best))
    return f"no configuration that fits on its pools meets {' and '.join(ways) or 'its requests'}"


def _reachable(name: str, asked: float, best: str | None) -> str:
    return f"{name} {asked:g}" + ("" if best is None else f" ({best} could be met, all else kept)")


def _of_any_form(space: FleetSpace, candidate: Candidates, workload: int) -> list[Column]:
    """Columns without what is asked of speed and of time, as if all caches were alike."""
    columns = columns_at(_asking(candidate, _NO_SERVICE), workload, space.resolved.pools)
    return [replace(column, cache_form=None) for column in columns]


def _reaches(space: FleetSpace, candidate: Candidates, workload: int, changes: Mapping[str, float | None]) -> bool:
    """Whether instances that fit on the nodes there are, of all phases beside each other, meet something else."""
    other = _asking(candidate, changes)
    columns = [column for column in columns_at(other, workload, space.resolved.pools) if _fits(space, column)]
    modes = possible_modes(other.workload.workload.serving, len(other.classes), columns)
    return any(_fit_together(space, columns, MODES[mode]) for mode in modes)


def _fit_together(space: FleetSpace, columns: Sequence[Column], phases: Sequence[Phase]) -> bool:
    """Whether one instance of each phase, the smallest of some pool, fit on the nodes together."""
    smallest: list[dict[int, int]] = []
    for phase in phases:
        mine = [(column.pool, column.gpus) for column in columns if column.phase is phase]
        smallest.append({pool: min(gpus for at, gpus in mine if at == pool) for pool, _ in mine})
    return any(_hold(space, chosen) for chosen in itertools.product(*(each.items() for each in smallest)))


def _hold(space: FleetSpace, instances: Sequence[tuple[int, int]]) -> bool:
    """Whether the pools hold instances, each a pool and its GPUs."""
    try:
        for pool in {pool for pool, _ in instances}:
            gpus = dict(enumerate(gpus for at, gpus in instances if at == pool))
            place(gpus, dict.fromkeys(gpus, 1), space.pools[pool].nodes)
    except SolverError:
        return False
    return True


def _asking(candidate: Candidates, changes: Mapping[str, float | None]) -> Candidates:
    """The candidates of a workload of which something else is asked."""
    relaxed = candidate.workload.workload.model_copy(update=changes)
    return replace(candidate, workload=replace(candidate.workload, workload=relaxed))


def _least(reached: Callable[[float], bool]) -> float | None:
    """Least factor from 1 to a million at which something is reached, to 0.1 %, from above; ``None`` if none is."""
    below, above = 1.0, _LARGEST_FACTOR
    if not reached(above):
        return None
    while above / below > _FACTOR_PRECISION:
        middle = math.sqrt(below * above)
        below, above = (below, middle) if reached(middle) else (middle, above)
    return above
