"""Plans of a fleet in plain words: what tables and pictures say alike."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ieco_opt.reports.text import wording
from ieco_opt.results.guarantee import GuaranteeKind
from ieco_opt.results.plan import FleetPlan, FleetResult, Level

UNITS = {
    "cost": "$/h",
    "power": "kW",
    "gpus": "GPUs",
    "energy": "kW",
    "carbon": "kg/h",
    "throughput": "requests/s",
}
"""What each objective of a plan is counted in."""

SERVING = {"colocated": "together", "disaggregated": "split"}
"""What it is called whether prefill and decode share instances."""

BINDS = 0.985
"""Share of a limit from which on it is said to bind, on the terminal and on the page."""


def objective(result: FleetResult) -> str:
    """What the one plan of a result minimises."""
    assert result.question.objective is not None
    return result.question.objective


def unit(result: FleetResult) -> str:
    """What the objective is counted in."""
    return UNITS[objective(result)]


def against(result: FleetResult) -> str:
    """What a frontier trades cost against: ``speed``, ``power``, ``gpus`` or ``throughput``."""
    assert result.question.against is not None
    return result.question.against


def verdict(result: FleetResult, plan: FleetPlan) -> str:
    """What was asked for, and what is proven of the answer."""
    subject = f"{wording.counted(plan.workloads, 'workload')} on {wording.counted(plan.pools, 'pool')}"
    return f"{_answer(result, plan)} for {subject}; {_proof(result, plan)}"


def totals(result: FleetResult, plan: FleetPlan) -> str:
    """Hourly cost, GPUs and power of a plan; where throughput is sought, what it serves comes first."""
    power = "" if plan.power_kw is None else f", {plain(plan.power_kw)} kW"
    much = f"{served(result, plan)}, " if "throughput" in (result.question.objective, result.question.against) else ""
    return f"{much}${plan.usd_per_hour:,.2f}/h, {wording.counted(plan.gpus, 'GPU')}{power}"


def energy(result: FleetResult, plan: FleetPlan) -> list[str]:
    """The energy of a plan in a line, where something is said or asked of it."""
    if not energy_matters(result) or plan.energy_kw is None:
        return []
    paid = "" if plan.energy_usd_per_hour is None else f", ${plan.energy_usd_per_hour:,.2f}/h of the cost"
    carbon = "" if plan.carbon_kg_per_hour is None else f", {plain(plan.carbon_kg_per_hour)} kg CO2/h"
    return [f"energy: {plain(plan.energy_kw)} kW on average{paid}{carbon}"]


def energy_matters(result: FleetResult) -> bool:
    """Whether energy is worth a column: its price or carbon is given, or a limit or the objective is about it."""
    limits = result.scenario.limits
    asked = limits.max_energy_kw, limits.max_carbon_kg_per_hour
    pools = [pool for plan in result.plans for pool in plan.pools]
    given = any((pool.energy_usd_per_hour, pool.carbon_kg_per_hour) != (None, None) for pool in pools)
    return given or asked != (None, None) or result.question.objective in ("energy", "carbon")


def choice(result: FleetResult, plan: FleetPlan) -> list[str]:
    """What chose the plan among equally good ones, in a line, and how far that is proven; no line where nothing did."""
    if not plan.levels:
        return []
    same = {
        "cost": "at this cost",
        "power": "with this power",
        "gpus": "with so few GPUs",
        "energy": "with so little energy",
        "carbon": "with so little carbon",
        "throughput": "that serve as much",
    }[objective(result)]
    steps = ", then ".join(_step(result, level) for level in plan.levels)
    open_levels = [_open(level) for level in plan.levels if level.status != "optimal"]
    if not open_levels:
        return [f"of all plans {same} {steps}; each proven"]
    return [f"of the plans {same} that were found {steps}; a better one may exist in: {', '.join(open_levels)}"]


def _step(result: FleetResult, level: Level) -> str:
    speeds = sum(workload.min_speed is not None for workload in result.scenario.workloads)
    match level.criterion:
        case "cost":
            return f"the cheapest (${level.value:,.2f}/h)"
        case "speed_factor":
            return f"the fastest ({plain(level.value, 3)} times the least speed{'s' if speeds > 1 else ''})"
        case "slack":
            return f"the one with most slack ({wording.percent(level.value)})"
        case "gpus":
            return f"fewest GPUs ({level.value:,.0f})"
        case _:
            return f"fewest instances ({level.value:,.0f})"


def _open(level: Level) -> str:
    """A criterion that is not proven, and what is known of it."""
    name = {"speed_factor": "speed", "gpus": "GPUs"}.get(level.criterion, level.criterion)
    if level.bound is None:
        return f"{name} (not examined in time)"
    bounds = {
        "cost": f"at least ${level.bound:,.2f}/h",
        "speed_factor": f"at most {plain(level.bound, 3)} times",
        "slack": f"at most {wording.percent(level.bound)}",
    }
    return f"{name} ({bounds.get(level.criterion, f'at least {plain(level.bound)}')})"


def trade(result: FleetResult) -> str:
    """What a frontier trades."""
    words = {"speed": "a common factor on all speeds", "power": "power", "gpus": "GPUs"}
    words |= {"throughput": "requests/s" if _alone(result) else "a common factor on all demands"}
    return f"least cost against {words[against(result)]}"


def guarantee(result: FleetResult) -> str:
    """What is proven of the plans that a frontier does not list."""
    match result.guarantee.kind:
        case GuaranteeKind.COMPLETE:
            return wording.complete(len(result), "plan")
        case GuaranteeKind.COVERED:
            worse = {"speed": "slower", "power": "higher in power", "gpus": "higher in GPUs"}
            worse |= {"throughput": "lower in throughput"}
            return wording.covered(len(result), "plan", result.coverage or 0.0, worse[against(result)])
        case _:
            return wording.partial(len(result), "plan")


def statistics(result: FleetResult) -> str:
    """What was priced, what was solved, and what it took."""
    done = result.statistics
    return (
        f"{wording.counted(done.columns, 'instance type')} priced, {done.columns_in_program:,} in the program "
        f"({wording.counted(done.variables, 'variable')}, {wording.counted(done.constraints, 'constraint')}); "
        f"{wording.statistics(result)}"
    )


def plain(value: float, significant: int = 4) -> str:
    """Write a number with the digits that matter and without an exponent."""
    digits = significant - 1 - math.floor(math.log10(abs(value))) if value else 0
    return f"{value:,.{max(digits, 0)}f}".rstrip("0").rstrip(".") if digits > 0 else f"{value:,.0f}"


def _answer(result: FleetResult, plan: FleetPlan) -> str:
    asked = {
        "cost": "least cost",
        "power": "least power",
        "gpus": "fewest GPUs",
        "energy": "least energy",
        "carbon": "least carbon",
        "throughput": "most requests/s" if _alone(result) else "greatest multiple of all demands",
    }[objective(result)]
    return asked if result.stopped is None or plan.status == "optimal" else f"{asked} found so far"


def _proof(result: FleetResult, plan: FleetPlan) -> str:
    """What is proven of the one plan."""
    if not math.isfinite(plan.bound):
        return "not proven: no bound was found, a better plan may exist"
    bound = f"bound {_bound(result, plan)}, gap {wording.percent(plan.gap)}"
    if plan.status == "optimal":
        best = {
            "cost": "no plan is cheaper",
            "power": "no plan draws less",
            "gpus": "no plan allocates fewer",
            "energy": "no plan takes less",
            "carbon": "no plan emits less",
            "throughput": "no plan serves more",
        }
        return f"proven optimal: {best[objective(result)]} ({bound})"
    if result.stopped is not None:
        return f"not proven: a plan better by up to {wording.percent(plan.gap)} may exist ({bound})"
    return f"proven to within {wording.percent(plan.gap)} of the optimum ({bound})"


def served(result: FleetResult, plan: FleetPlan, *, bound: bool = False) -> str:
    """What a plan serves, or can be served at the most: requests/s of the one workload, or a multiple of all."""
    factor = plan.bound if bound else plan.demand_factor
    if not _alone(result):
        return f"{plain(factor)} times the demand"
    return f"{plain(factor * result.scenario.workloads[0].demand)} requests/s"


def served_by(result: FleetResult, plans: Sequence[FleetPlan]) -> list[float]:
    """What plans serve: requests/s of the one workload, or multiples of all demands."""
    unit = result.scenario.workloads[0].demand if _alone(result) else 1.0
    return [plan.demand_factor * unit for plan in plans]


def served_heading(result: FleetResult) -> tuple[str, str]:
    """What that is called, and its unit."""
    return ("requests", "/s") if _alone(result) else ("demand", "factor")


def _alone(result: FleetResult) -> bool:
    return len(result.scenario.workloads) == 1


def _bound(result: FleetResult, plan: FleetPlan) -> str:
    """The bound of the objective."""
    if objective(result) == "throughput":
        return served(result, plan, bound=True)
    return amount(plan.bound, unit(result))


def amount(value: float, unit: str) -> str:
    """A value in the unit of an objective."""
    return f"${value:,.2f}/h" if unit == "$/h" else f"{plain(value)} {unit}"
