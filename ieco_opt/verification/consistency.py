"""What can be checked of deployments without the performance model: arithmetic, order, bounds, prices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ieco_opt.performance.economics import TOKENS_PER_MTOK
from ieco_opt.results.comparison import Comparison
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.explanation import Explanation
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.guarantee import AnswerStatus, GuaranteeKind, Status
from ieco_opt.scenario import ResolvedScenario, resolve

TOLERANCE = 1e-9
"""Relative difference between a saved figure and the same figure computed again."""

CLOSED = 1e-6
"""Relative gap up to which a point may be called optimal."""


@dataclass(slots=True)
class Verification:
    """What a check found.

    Attributes
    ----------
    problems
        One line for each thing that is wrong.
    unchecked
        One line for each thing that could not be checked.
    deployments, neighbours, plans, rows, nodes
        What was looked at.
    """

    deployments: int = 0
    neighbours: int = 0
    plans: int = 0
    rows: int = 0
    nodes: int = 0
    problems: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def check_consistency(result: Frontier | Explanation | Comparison, report: Verification) -> None:
    """Check what deployments say of each other and of themselves."""
    prices = _prices(resolve(result.scenario))
    for index, deployment in enumerate(result.deployments):
        report.deployments += 1
        where = f"deployments[{index}]"
        report.problems += [f"{where}: {problem}" for problem in _own_contradictions(deployment, prices)]
    report.problems += _against_each_other(result.deployments)
    report.problems += _of_the_answer(result)


def _prices(resolved: ResolvedScenario) -> dict[str, float]:
    return {each.name: each.usd_per_gpu_hour or 0.0 for each in resolved.accelerators}


def _own_contradictions(deployment: Deployment, prices: dict[str, float]) -> Iterator[str]:
    """Figures that follow from other figures of the same deployment, and do not."""
    speed, throughput = 1.0 / deployment.latency_s, deployment.batch / deployment.latency_s
    price = prices.get(deployment.accelerator)
    expected: dict[str, float] = {
        "speed_tokens_per_s": speed,
        "throughput_tokens_per_s": throughput,
        "gpus": float(deployment.parallelism.gpus),
        "gap": deployment.bound / speed - 1.0,
    }
    if price is not None:
        expected["cost_usd_per_mtok"] = TOKENS_PER_MTOK * price / 3600.0 * deployment.gpus / throughput
    for name, value in expected.items():
        found = float(getattr(deployment, name))
        slack = TOLERANCE if name == "gap" else TOLERANCE * max(abs(value), 1e-300)
        if not (found == value or abs(found - value) <= slack):
            yield f"{name}: found {found:.12g}, the other figures give {value:.12g}"
    if deployment.bound < deployment.speed_tokens_per_s * (1.0 - TOLERANCE):
        yield f"bound: found {deployment.bound:.12g}, below the speed itself"
    if deployment.status is Status.OPTIMAL and deployment.gap > CLOSED:
        yield f"status: found 'optimal' with a gap of {deployment.gap:.3g}, expected at most {CLOSED:g}"


def _against_each_other(deployments: tuple[Deployment, ...]) -> Iterator[str]:
    """No deployment dominates another one, none is there twice, and they go from fast to slow."""
    for index, one in enumerate(deployments):
        if any(dominates(other.latency_s, other.cost_usd_per_mtok, one) for other in deployments):
            yield f"deployments[{index}]: is dominated by another deployment of the result"
        if index and one.latency_s <= deployments[index - 1].latency_s:
            yield f"deployments[{index}]: is not slower than the one before it"


def dominates(latency_s: float, cost: float, one: Deployment) -> bool:
    """Whether a latency and a cost are no worse than those of a deployment, and one of them better."""
    slack = 1.0 + TOLERANCE
    no_worse = latency_s <= one.latency_s * slack and cost <= one.cost_usd_per_mtok * slack
    better = latency_s * slack < one.latency_s or cost * slack < one.cost_usd_per_mtok
    return no_worse and better


def _of_the_answer(result: Frontier | Explanation | Comparison) -> Iterator[str]:
    """Number of deployments, status and guarantee against each other."""
    guarantee, count = result.guarantee, len(result.deployments)
    if count == 0 and guarantee.kind not in (GuaranteeKind.PARTIAL, GuaranteeKind.NONE):
        yield f"deployments: found none, expected at least one with the guarantee {guarantee.kind}"
    if count > 1 and guarantee.kind is GuaranteeKind.SINGLE:
        yield f"deployments: found {count}, expected one with the guarantee {guarantee.kind}"
    if guarantee.stopped is not None:
        expected = AnswerStatus.STOPPED
    elif count == 0:
        expected = AnswerStatus.INFEASIBLE
    else:
        proven = all(each.status is Status.OPTIMAL for each in result.deployments)
        expected = AnswerStatus.OPTIMAL if proven else AnswerStatus.FEASIBLE
    if result.status is not expected:
        yield f"status: found {result.status}, its deployments and its guarantee make it {expected}"
