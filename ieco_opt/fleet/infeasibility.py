"""In words and numbers: what a better plan of a fleet would violate, or why there is no plan at all."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ieco_opt.design_space.setups import NO_MEMORY
from ieco_opt.documents.origin import shortened
from ieco_opt.fleet.columns import MODES, Candidates, Column
from ieco_opt.fleet.planner import FleetPlanner, Plan
from ieco_opt.fleet.pricing import columns_at
from ieco_opt.fleet.relaxations import Violation, minimal_relaxations
from ieco_opt.fleet.space import FleetProblem, FleetSpace
from ieco_opt.fleet.sweeps import STEP
from ieco_opt.performance.serving import Phase
from ieco_opt.results.plan import Relaxation
from ieco_opt.solvers.run import Run

_LIMIT_S = 10.0
"""Seconds for all requirements together: they are extras, which must not keep the plan waiting."""

_LARGEST_FACTOR = 1e6
_FACTOR_PRECISION = 1.001


def better_would_violate(space: FleetSpace, run: Run, plan: Plan) -> tuple[tuple[Relaxation, ...], list[str]]:
    """Least violations with which some plan is better than this one, and notes on what was not found out."""
    if plan.value <= 0.0:
        return (), []
    violations, left = minimal_relaxations(_planner(space, run), {plan.minimised: plan.value * (1.0 - 10.0 * STEP)})
    notes = []
    if left:
        notes.append(f"what a better plan would violate was not examined in time for: {', '.join(left)}")
    return tuple(
        Relaxation(
            requirement=each.requirement,
            amount=each.amount,
            unit=each.unit,
            share=each.share,
            objective=each.totals[plan.minimised],
        )
        for each in violations
    ), notes


def why_infeasible(space: FleetSpace, run: Run) -> str:
    """One line that says which workload cannot be served, or what it would take to serve all."""
    problem = space.problem(space.columns())
    if problem.unserved:
        reasons = [_why_unserved(space, problem, at) for at in problem.unserved]
        return "proven infeasible: " + "; ".join(reasons)
    violations, left = minimal_relaxations(_planner(space, run), {})
    if violations:
        ways = "; ".join(_way(violation) for violation in violations)
        return f"proven infeasible: the workloads cannot all be served within the limits; it would take one of: {ways}"
    if left:
        unknown = "what it would take was not found in time"
        return f"proven infeasible: the workloads cannot all be served within the limits ({unknown})"
    return "proven infeasible: no change of a single limit, capacity or demand is enough to serve all workloads"


def _planner(space: FleetSpace, run: Run) -> FleetPlanner:
    options = dict(run.config.options)
    if run.config.solver == "highs":
        # The least violation is small or none: bounds settle it, and searching for solutions is in the way.
        options["mip_heuristic_effort"] = 0.05
    limited = replace(run.config, relative_gap=0.0, accepted_gap=None, options=options)
    return FleetPlanner(space, Run(limited, run.interrupt, limit_s=_LIMIT_S))


def _way(violation: Violation) -> str:
    change = "lowered" if violation.requirement.startswith("demand") else "raised"
    share = "" if violation.share is None else f" ({100.0 * violation.share:.3g} %)"
    return f"the {violation.requirement} {change} by {violation.amount:.4g} {violation.unit}{share}"


def _why_unserved(space: FleetSpace, problem: FleetProblem, workload: int) -> str:
    """What keeps every column of one workload out: configurations, service or capacity."""
    candidate, name = space.candidates[workload], problem.workloads[workload].name
    if not candidate.points and not any(table.count for table in candidate.tables):
        reasons = "; ".join(
            f"{pool}: {', '.join(f'{count} x {reason}' for reason, count in _reasons(counter))}"
            for pool, counter in candidate.rejected.items()
        )
        return f"{name} cannot be served: no configuration of its model fits ({reasons or 'no pool may be used'})"
    columns = columns_at(candidate, workload, space.resolved.pools)
    if not _serves(candidate, columns):
        return f"{name} cannot be served: {_missed_service(space, candidate, workload)}"
    smallest = _smallest_that_does_not_fit(space, columns)
    size = "1 GPU" if smallest == 1 else f"{smallest} GPUs"
    fits_nowhere = f"its smallest instance ({size}) does not fit on the nodes that its pools have"
    return f"{name} cannot be served: {fits_nowhere} ({_nodes(space, candidate)})"


def _reasons(counter: Counter[str]) -> list[tuple[str, int]]:
    """The two reasons that say most: memory, which decides where others only narrow, and the most common."""
    return sorted(counter.most_common(), key=lambda each: each[0] != NO_MEMORY)[:2]


def _nodes(space: FleetSpace, candidate: Candidates) -> str:
    """What the pools of a workload have, so that it can be seen why nothing fits."""
    pools = [space.pools[at] for at in candidate.workload.pools]
    return shortened(f"{pool.name}: {pool.nodes.whole} x {pool.nodes.size} GPUs" for pool in pools)


def _smallest_that_does_not_fit(space: FleetSpace, columns: Sequence[Column]) -> int:
    """GPUs of the smallest instance of a phase in which none fits; of a mix also where others of the phase fit."""

    def fits(column: Column) -> bool:
        return space.pools[column.pool].nodes.most(column.gpus) > 0

    fitting = {column.phase for column in columns if fits(column)}
    tight = [column for column in columns if not fits(column)]
    return min(column.gpus for column in [column for column in tight if column.phase not in fitting] or tight)


def _serves(candidate: Candidates, columns: Sequence[Column]) -> bool:
    """Whether every phase of some mode has a column for every class."""

    def served(phase: Phase) -> bool:
        return all(
            any(column.phase is phase and column.requests_per_s[each] > 0.0 for column in columns)
            for each in range(len(candidate.classes))
        )

    return any(all(map(served, MODES[mode])) for mode in candidate.workload.workload.serving)


def _missed_service(space: FleetSpace, candidate: Candidates, workload: int) -> str:
    """What is asked for, and what of it could be had if the other were kept."""
    asked = candidate.workload.workload
    if not _reaches(space, candidate, workload, {"min_speed": None, "max_time_to_first_token_s": None}):
        serving = " or ".join(asked.serving)
        if asked.model is None:
            return f"no operating point for its pools serves it {serving}"
        return f"no configuration of its design space can serve it {serving} (prefill needs attention_data_parallel 1)"
    ways = []
    slowest, longest = asked.min_speed, asked.max_time_to_first_token_s
    if slowest is not None:
        share = _least(lambda by: _reaches(space, candidate, workload, {"min_speed": slowest / by}))
        ways.append(_reachable("min_speed", slowest, "tokens/s", None if share is None else 1.0 / share))
    if longest is not None:
        share = _least(lambda by: _reaches(space, candidate, workload, {"max_time_to_first_token_s": longest * by}))
        ways.append(_reachable("max_time_to_first_token_s", longest, "s", share))
    return f"no configuration on its pools meets {' and '.join(ways) or 'its requests'}"


def _reachable(name: str, asked: float, unit: str, factor: float | None) -> str:
    if factor is None:
        return f"{name} {asked:g}"
    return f"{name} {asked:g} ({asked * factor:.4g} {unit} could be met, all else kept)"


def _reaches(space: FleetSpace, candidate: Candidates, workload: int, changes: Mapping[str, float | None]) -> bool:
    relaxed = candidate.workload.workload.model_copy(update=changes)
    other = replace(candidate, workload=replace(candidate.workload, workload=relaxed))
    return _serves(other, columns_at(other, workload, space.resolved.pools))


def _least(reached: Callable[[float], bool]) -> float | None:
    """Least factor from 1 to a million at which something is reached, to 0.1 %, from above; ``None`` if none is."""
    below, above = 1.0, _LARGEST_FACTOR
    if not reached(above):
        return None
    while above / below > _FACTOR_PRECISION:
        middle = math.sqrt(below * above)
        below, above = (below, middle) if reached(middle) else (middle, above)
    return above
