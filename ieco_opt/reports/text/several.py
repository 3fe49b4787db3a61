"""Several results side by side: what they have in common, and by what each is told from the others."""

from __future__ import annotations

from collections.abc import Sequence

from ieco_opt.catalog import precision
from ieco_opt.catalog.acceptance import written
from ieco_opt.reports.text import wording
from ieco_opt.reports.text.wording import name_of, warning, workload
from ieco_opt.results.frontier import Frontier
from ieco_opt.scenario import Scenario

_IN_HEADING = 5
"""Traits that are told where they are common to all; the others are only told where they differ."""


def heading(frontiers: Sequence[Frontier]) -> tuple[str, list[str]]:
    """Name of a picture or a table of several results, and lines that say what all of them have in common."""
    traits = [_traits(frontier)[:_IN_HEADING] for frontier in frontiers]
    shared = [each[0] for each in zip(*traits, strict=True) if each[0] and len(set(each)) == 1]
    one_name = len({frontier.scenario.name for frontier in frontiers}) == 1
    name = shared.pop(0) if one_name else f"Cost against speed of {len(frontiers)} scenarios"
    lines = [", ".join(shared)] if shared else []
    for frontier, label in zip(frontiers, labels(frontiers), strict=True):
        lines += [f"{label}: {told}" for told in warning(frontier)]
    return name, lines


def labels(frontiers: Sequence[Frontier]) -> list[str]:
    """Tell results apart by their names, and where these are alike by what else differs; at the last by a number."""
    chosen: list[list[str]] = [[] for _ in frontiers]
    for trait in zip(*map(_traits, frontiers), strict=True):
        longer = [[*parts, part] for parts, part in zip(chosen, trait, strict=True)]
        if len(set(map(tuple, longer))) > len(set(map(tuple, chosen))):
            chosen = longer
    texts = [
        ", ".join(part for part in parts if part) or frontier.scenario.name
        for parts, frontier in zip(chosen, frontiers, strict=True)
    ]
    return [
        text if texts.count(text) == 1 else f"{text} ({texts[: at + 1].count(text)})" for at, text in enumerate(texts)
    ]


_ENGINES = {"any": "any engine", "none": "no engine"}


def _reserve(scenario: Scenario) -> str:
    given = scenario.memory_reserve_gb
    return given if isinstance(given, str) else f"{given:g} GB"


def _drafts(scenario: Scenario) -> str:
    asked = scenario.speculation
    if asked is None:
        return ""
    draft = wording.DRAFTS[asked.mode] if asked.draft_model is None else name_of(asked.draft_model)
    measured = asked.measured
    if measured is None:
        return f"drafts of {draft}, acceptance {asked.acceptance:g}, verify width up to {asked.max_draft_tokens}"
    width = "" if asked.max_draft_tokens is None else f", verify width up to {asked.max_draft_tokens}"
    return f"drafts of {draft}, accepted tokens {written(measured)}{width}"


def _traits(frontier: Frontier) -> tuple[str, ...]:
    """What results may differ in, that which matters most first; empty where there is nothing to say."""
    scenario = frontier.scenario
    limits = scenario.limits.model_dump(exclude_none=True)
    return (
        scenario.name,
        name_of(scenario.model),
        " or ".join(map(name_of, scenario.accelerators)),
        " or ".join(map(precision.label, scenario.weights)),
        workload(scenario),
        "cache " + " or ".join(scenario.kv_cache),
        " or ".join(_ENGINES.get(each, each) for each in scenario.servers),
        "reserve " + _reserve(scenario),
        f"{wording.percent(scenario.memory_utilization)} of the memory",
        "no speculation" if scenario.speculation is None else "speculation",
        _drafts(scenario),
        ", ".join(f"{name} {value:g}" for name, value in limits.items()) or "no limits",
        frontier.question.objective or "",
    )
