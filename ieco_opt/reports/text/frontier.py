"""Results for people in a terminal: a table of many deployments, a card of one. Plain text throughout."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ieco_opt.reports.text import wording
from ieco_opt.reports.text.deployment import render_card
from ieco_opt.reports.text.stated import stated
from ieco_opt.reports.text.table import LEAST_WIDTH, Column, fitting, joined, left_out, not_shown, thinned, wrapped
from ieco_opt.reports.text.table_columns import counts, exchanges, gaps, numbers, speeds, verify_widths, words
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.guarantee import GuaranteeKind
from ieco_opt.scenario.margin import in_words

_LEFT_OUT_FIRST = (
    *("memory", "power", "MFU", "requests", "bottleneck", "end to end", "throughput", "CO2", "energy"),
    *("exchange", "verify", "weights", "engine"),
)
"""Columns that a narrow terminal does without, in this order."""


def render(frontier: Frontier, width: int = 80) -> str:
    """Put a result into text for a terminal of ``width`` columns.

    One answer becomes a card, several deployments a table of at most ``MOST_ROWS`` rows, evenly thinned.
    Where the terminal is narrow, columns that matter less are left out.
    """
    width = max(width, LEAST_WIDTH)
    if frontier.question.kind != "frontier" and len(frontier) == 1:
        return render_card(frontier, width)
    end = frontier.pessimistic_end()
    parts = [wrapped(_title(frontier), width), *_table(frontier, width)]
    if end is not None:
        parts += [wrapped(_title_of_end(frontier, end), width), *_table(end, width, second=True)]
    return "\n\n".join(part for part in parts if part)


def _table(frontier: Frontier, width: int, *, second: bool = False) -> list[str]:
    """Deployments in rows, and what is to be said below them; below a second table not again what the first says."""
    shown = thinned(frontier.deployments)
    if second and not shown:
        return []
    columns = columns_of(shown, frontier.deployments, energy=wording.energy_matters(frontier))
    kept = fitting(columns, width, _LEFT_OUT_FIRST, stated(frontier.scenario))
    foot = [*left_out(len(frontier), len(shown)), *not_shown(columns, kept), *_foot(frontier, shown, second=second)]
    return [joined(kept) if shown else "", wrapped(foot, width)]


def _title_of_end(frontier: Frontier, end: Frontier) -> list[str]:
    """What the second table is, and what is proven of it."""
    assert frontier.pessimistic is not None
    error = in_words(frontier.pessimistic.errors)
    lines = [f"pessimistic end of the band: every time and cost is {error} more than the model says"]
    if end.guarantee.kind is GuaranteeKind.NONE:
        return [*lines, "proven: no deployment meets the limits then"]
    return [*wording.warning(end), *lines, wording.guarantee(end)]


def _title(frontier: Frontier) -> list[str]:
    about = f"{frontier.scenario.name}: {wording.subject(frontier)}"
    alone = wording.decoding_alone(frontier.scenario)
    return [*wording.warning(frontier), *alone, about, wording.guarantee(frontier), *wording.margin(frontier.scenario)]


def columns_of(shown: Sequence[Deployment], every: Sequence[Deployment], *, energy: bool) -> list[Column]:
    """Columns that have something to say: what is the same in every deployment stands in the title."""
    columns = [
        speeds([item.speed_tokens_per_s for item in shown]),
        numbers("cost", "$/Mtok", [item.cost_usd_per_mtok for item in shown]),
        counts("GPUs", "", [item.gpus for item in shown]),
    ]
    if _varies(item.accelerator for item in every):
        columns.append(words("accelerator", (item.accelerator for item in shown)))
    if _varies(item.weights for item in every):
        columns.append(words("weights", (item.weights or "-" for item in shown)))
    if _varies(item.kv_cache for item in every):
        columns.append(words("cache", (item.kv_cache or "-" for item in shown)))
    if _varies(item.engine for item in every):
        columns.append(words("engine", (item.engine or "-" for item in shown)))
    columns.append(words("layout", (item.parallelism.short() for item in shown)))
    columns += exchanges([item.exchange for item in shown])
    columns.append(counts("batch", "", [item.batch for item in shown]))
    columns += verify_widths([item.draft_tokens for item in shown])
    throughput = tuple(f"{item.throughput_tokens_per_s:,.0f}" for item in shown)
    columns.append(Column("throughput", "tokens/s", throughput))
    if any(item.time_to_first_token_s is not None for item in shown):
        columns.append(numbers("TTFT", "s", [item.time_to_first_token_s for item in shown], significant=3))
        columns.append(numbers("end to end", "s", [item.end_to_end_s for item in shown], significant=3))
        columns.append(numbers("requests", "/s", [item.requests_per_s for item in shown], significant=3))
    columns.append(words("bottleneck", (item.bottleneck for item in shown)))
    columns.append(numbers("MFU", "%", [100.0 * item.mfu for item in shown], significant=2))
    if any(item.power_kw is not None for item in shown):
        columns.append(numbers("power", "kW", [item.power_kw for item in shown], significant=3))
    if energy:
        columns.append(numbers("energy", "J/token", [item.energy_j_per_token for item in shown], significant=3))
    if any(item.carbon_kg_per_mtok is not None for item in shown):
        columns.append(numbers("CO2", "kg/Mtok", [item.carbon_kg_per_mtok for item in shown], significant=3))
    columns.append(numbers("memory", "GB/GPU", [item.memory_per_gpu_gb for item in shown], significant=3))
    if any(item.status != "optimal" for item in shown):
        columns.append(gaps([(item.status, item.gap) for item in shown]))
    return columns


def _varies(values: Iterable[object]) -> bool:
    return len(set(values)) > 1


def _foot(frontier: Frontier, shown: Sequence[Deployment], *, second: bool) -> list[str]:
    lines = [] if second else wording.letters_in([item.parallelism.short() for item in shown])
    lines += [] if second else wording.trust(frontier.deployments)
    if frontier.open_regions:
        regions = wording.counted(frontier.open_regions, "region")
        lines.append(f"{regions} of speed and cost left open (see --plot or --out)")
    proof = wording.proof([(item.status, item.gap) for item in frontier])
    return [*lines, proof if second else f"{proof}; {wording.statistics(frontier)}"]
