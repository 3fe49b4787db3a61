"""What can be checked of answers without the performance model: arithmetic, order, gaps, status, guarantee."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ieco_opt.catalog.types import Accelerator
from ieco_opt.pareto.describe import taken_by
from ieco_opt.performance.economics import TOKENS_PER_MTOK, usd_per_second
from ieco_opt.performance.energy import Measure, kg_per_joule, per_mtok, usd_per_joule
from ieco_opt.results.agreement import EXACT, differences, exceeds, same, shown
from ieco_opt.results.answer import Answer, status_of
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.guarantee import CLOSED, GuaranteeKind, Status, neighbours
from ieco_opt.results.plan import FleetPlan, FleetResult
from ieco_opt.scenario import ResolvedScenario
from ieco_opt.verification.report import Verification

_LEAST = {GuaranteeKind.PARTIAL: 0, GuaranteeKind.NONE: 0}
_MOST = {GuaranteeKind.SINGLE: 1, GuaranteeKind.NONE: 0}
"""Points that go with a guarantee: by default at least one."""


def of_the_answer(result: Answer, points: Sequence[Deployment | FleetPlan]) -> Iterator[str]:
    """Number of points, their order of status, and what is guaranteed of all of them together."""
    kind, count = result.guarantee.kind, len(points)
    name = _name_of(result)
    if count < _LEAST.get(kind, 1):
        yield f"{name}: found none, expected at least one with the guarantee {kind}"
    elif count > _MOST.get(kind, count):
        yield f"{name}: found {count}, expected at most {_MOST[kind]} with the guarantee {kind}"
    expected = status_of(result.guarantee, (each.status for each in points))
    if result.status is not expected:
        yield f"status: found {result.status}, its {name} and its guarantee make it {expected}"
    unsure = result.stopped is not None
    if result.question.objective == "preferred":
        # The gap is that of one step; another step may have been left with a wider one.
        unsure |= result.solver.largest_gap > CLOSED
    for at, each in enumerate(points):
        yield from (f"{name}[{at}]: {problem}" for problem in of_the_gap(each, unsure=unsure))


def _name_of(result: Answer) -> str:
    return "plans" if isinstance(result, FleetResult) else "deployments"


def of_the_neighbours(result: Answer, points: Sequence[tuple[float, float]], report: Verification) -> Iterator[str]:
    """What is said to be known between neighbours, against how far they are apart."""
    guarantee = result.guarantee
    if guarantee.between is None:
        report.unchecked.append("whether points were taken out of the list (guarantee.between is null)")
        return
    expected = neighbours(guarantee, points).between or ()
    if len(guarantee.between) != len(expected):
        listed = f"{len(points)} {_name_of(result)}"
        yield f"guarantee.between: found {len(guarantee.between)} entries, expected {len(expected)} for {listed}"
        return
    for at, (found, wanted) in enumerate(zip(guarantee.between, expected, strict=True)):
        if found is not wanted:
            yield f"guarantee.between[{at}]: found {found}, expected {wanted}"


def of_the_gap(point: Deployment | FleetPlan, *, unsure: bool) -> Iterator[str]:
    """Whether a point is called optimal just where its gap is closed; where the search is ``unsure``, at most there."""
    closed = point.gap <= CLOSED
    if point.status is Status.OPTIMAL and not closed:
        yield f"status: found optimal with a gap of {point.gap:.3g}, expected at most {CLOSED:g}"
    if point.status is Status.FEASIBLE and closed and not unsure:
        yield f"status: found feasible with a gap of {point.gap:.3g}, expected optimal"


def of_each_deployment(
    deployments: Sequence[Deployment], resolved: ResolvedScenario, measure: Measure = Measure.COST
) -> Iterator[str]:
    """Figures that follow from other figures of the same deployment, and do not; caps are of a measure."""
    accelerators = {each.name: each for each in resolved.accelerators}
    for at, deployment in enumerate(deployments):
        for problem in own_contradictions(deployment, accelerators, measure):
            yield f"deployments[{at}]: {problem}"


def own_contradictions(
    deployment: Deployment, accelerators: Mapping[str, Accelerator], measure: Measure = Measure.COST
) -> Iterator[str]:
    """Figures of one deployment that do not follow from its others."""
    speed, throughput = 1.0 / deployment.latency_s, deployment.batch / deployment.latency_s
    accelerator = accelerators.get(deployment.accelerator)
    expected: dict[str, float | None] = {
        "speed_tokens_per_s": speed,
        "throughput_tokens_per_s": throughput,
        "gpus": deployment.parallelism.gpus,
    }
    if accelerator is not None:
        rent = float(usd_per_second(deployment.gpus, accelerator.usd_per_gpu_hour or 0.0))  # type: ignore[arg-type]
        expected["cost_usd_per_mtok"] = TOKENS_PER_MTOK * rent / throughput + (deployment.energy_usd_per_mtok or 0.0)
    joules = deployment.energy_j_per_token
    # Rows of earlier performance models say none.
    if accelerator is not None and joules is not None:
        expected["energy_usd_per_mtok"] = per_mtok(joules, usd_per_joule(accelerator))
        expected["carbon_kg_per_mtok"] = per_mtok(joules, kg_per_joule(accelerator))
    found = {name: getattr(deployment, name) for name in expected}
    for each in differences(found, expected):
        yield f"{each.place}: found {shown(each.found)}, the other figures give {shown(each.expected)}"
    gap = deployment.bound / speed - 1.0
    if not same(deployment.gap, gap, near_zero=True):
        yield f"gap: found {shown(deployment.gap)}, bound and speed give {shown(gap)}"
    if exceeds(deployment.speed_tokens_per_s, deployment.bound):
        yield f"bound: found {deployment.bound:.12g}, below the speed itself"
    if deployment.cost_cap is not None and exceeds(taken_by(deployment, measure), deployment.cost_cap):
        yield f"cost_cap: found {deployment.cost_cap:.12g}, below the {measure} itself"


def against_each_other(deployments: Sequence[Deployment]) -> Iterator[str]:
    """No deployment dominates another one, none is there twice, and they go from fast to slow."""
    for at, one in enumerate(deployments):
        if any(dominates(other.latency_s, other.cost_usd_per_mtok, one) for other in deployments):
            yield f"deployments[{at}]: is dominated by another deployment of the result"
        if at and one.latency_s <= deployments[at - 1].latency_s:
            yield f"deployments[{at}]: is not slower than the one before it"


def dominates(latency_s: float, cost: float, one: Deployment) -> bool:
    """Whether a latency and a cost are no worse than those of a deployment, and one of them better."""
    slack = 1.0 + EXACT
    no_worse = latency_s <= one.latency_s * slack and cost <= one.cost_usd_per_mtok * slack
    better = latency_s * slack < one.latency_s or cost * slack < one.cost_usd_per_mtok
    return no_worse and better
