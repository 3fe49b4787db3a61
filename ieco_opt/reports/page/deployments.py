"""Deployments as points of the page's charts: what is drawn of each, and what is said of it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TypeVar

from ieco_opt.reports.page.bars import BarAxis, bar_chart
from ieco_opt.reports.page.markup import Markup, joined
from ieco_opt.reports.page.points import Bar, Columns, Curve, Points, facts_of
from ieco_opt.reports.text import wording
from ieco_opt.reports.text.deployment import Pair, decisions, energies, resources, worth
from ieco_opt.results.deployment import Deployment

SPEED = "speed (output tokens/s/user)"
COST = "$ per million output tokens"
PER_GPU = "output tokens/s/GPU"

TIMES = {
    "launch overhead": ("k", "overhead"),
    "network": ("w", "network"),
    "memory": ("mv", "memory"),
    "compute": ("av", "compute"),
}
"""Parts of the time per output token as they add up to it: column and colour of each."""

TIMES_CAPTION = "Where the time per output token goes; what is hidden behind a longer part is not in the bars"
MEMORY_CAPTION = "Memory per GPU: weights, cache of the batch, draft model, reserve of the server, free"
TIMES_TITLE, MEMORY_TITLE = "ms per output token", "GB of the most loaded GPU"

MEMORY = {
    "weights": ("mw", "weights"),
    "cache": ("mc", "cache"),
    "draft": ("md", "draft"),
    "reserve": ("mr", "reserve"),
    "free": ("mf", "free"),
}
"""Parts of the memory of the most loaded GPU."""

_LEAD = ("speed", "cost", "GPUs", "engine")
"""What is said before the bars."""

_BARS = (
    Bar(
        "Time per output token, ms (memory and compute overlap)",
        {
            "launch overhead": ("k", "overhead"),
            "network": ("w", "network"),
            "memory": ("m", "memory"),
            "compute": ("a", "compute"),
        },
        of="t",
    ),
    Bar("Memory per GPU, GB", MEMORY),
)


def points_of(
    id_: str,
    groups: Sequence[tuple[Curve, Sequence[Deployment]]],
    *,
    energy: bool = False,
    colours: Sequence[str] = (),
) -> Points:
    """Points of the deployments of several curves, one after the other."""
    rows = [(number, at, item) for number, (_, items) in enumerate(groups) for at, item in enumerate(items, 1)]
    columns: dict[str, list[float | int | None]] = {
        "s": [number for number, _, _ in rows],
        "n": [at for _, at, _ in rows],
    }
    for name in _numbers(rows[0][2]) if rows else ():
        columns[name] = []
    for _, _, item in rows:
        for name, value in _numbers(item).items():
            columns[name].append(value)
    facts = facts_of([told(item, energy=energy) for _, _, item in rows])
    return Points(id_, [curve for curve, _ in groups], columns, facts, _BARS, colours, _LEAD)


def _numbers(item: Deployment) -> dict[str, float | int | None]:
    """What is drawn of a deployment; times in ms."""
    visible = visible_times(item)
    return {
        "p": int(item.status == "optimal"),
        "x": item.speed_tokens_per_s,
        "c": item.cost_usd_per_mtok,
        "g": item.throughput_tokens_per_s / item.gpus,
        "e": item.expected_error,
        "t": 1e3 * item.latency_s,
        "k": 1e3 * item.kernel_s,
        "w": 1e3 * item.network_s,
        "m": 1e3 * item.memory_s,
        "a": 1e3 * item.arithmetic_s,
        "mv": 1e3 * visible["memory"],
        "av": 1e3 * visible["compute"],
        "mw": item.weights_gb,
        "mc": item.cache_gb,
        "md": item.draft_gb,
        "mr": item.reserve_gb,
        "mf": None if item.free_gb is None else max(item.free_gb, 0.0),
    }


def visible_times(item: Deployment) -> dict[str, float]:
    """Seconds of each part as they add up to the time per output token.

    The lesser of memory and compute goes on behind the other: of it only what the time does not hide is there.
    """
    times = wording.times(item)
    longer, lesser = sorted(("memory", "compute"), key=times.__getitem__, reverse=True)
    rest = item.latency_s - times["launch overhead"] - times["network"] - times[longer]
    return times | {lesser: min(max(rest, 0.0), times[lesser])}


def told(item: Deployment, *, energy: bool = False) -> list[Pair]:
    """The whole configuration, what it is worth, and what is proven of it, in the words of the terminal's card."""
    pairs = [*worth(item), *_dollars(item), *decisions(item), *resources(item), *(energies(item) if energy else [])]
    # Lines that go on have no name: what they say stands in the bars, or under names of its own.
    pairs = [pair for pair in pairs if pair[0]]
    trusted = wording.trust([item])
    return [
        *pairs,
        ("proof", wording.proof_of_one(item.status, item.gap)),
        *((("trust", trusted[0]),) if trusted else ()),
    ]


def _dollars(item: Deployment) -> list[Pair]:
    """What answers cost where prompts are priced, counted in other ways."""
    if item.cost_usd_per_mtok_total is None:
        return []
    return [
        ("read and written", f"${item.cost_usd_per_mtok_total:.4g} per million tokens"),
        ("request", f"${item.usd_per_request:.3g} per request"),
        ("hour", f"${item.usd_per_hour:.4g} per hour"),
    ]


def part_bars(
    key: str,
    named: Sequence[tuple[str, Deployment]],
    parts: Mapping[str, tuple[str, str]],
    title: str,
    *,
    caption: str,
    about: str,
) -> Markup:
    """Lying bars of the parts of a few deployments by their names; nothing where a result does not say them."""
    rows = [
        (at, name, part, float(amount))
        for name, item in named
        for at, (part, (column, _)) in enumerate(parts.items())
        if isinstance(amount := _numbers(item)[column], int | float) and amount > 0.0
    ]
    if not rows:
        return Markup()
    columns: Columns = {
        "s": [at for at, *_ in rows],
        "b": [name for _, name, *_ in rows],
        "u": [amount for *_, amount in rows],
    }
    said = facts_of([[(part, f"{amount:.4g} {title}")] for *_, part, amount in rows])
    colours = [each for _, each in parts.values()]
    points = Points(key, [Curve(part) for part in parts], columns, said, colours=colours)
    return joined(points.block(), bar_chart(points, [BarAxis("u", title)], caption=caption, about=about))


Item = TypeVar("Item")


def flat(groups: Sequence[Sequence[Item]]) -> list[Item]:
    """All groups in one list."""
    return list(itertools.chain.from_iterable(groups))
