"""Results in plain words: what tables and plots say alike."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ieco_opt.catalog.types import DraftMode
from ieco_opt.engines.spread import ExchangeKind
from ieco_opt.errors import printable
from ieco_opt.results.answer import Answer
from ieco_opt.results.deployment import RESOURCES, Deployment
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.guarantee import GuaranteeKind
from ieco_opt.results.parallelism import Parallelism
from ieco_opt.scenario import Fidelity, Fleet, Scenario
from ieco_opt.scenario.margin import limits_hold
from ieco_opt.scenario.objective import says_objective

if TYPE_CHECKING:
    from ieco_opt.results.alternatives import Alternatives
    from ieco_opt.results.comparison import Comparison
    from ieco_opt.results.instances import InstanceRow
    from ieco_opt.results.plan import FleetResult

_CLOSED = 1e-9

_BEST_PLANS = {
    "cost": "the least cost is",
    "power": "the least power is",
    "gpus": "the fewest GPUs are",
    "energy": "the least energy is",
    "carbon": "the least carbon is",
    "throughput": "the most requests are",
}
"""What is proven of a plan that is optimal, by its objective."""

LAYOUT_WORDS = {"TP": "tensor", "DP": "attention data", "PP": "pipeline", "EP": "expert"}
"""What the letters of a layout stand for."""


DRAFTS: dict[DraftMode, str] = {"draft_model": "draft model", "mtp": "MTP layer", "eagle3": "EAGLE-3 head"}
"""What proposes tokens."""

EXCHANGE_WORDS: dict[ExchangeKind, str] = {
    "none": "none, every rank has every token",
    "all_gather": "all-gather",
    "all_to_all": "all-to-all",
}
"""What brings tokens to their experts."""


def letters_in(layouts: Sequence[str]) -> list[str]:
    """Say in a line what the letters of some layouts mean, as far as they occur; no line without layouts."""
    meanings = [f"{name} {word}" for name, word in LAYOUT_WORDS.items() if any(name in each for each in layouts)]
    return [f"layout: {', '.join(meanings)} parallel degree; degrees left out are 1"] if meanings else []


def margin(scenario: Scenario | Fleet) -> list[str]:
    """Say in a line with what error of the model the limits hold; no line where with none."""
    held = limits_hold(scenario)
    return [] if held is None else [held]


def configuration(deployment: Deployment) -> str:
    """What to launch, in a line."""
    parts = [f"{deployment.gpus} x {deployment.accelerator}"]
    if deployment.weights is not None:
        parts.append(deployment.weights)
    if deployment.kv_cache not in (None, "bf16"):
        parts.append(f"cache {deployment.kv_cache}")
    if deployment.engine is not None:
        parts.append(deployment.engine)
    parts.append(deployment.parallelism.short())
    if deployment.exchange not in (None, "none"):
        parts.append(EXCHANGE_WORDS[deployment.exchange])
    parts.append(f"batch {deployment.batch:,}")
    if deployment.draft_tokens:
        parts.append(f"verify width {deployment.draft_tokens}")
    return ", ".join(parts)


def worth(deployment: Deployment) -> str:
    """Speed and cost, in a line."""
    return (
        f"{deployment.speed_tokens_per_s:.4g} output tokens/s/user, "
        f"${deployment.cost_usd_per_mtok:.4g} per million output tokens"
    )


def expert_degree(held: Parallelism) -> str:
    """The expert-parallel degree, and how many experts there are twice."""
    return f"{held.expert}, {held.redundant_experts} redundant experts" if held.redundant_experts else str(held.expert)


def listed_memory(deployment: Deployment) -> str:
    """What the most loaded GPU holds in 1e9 bytes, in a line; nothing where an older result does not say it."""
    parts = {
        "weights": deployment.weights_gb,
        "cache": deployment.cache_gb,
        "draft": deployment.draft_gb,
        "reserve": deployment.reserve_gb,
        "free": deployment.free_gb,
    }
    return ", ".join(
        f"{name} {gigabytes:.3g}"
        for name, gigabytes in parts.items()
        if gigabytes is not None and (gigabytes > 0.0 or name == "free")
    )


def trust(rows: Sequence[Deployment | InstanceRow]) -> list[str]:
    """Say in a line which constants times are priced with, and how far they can be trusted; nothing without times."""
    errors = {row.profile: row.expected_error for row in rows if row.profile is not None}
    if not errors:
        return []
    profiles = ", ".join(f"{name} (expected error {100.0 * (error or 0.0):.0f} %)" for name, error in errors.items())
    inside = [row.in_range for row in rows if row.profile is not None]
    outside = inside.count(False)
    if 0 < outside < len(inside):
        where = f"{outside:,} of {len(inside):,} rows outside"
    else:
        where = f"{'all ' if len(inside) > 1 else ''}{'outside' if outside else 'in'}"
    return [f"profile {profiles}; {where} the validated range"]


def times(deployment: Deployment) -> dict[str, float]:
    """Seconds per output token of each part, by its word; memory and compute overlap."""
    return {word: float(getattr(deployment, field)) for field, word in RESOURCES.items()}


def counted(what: int | Sequence[object], noun: str) -> str:
    """A number and what it counts, in the plural where it is not one."""
    count = what if isinstance(what, int) else len(what)
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def name_of(reference: str | Mapping[str, object]) -> str:
    """Name of a model or an accelerator that a scenario names or describes."""
    return reference if isinstance(reference, str) else str(reference.get("name", "unnamed"))


def subject(frontier: Frontier | Comparison) -> str:
    """Model, precision, accelerator, engine and workload; what varies among the deployments is left to them."""
    scenario = frontier.scenario
    weights = {item.weights for item in frontier.deployments if item.weights is not None}
    accelerators = {item.accelerator for item in frontier.deployments} or set(map(name_of, scenario.accelerators))
    caches = {item.kv_cache for item in frontier.deployments}
    engines = {item.engine for item in frontier.deployments}
    precision = f" in {weights.pop()}" if len(weights) == 1 else ""
    precision += f" with a cache in {caches.pop()}" if len(caches) == 1 and caches & {"fp8"} else ""
    where = f" on {accelerators.pop()}" if len(accelerators) == 1 else ""
    where += f" with {engines.pop()}" if len(engines) == 1 and None not in engines else ""
    return f"{name_of(scenario.model)}{precision}{where}, {workload(scenario)}"


def workload(scenario: Scenario) -> str:
    """Sizes of the requests, as far as the fidelity uses them."""
    sizes = scenario.workload
    if sizes.prompt_tokens is not None:
        found = f" ({percent(sizes.prefix_hit)} of it found)" if sizes.prefix_hit else ""
        rate = "" if sizes.requests_per_s is None else f", at least {sizes.requests_per_s:g} requests/s"
        return f"{sizes.prompt_tokens:,} tokens of prompt{found} and {sizes.output_tokens:,} of output{rate}"
    context = f"{sizes.first_tokens:,} tokens of context"
    if scenario.fidelity is Fidelity.PAPER:
        return f"{context} (fidelity paper)"
    return f"{context} and {scenario.workload.output_tokens:,} of output"


def decoding_alone(scenario: Scenario) -> list[str]:
    """Say in a line that nobody pays for prompts, where that is so."""
    if scenario.workload.prompt_tokens is not None:
        return []
    if scenario.fidelity is Fidelity.PAPER:
        return ["decoding alone is priced (fidelity paper)"]
    return ["decoding alone is priced (context_tokens); what prompts add is not known: give workload.prompt_tokens"]


def chosen_objective(frontier: Frontier) -> list[str]:
    """Say in a line which objective was taken, and why, where none was given."""
    return [f"{note} (no --objective)" for note in frontier.notes if says_objective(note)]


def guarantee(frontier: Frontier | Comparison) -> str:
    """What is proven of the deployments that a result does not list."""
    count = len(frontier.deployments)
    match frontier.guarantee.kind:
        case GuaranteeKind.COMPLETE:
            return complete(count, "deployment")
        case GuaranteeKind.COVERED:
            return covered(count, "deployment", frontier.coverage or 0.0, "slower")
        case GuaranteeKind.SAMPLED:
            return f"{counted(count, 'deployment')}, {_each(frontier)}; others may lie between them"
        case GuaranteeKind.PARTIAL:
            return partial(count, "deployment")
        case _:
            return answer(frontier)


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


def _each(frontier: Frontier | Comparison) -> str:
    gap = max((item.gap for item in frontier.deployments), default=0.0)
    if all(item.status == "optimal" for item in frontier.deployments):
        return "each proven to be nondominated"
    return f"each at most {percent(gap)} slower than the fastest at its cost"


def answer(frontier: Answer) -> str:
    """Name what the one deployment was asked to be."""
    asked = frontier.question
    power = f" (greatest speed^{asked.preference:g} / cost)" if asked.preference is not None else ""
    name = f"the {objective(asked.objective)} deployment{power}"
    return name if frontier.stopped is None else f"{name} found so far"


def objective(name: str | None) -> str:
    """What a deployment is that was asked for by an objective."""
    return {"energy": "least-energy", "carbon": "least-carbon"}.get(str(name), str(name))


def energy_matters(result: Frontier) -> bool:
    """Whether a price of energy, a limit on it or the objective asks what deployments draw."""
    limits, given = result.scenario.limits, result.deployments
    limited = limits.max_energy_j_per_token is not None or limits.max_carbon_kg_per_mtok is not None
    sited = any(each.energy_usd_per_mtok is not None or each.carbon_kg_per_mtok is not None for each in given)
    return limited or sited or result.question.objective in ("energy", "carbon")


def warning(result: Answer) -> list[str]:
    """What must be read first where a search was stopped; no line where it was not."""
    if result.stopped is None:
        return []
    proven = _proven_before_stop(result)
    if proven is None:
        return [f"PARTIAL RESULT, NOT PROVEN: the search was stopped ({result.stopped})"]
    return [f"PARTIAL RESULT: the search was stopped ({result.stopped}); {proven}"]


def _proven_before_stop(result: Answer) -> str | None:
    """What a stopped search has proven nevertheless, and what it has not; ``None`` where it has proven nothing."""
    # Answers about fleets, which take long to import, are known already where one is given.
    from ieco_opt.results.fleet_explanation import FleetExplanation
    from ieco_opt.results.plan import FleetResult

    if isinstance(result, FleetResult) and not result.is_frontier and result.plans[0].status == "optimal":
        best = _BEST_PLANS[str(result.question.objective)]
        return f"{best} proven, not which of the plans that have it is the best one"
    if isinstance(result, FleetExplanation) and result.plan.status == "optimal":
        return "the plan is proven, not all was examined"
    return None


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


def proof_of_one(status: str, gap: float) -> str:
    """Whether the only point is proven, and otherwise how far it may be from the best."""
    if status == "optimal":
        return "proven optimal"
    return f"not proven: {f'within {percent(gap)} of the best' if math.isfinite(gap) else 'without a bound'}"


def statistics(result: Frontier | FleetResult) -> str:
    """What the search took, and which solver ran."""
    return f"{counted(result.statistics.solves, 'solve')} in {result.statistics.seconds:.1f} s with {solver(result)}"


def solver(result: Answer | Alternatives) -> str:
    """Name and, where known, version of the solver."""
    return f"HiGHS {result.versions.highspy}" if result.solver.solver == "highs" else result.solver.solver


def percent(share: float) -> str:
    """Write a share in percent with the digits that matter."""
    # Less than the tolerance at which a gap counts as closed is rounding.
    return f"{100.0 * share:.3g} %" if share > _CLOSED else "0 %"


def command_on(file: str, name: str, *words: str) -> str:
    """A command about a file or folder, as it is typed."""
    # What begins with a dash is no option.
    named = f"./{file}" if file.startswith("-") else file
    return " ".join(["ieco-opt", name, printable(shlex.quote(named)), *words])
