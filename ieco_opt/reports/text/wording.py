"""Results in plain words: what tables and plots say alike."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol

from ieco_opt.results.deployment import Deployment
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.guarantee import Guarantee
from ieco_opt.scenario import Fidelity, Scenario
from ieco_opt.scenario.solver_config import SolverConfig

_CLOSED = 1e-9

LAYOUT_WORDS = {"TP": "tensor", "PP": "pipeline", "EP": "expert", "DP": "attention data"}
"""What the letters of a layout stand for; each degree is in ranks, and those of 1 are left out."""


class Setup(Protocol):
    """Whatever has degrees of parallelism: a deployment, or an instance of a fleet."""

    @property
    def tensor_parallel(self) -> int | None: ...  # noqa: D102

    @property
    def pipeline_parallel(self) -> int | None: ...  # noqa: D102

    @property
    def expert_parallel(self) -> int | None: ...  # noqa: D102

    @property
    def attention_data_parallel(self) -> int | None: ...  # noqa: D102

    @property
    def tensor_layout(self) -> str | None: ...  # noqa: D102


class Effort(Protocol):
    """What a search took."""

    @property
    def solves(self) -> int: ...  # noqa: D102

    @property
    def seconds(self) -> float: ...  # noqa: D102


class Searched(Protocol):
    """Whatever a search returns: a frontier of deployments, or plans of a fleet."""

    @property
    def stopped(self) -> str | None: ...  # noqa: D102

    @property
    def statistics(self) -> Effort: ...  # noqa: D102

    @property
    def solver(self) -> SolverConfig: ...  # noqa: D102

    @property
    def versions(self) -> dict[str, str]: ...  # noqa: D102


def layout(setup: Setup) -> str:
    """Degrees of parallelism in short, such as ``TP8 PP2 EP8 DP4 2d``."""
    return _layout(
        setup.tensor_parallel,
        setup.pipeline_parallel,
        setup.expert_parallel,
        setup.attention_data_parallel,
        setup.tensor_layout,
    )


def draft_layout(deployment: Deployment) -> str:
    """Degrees of parallelism of the draft model in short."""
    return _layout(
        deployment.draft_tensor_parallel,
        deployment.draft_pipeline_parallel,
        deployment.draft_expert_parallel,
        deployment.draft_attention_data_parallel,
        deployment.draft_tensor_layout,
    )


def _layout(
    tensor: int | None, pipeline: int | None, expert: int | None, attention: int | None, layout: str | None
) -> str:
    parts = [f"TP{tensor}"]
    parts += [
        f"{letters}{degree}"
        for letters, degree in (("PP", pipeline), ("EP", expert), ("DP", attention))
        if degree is not None and degree > 1
    ]
    return " ".join(parts if layout == "1d" else [*parts, "2d"])


def name_of(reference: str | Mapping[str, object]) -> str:
    """Name of a model or an accelerator that a scenario names or describes."""
    return reference if isinstance(reference, str) else str(reference.get("name", "unnamed"))


def subject(frontier: Frontier) -> str:
    """Model, precision, accelerator and workload; what varies among the deployments is left to them."""
    scenario = frontier.scenario
    weights = {item.weights for item in frontier.deployments if item.weights is not None}
    accelerators = {item.accelerator for item in frontier.deployments} or set(map(name_of, scenario.accelerators))
    precision = f" in {weights.pop()}" if len(weights) == 1 else ""
    where = f" on {accelerators.pop()}" if len(accelerators) == 1 else ""
    return f"{name_of(scenario.model)}{precision}{where}, {workload(scenario)}"


def workload(scenario: Scenario) -> str:
    """Sizes of the requests, as far as the fidelity uses them."""
    context = f"{scenario.workload.context_tokens:,} tokens of context"
    if scenario.fidelity is Fidelity.PAPER:
        return f"{context} (fidelity paper)"
    return f"{context} and {scenario.workload.output_tokens:,} of output"


def guarantee(frontier: Frontier) -> str:
    """What is proven of the deployments that a result does not list."""
    count = f"{len(frontier)} deployment{'' if len(frontier) == 1 else 's'}"
    these = "it" if len(frontier) == 1 else "one of these"
    match frontier.guarantee:
        case Guarantee.COMPLETE:
            return f"{count}, the complete frontier: {these} matches or beats every other feasible deployment"
        case Guarantee.COVERED:
            most = percent(frontier.coverage or 0.0)
            return f"{count}; for every feasible deployment {these} is at most {most} more expensive and {most} slower"
        case Guarantee.SAMPLED:
            return f"{count}, {_each(frontier)}; others may lie between them"
        case Guarantee.SINGLE:
            return answer(frontier)
        case Guarantee.PARTIAL:
            return f"{count} found before the search ended; better ones may exist"


def _each(frontier: Frontier) -> str:
    gap = max((item.gap for item in frontier.deployments), default=0.0)
    if all(item.status == "optimal" for item in frontier.deployments):
        return "each proven to be on the frontier"
    return f"each at most {percent(gap)} slower than the fastest at its cost"


def answer(frontier: Frontier) -> str:
    """Name what the one deployment was asked to be."""
    if frontier.question == "preferred" and frontier.preference is not None:
        name = f"the preferred deployment (greatest speed^{frontier.preference:g} / cost)"
    else:
        name = f"the {frontier.question} deployment"
    return name if frontier.stopped is None else f"{name} found so far"


def warning(result: Searched) -> str | None:
    """What must be read first where a search was stopped."""
    if result.stopped is None:
        return None
    return f"PARTIAL RESULT, NOT PROVEN: the search was stopped ({result.stopped})"


def proof(frontier: Frontier) -> str:
    """How many of the deployments are proven, and how far the others may be from the best."""
    total = len(frontier)
    if total == 0:
        return "nothing found"
    proven = sum(item.status == "optimal" for item in frontier.deployments)
    if proven == total:
        return f"{proven} of {total} proven optimal"
    gap = max(item.gap for item in frontier.deployments if item.status != "optimal")
    rest = f"within {percent(gap)}" if math.isfinite(gap) else "without a bound"
    return f"{proven} of {total} proven optimal, the others {rest}"


def effort(result: Searched) -> str:
    """What the search took, and which solver ran."""
    statistics = result.statistics
    solves = f"{statistics.solves:,} solve{'' if statistics.solves == 1 else 's'}"
    return f"{solves} in {statistics.seconds:.1f} s with {solver(result)}"


def solver(result: Searched) -> str:
    """Name and, where known, version of the solver."""
    if result.solver.solver == "highs" and "highspy" in result.versions:
        return f"HiGHS {result.versions['highspy']}"
    return result.solver.solver


def percent(share: float) -> str:
    """Write a share in percent with the digits that matter."""
    # Less than the tolerance at which a gap counts as closed is rounding.
    return f"{100.0 * share:.3g} %" if share > _CLOSED else "0 %"
