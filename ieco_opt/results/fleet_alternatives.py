"""In words and numbers: what a better plan of a fleet would violate, or why there is no plan at all."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ieco_opt.design_space.fleet import FleetProblem, FleetSpace
from ieco_opt.design_space.kinds import MODES, Kind, Menu, kinds_at
from ieco_opt.pareto.fleet_concessions import Give, concessions
from ieco_opt.pareto.fleet_planner import FleetPlanner, Plan
from ieco_opt.pareto.fleet_sweeps import STEP
from ieco_opt.performance.serving import Phase
from ieco_opt.results.fleet import Concession
from ieco_opt.solvers.config import SolverConfig
from ieco_opt.solvers.interrupt import Interrupt
from ieco_opt.solvers.session import SolverSession

_LIMIT_S = 10.0
"""Seconds for all requirements together: they are extras, which must not keep the plan waiting."""

_LARGEST_FACTOR = 1e6
_FACTOR_PRECISION = 1.001


def better_would_violate(
    space: FleetSpace, config: SolverConfig, interrupt: Interrupt, plan: Plan
) -> tuple[tuple[Concession, ...], list[str]]:
    """Least violations with which some plan is better than this one, and notes on what was not found out."""
    if plan.value <= 0.0:
        return (), []
    gives, left = concessions(_planner(space, config, interrupt), {plan.minimised: plan.value * (1.0 - 10.0 * STEP)})
    notes = []
    if left:
        notes.append(f"what a better plan would violate was not examined in time for: {', '.join(left)}")
    return tuple(
        Concession(give.requirement, give.amount, give.unit, give.share, give.totals[plan.minimised]) for give in gives
    ), notes


def why_infeasible(space: FleetSpace, config: SolverConfig, interrupt: Interrupt) -> str:
    """One line that says which workload cannot be served, or what it would take to serve all."""
    problem = space.problem(space.kinds())
    if problem.unserved:
        reasons = [_why_unserved(space, problem, at) for at in problem.unserved]
        return "proven infeasible: " + "; ".join(reasons)
    gives, left = concessions(_planner(space, config, interrupt), {})
    if gives:
        ways = "; ".join(_way(give) for give in gives)
        return f"proven infeasible: the workloads cannot all be served within the limits; it would take one of: {ways}"
    if left:
        unknown = "what it would take was not found in time"
        return f"proven infeasible: the workloads cannot all be served within the limits ({unknown})"
    return "proven infeasible: no change of a single limit, stock or demand is enough to serve all workloads"


def _planner(space: FleetSpace, config: SolverConfig, interrupt: Interrupt) -> FleetPlanner:
    options = dict(config.options)
    if config.solver == "highs":
        # The least violation is small or none: bounds settle it, and searching for solutions is in the way.
        options["mip_heuristic_effort"] = 0.05
    limited = replace(config, relative_gap=0.0, accepted_gap=None, options=options)
    return FleetPlanner(space, SolverSession(limited, interrupt), deadline=time.perf_counter() + _LIMIT_S)


def _way(give: Give) -> str:
    change = "lowered" if give.requirement.startswith("demand") else "raised"
    share = "" if give.share is None else f" ({100.0 * give.share:.3g} %)"
    return f"the {give.requirement} {change} by {give.amount:.4g} {give.unit}{share}"


def _why_unserved(space: FleetSpace, problem: FleetProblem, workload: int) -> str:
    """What keeps every kind of one workload out: setups, service or stock."""
    menu, name = space.menus[workload], problem.workloads[workload].name
    if not menu.points and not any(shelf.count for shelf in menu.shelves):
        reasons = "; ".join(
            f"{pool}: {', '.join(f'{count} x {reason}' for reason, count in counter.most_common(2))}"
            for pool, counter in menu.rejected.items()
        )
        return f"{name} cannot be served: no setup of its model fits ({reasons or 'no pool may be used'})"
    kinds = kinds_at(menu, workload, space.resolved.pools)
    if not _serves(menu, kinds):
        return f"{name} cannot be served: {_missed_service(space, menu, workload)}"
    smallest = min(kind.gpus for kind in kinds)
    size = "1 GPU" if smallest == 1 else f"{smallest} GPUs"
    return f"{name} cannot be served: its smallest instance ({size}) does not fit on the nodes that its pools have"


def _serves(menu: Menu, kinds: Sequence[Kind]) -> bool:
    """Whether every phase of some mode has a kind for every class."""

    def served(phase: Phase) -> bool:
        return all(
            any(kind.phase is phase and kind.requests_per_s[each] > 0.0 for kind in kinds)
            for each in range(len(menu.classes))
        )

    return any(all(map(served, MODES[mode])) for mode in menu.workload.workload.serving)


def _missed_service(space: FleetSpace, menu: Menu, workload: int) -> str:
    """What is asked for, and what of it could be had if the other were kept."""
    asked = menu.workload.workload
    if not _reaches(space, menu, workload, {"min_speed": None, "max_time_to_first_token_s": None}):
        serving = " or ".join(asked.serving)
        return f"no setup of its design space can serve it {serving} (prefill needs attention_data_parallel 1)"
    ways = []
    slowest, longest = asked.min_speed, asked.max_time_to_first_token_s
    if slowest is not None:
        share = _least(lambda by: _reaches(space, menu, workload, {"min_speed": slowest / by}))
        ways.append(_reachable("min_speed", slowest, "tokens/s", None if share is None else 1.0 / share))
    if longest is not None:
        share = _least(lambda by: _reaches(space, menu, workload, {"max_time_to_first_token_s": longest * by}))
        ways.append(_reachable("max_time_to_first_token_s", longest, "s", share))
    return f"no setup on its pools meets {' and '.join(ways) or 'its requests'}"


def _reachable(name: str, asked: float, unit: str, factor: float | None) -> str:
    if factor is None:
        return f"{name} {asked:g}"
    return f"{name} {asked:g} ({asked * factor:.4g} {unit} could be met, all else kept)"


def _reaches(space: FleetSpace, menu: Menu, workload: int, changes: Mapping[str, float | None]) -> bool:
    relaxed = menu.workload.workload.model_copy(update=changes)
    other = replace(menu, workload=replace(menu.workload, workload=relaxed))
    return _serves(other, kinds_at(other, workload, space.resolved.pools))


def _least(reached: Callable[[float], bool]) -> float | None:
    """Least factor from 1 to a million at which something is reached, to 0.1 %, from above; ``None`` if none is."""
    below, above = 1.0, _LARGEST_FACTOR
    if not reached(above):
        return None
    while above / below > _FACTOR_PRECISION:
        middle = math.sqrt(below * above)
        below, above = (below, middle) if reached(middle) else (middle, above)
    return above
