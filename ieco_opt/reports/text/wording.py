"""Results in plain words: what tables and plots say alike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from ieco_opt.results.deployment import Deployment
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.guarantee import Guarantee
from ieco_opt.scenario import Fidelity, Scenario
from ieco_opt.scenario.solver_config import SolverConfig

_CLOSED = 1e-9

LAYOUT_WORDS = {"TP": "tensor", "DP": "attention data", "PP": "pipeline", "EP": "expert"}
"""What the letters of a layout stand for."""

_RESOURCES = {"kernel": "launch overhead", "arithmetic": "compute"}
"""Parts of the time whose fields carry another name than their word."""


class Configuration(Protocol):
    """Whatever has degrees of parallelism: a deployment, or an instance of a fleet."""

    @property
    def tensor_parallel(self) -> int | None: ...  # noqa: D102

    @property
    def attention_data_parallel(self) -> int | None: ...  # noqa: D102

    @property
    def pipeline_parallel(self) -> int | None: ...  # noqa: D102

    @property
    def expert_parallel(self) -> int | None: ...  # noqa: D102

    @property
    def tensor_layout(self) -> str | None: ...  # noqa: D102


class Statistics(Protocol):
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
    def statistics(self) -> Statistics: ...  # noqa: D102

    @property
    def solver(self) -> SolverConfig: ...  # noqa: D102

    @property
    def versions(self) -> dict[str, str]: ...  # noqa: D102


def layout(configuration: Configuration) -> str:
    """Degrees of parallelism in short, such as ``TP8 DP4 PP2 EP8 2d``."""
    return _layout(
        configuration.tensor_parallel,
        configuration.attention_data_parallel,
        configuration.pipeline_parallel,
        configuration.expert_parallel,
        configuration.tensor_layout,
    )


def draft_layout(deployment: Deployment) -> str:
    """Degrees of parallelism of the draft model in short."""
    return _layout(
        deployment.draft_tensor_parallel,
        deployment.draft_attention_data_parallel,
        deployment.draft_pipeline_parallel,
        deployment.draft_expert_parallel,
        deployment.draft_tensor_layout,
    )


def _layout(
    tensor: int | None, attention: int | None, pipeline: int | None, expert: int | None, layout: str | None
) -> str:
    parts = [f"TP{tensor}"]
    parts += [
        f"{letters}{degree}"
        for letters, degree in (("DP", attention), ("PP", pipeline), ("EP", expert))
        if degree is not None and degree > 1
    ]
    return " ".join(parts if layout == "1d" else [*parts, "2d"])


def letters_in(layouts: Sequence[str]) -> list[str]:
    """Say in a line what the letters of some layouts mean, as far as they occur; no line without layouts."""
    meanings = [f"{name} {word}" for name, word in LAYOUT_WORDS.items() if any(name in each for each in layouts)]
    return [f"layout: {', '.join(meanings)} parallel degree; degrees left out are 1"] if meanings else []


def configuration(deployment: Deployment) -> str:
    """What to launch, in a line."""
    parts = [f"{deployment.gpus} x {deployment.accelerator}"]
    if deployment.weights is not None:
        parts.append(deployment.weights)
    parts += [layout(deployment), f"batch {deployment.batch:,}"]
    if deployment.draft_tokens:
        parts.append(f"draft {deployment.draft_tokens}")
    return ", ".join(parts)


def worth(deployment: Deployment) -> str:
    """Speed and cost, in a line."""
    return (
        f"{deployment.speed_tokens_per_s:.4g} output tokens/s/user, "
        f"${deployment.cost_usd_per_mtok:.4g} per million output tokens"
    )


def resource(name: str) -> str:
    """Word for a part of the time, which may be the bottleneck."""
    return _RESOURCES.get(name, name)


def times(deployment: Deployment) -> dict[str, float]:
    """Seconds per output token of each part, by its word; memory and compute overlap."""
    return {
        "launch overhead": deployment.kernel_s,
        "network": deployment.network_s,
        "memory": deployment.memory_s,
        "compute": deployment.arithmetic_s,
    }


def counted(what: int | Sequence[object], noun: str) -> str:
    """A number and what it counts, in the plural where it is not one."""
    count = what if isinstance(what, int) else len(what)
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


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
    match frontier.guarantee:
        case Guarantee.COMPLETE:
            return complete(len(frontier), "deployment")
        case Guarantee.COVERED:
            return covered(len(frontier), "deployment", frontier.coverage or 0.0, "slower")
        case Guarantee.SAMPLED:
            return f"{counted(len(frontier), 'deployment')}, {_each(frontier)}; others may lie between them"
        case Guarantee.SINGLE:
            return answer(frontier)
        case Guarantee.PARTIAL:
            return partial(len(frontier), "deployment")


def complete(count: int, noun: str) -> str:
    """What a complete frontier of deployments or plans says of the others."""
    of_these = "by it" if count == 1 else "by one of these"
    every = f"every feasible {noun} is dominated or equalled {of_these}"
    return f"{counted(count, noun)}, the complete nondominated set: {every}"


def covered(count: int, noun: str, coverage: float, worse: str) -> str:
    """What a covering frontier says of the others, ``worse`` being what they may be besides cheaper."""
    these = "it" if count == 1 else "one of these"
    return (
        f"{counted(count, noun)}, a (1 + {coverage:g})-approximate Pareto set: for every feasible {noun} {these} "
        f"is at most {percent(coverage)} more expensive and {percent(coverage)} {worse}"
    )


def partial(count: int, noun: str) -> str:
    """What a search that was stopped says of the others."""
    return f"{counted(count, noun)} found before the search ended; better ones may exist"


def _each(frontier: Frontier) -> str:
    gap = max((item.gap for item in frontier.deployments), default=0.0)
    if all(item.status == "optimal" for item in frontier.deployments):
        return "each proven to be nondominated"
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


def proof(proven: Sequence[tuple[str, float]]) -> str:
    """How many points are proven, from the status and gap of each, and how far the others may be from the best."""
    open_gaps = [gap for status, gap in proven if status != "optimal"]
    if not proven:
        return "nothing found"
    count = f"{len(proven) - len(open_gaps)} of {len(proven)} proven optimal"
    if not open_gaps:
        return count
    gap = max(open_gaps)
    return f"{count}, the others " + (f"within {percent(gap)}" if math.isfinite(gap) else "without a bound")


def statistics(result: Searched) -> str:
    """What the search took, and which solver ran."""
    return f"{counted(result.statistics.solves, 'solve')} in {result.statistics.seconds:.1f} s with {solver(result)}"


def solver(result: Searched) -> str:
    """Name and, where known, version of the solver."""
    if result.solver.solver == "highs" and "highspy" in result.versions:
        return f"HiGHS {result.versions['highspy']}"
    return result.solver.solver


def percent(share: float) -> str:
    """Write a share in percent with the digits that matter."""
    # Less than the tolerance at which a gap counts as closed is rounding.
    return f"{100.0 * share:.3g} %" if share > _CLOSED else "0 %"
