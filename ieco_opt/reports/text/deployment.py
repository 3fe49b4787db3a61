"""One deployment as a card: what to launch, what it is worth, where its time goes, and what is proven."""

from __future__ import annotations

import math
import textwrap

from ieco_opt.reports.text import wording
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.frontier import Frontier

Pair = tuple[str, str]
"""A name and what it is; a line that goes on with the one before has no name."""

_BAR_WIDTH = 24
_LABEL_WIDTH = 26
_SHARE = "{:9.4f} {:5.1f} %  "


def render_card(frontier: Frontier, width: int) -> str:
    """Put the one deployment of a result into text of ``width`` columns."""
    deployment = frontier[0]
    energy = energies(deployment) if wording.energy_matters(frontier) else []
    head = [
        *wording.warning(frontier),
        *wording.decoding_alone(frontier.scenario),
        f"{frontier.scenario.name}: {wording.answer(frontier)}",
        *wording.chosen_objective(frontier),
        wording.subject(frontier),
        *wording.margin(frontier.scenario),
    ]
    parts = [
        head,
        [_line(*pair) for pair in worth(deployment)],
        [_line(*pair) for pair in decisions(deployment)],
        [_line(*pair) for pair in [*resources(deployment), *energy]],
        _times(deployment, width),
        [*wording.trust([deployment]), verdict(frontier, deployment), wording.statistics(frontier)],
    ]
    return "\n\n".join("\n".join(_wrapped(line, width) for line in lines) for lines in parts)


def _wrapped(line: str, width: int) -> str:
    indent = " " * (_LABEL_WIDTH + 2) if line.startswith(" ") else ""
    return textwrap.fill(line, width, subsequent_indent=indent)


def _line(label: str, text: str) -> str:
    return f"  {label.ljust(_LABEL_WIDTH)}{text}"


def worth(deployment: Deployment) -> list[Pair]:
    """How fast and how expensive it is."""
    return [
        ("speed", f"{deployment.speed_tokens_per_s:.4g} output tokens/s/user"),
        ("TPOT", f"{1e3 * deployment.latency_s:.4g} ms (time per output token)"),
        *_requests(deployment),
        ("throughput", f"{deployment.throughput_tokens_per_s:,.0f} output tokens/s over all users"),
    ]


def _requests(deployment: Deployment) -> list[Pair]:
    """What answers cost, and where prompts are priced how long they take."""
    cost = f"${deployment.cost_usd_per_mtok:.4g} per million output tokens"
    if deployment.time_to_first_token_s is None:
        return [("cost", cost)]
    more = f"${deployment.cost_usd_per_mtok_total:.4g} per million tokens read and written"
    each = f"${deployment.usd_per_request:.3g} per request, ${deployment.usd_per_hour:.4g} per hour"
    return [
        ("TTFT", f"{deployment.time_to_first_token_s:.3g} s (time to first token, +-60 %)"),
        ("end to end", f"{deployment.end_to_end_s:.3g} s to the last token"),
        ("cost", f"{cost}, prompts included"),
        ("", f"{more}, {each}"),
        ("requests", f"{deployment.requests_per_s:.3g} requests/s at full batch"),
    ]


def decisions(deployment: Deployment) -> list[Pair]:
    """What to launch."""
    held = deployment.parallelism
    lines = [("GPUs", f"{deployment.gpus} x {deployment.accelerator}")]
    if deployment.weights is not None:
        lines.append(("weights", deployment.weights))
    if deployment.kv_cache is not None:
        lines.append(("cache", deployment.kv_cache))
    if deployment.engine is not None:
        lines.append(("engine", _engine(deployment.engine, deployment.engines)))
    lines += [
        ("tensor parallel", f"{held.tensor} ({held.layout} layout)"),
        ("attention data parallel", str(held.attention_data)),
        ("pipeline parallel", str(held.pipeline)),
        ("expert parallel", wording.expert_degree(held)),
    ]
    if deployment.exchange is not None:
        lines.append(("exchange of experts", wording.EXCHANGE_WORDS[deployment.exchange]))
    lines.append(("batch", f"{wording.counted(deployment.batch, 'sequence')} in flight"))
    return [*lines, ("speculation", _speculation(deployment))]


def _engine(priced: str, starting: str | None) -> str:
    """The server that was priced, and the others that start the same."""
    others = [name for name in (starting or "").split(",") if name not in ("", priced)]
    return f"{priced}, also starts in {' and '.join(others)}" if others else priced


def _speculation(deployment: Deployment) -> str:
    if deployment.draft is None:
        return "none"
    draft = f"{wording.DRAFTS[deployment.draft_mode or 'draft_model']} {deployment.draft_model or ''}".rstrip()
    return f"verify width {deployment.draft_tokens}, {draft} {deployment.draft.short()}"


def resources(deployment: Deployment) -> list[Pair]:
    """What it takes of memory and power."""
    power = "unknown" if deployment.power_kw is None else f"{deployment.power_kw:.4g} kW (boards)"
    return [
        *_memory(deployment),
        ("power", power),
        ("FLOP utilization (MFU)", wording.percent(deployment.mfu)),
    ]


def energies(deployment: Deployment) -> list[Pair]:
    """What a token draws, and what a million of them costs and emits as far as the scenario says so."""
    if deployment.energy_j_per_token is None:
        return []
    dollars, kilograms = deployment.energy_usd_per_mtok, deployment.carbon_kg_per_mtok
    parts = [f"{deployment.energy_j_per_token:.4g} J per output token"]
    parts += [] if dollars is None else [f"${dollars:.4g} of the cost"]
    parts += [] if kilograms is None else [f"{kilograms:.4g} kg CO2 per million"]
    return [("energy", ", ".join(parts))]


def _memory(deployment: Deployment) -> list[Pair]:
    """What the most loaded GPU holds, part by part, and the room for the cache in the words of servers."""
    used, limit = deployment.memory_per_gpu_gb, deployment.memory_limit_gb
    parts = wording.listed_memory(deployment)
    lines = [("memory per GPU", f"{used:.4g} of {limit:.4g} GB ({wording.percent(used / limit)})")]
    if parts:
        lines.append(("", parts))
    if deployment.cache_tokens is not None:
        lines.append(("room for the cache", f"{deployment.cache_tokens:,} tokens if every layer keeps all"))
    return lines


def _times(deployment: Deployment, width: int) -> list[str]:
    """The four times as bars; the lesser of memory and compute goes on behind the other."""
    longest = min(_BAR_WIDTH, width - len(_line("", _SHARE.format(0.0, 0.0))))
    lines = ["  time per output token, ms (memory and compute overlap)"]
    for name, seconds in wording.times(deployment).items():
        share = seconds / deployment.latency_s
        bar = "#" * round(longest * min(share, 1.0))
        lines.append(_line(f"  {name}", _SHARE.format(1e3 * seconds, 100.0 * share) + bar).rstrip())
    return lines


def verdict(frontier: Frontier, deployment: Deployment) -> str:
    """What the bound means for the question that was asked."""
    if not math.isfinite(deployment.bound):
        return "not proven: no bound was found, a better deployment may exist"
    objective = str(frontier.question.objective)
    taken = objective if objective in ("energy", "carbon") else "cost"
    gap = wording.percent(deployment.gap)
    bound = f"bound {deployment.bound:.4g} tokens/s, gap {gap}"
    if frontier.stopped is not None:
        return f"not proven: a better deployment may exist (at this {taken}: {bound})"
    if deployment.status != "optimal":
        return f"proven to within {gap}: none at this {taken} is faster than the bound ({bound})"
    best = {
        "fastest": "no feasible deployment is faster",
        "cheapest": "no feasible deployment is cheaper, and none as cheap is faster",
        "energy": "no feasible deployment takes less energy for a token, and none that takes as little is faster",
        "carbon": "no feasible deployment takes less carbon for a token, and none that takes as little is faster",
    }
    best_of = best.get(objective, "no feasible deployment is preferred to it")
    return f"proven optimal: {best_of} ({bound})"
