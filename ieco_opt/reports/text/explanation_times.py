"""Where the time of a token goes, as a table of milliseconds, and where the figures behind it come from."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from ieco_opt.reports.text.table import Column, indented
from ieco_opt.reports.text.table_columns import words
from ieco_opt.reports.text.titled_table import TitledTable, fitted
from ieco_opt.results.fleet_explanation import FleetExplanation, Term, TokenTime
from ieco_opt.results.instances import InstanceRow

TERMS: dict[Term, tuple[str, str]] = {
    "launch overhead": ("launch", ""),
    "network": ("network", ""),
    "weights": ("weights", ""),
    "cache": ("cache", ""),
    "compute": ("compute", ""),
    "prompts": ("prompts", ""),
    "draft": ("draft", ""),
    "front end": ("front", "end"),
    "cache transfer": ("transfer", ""),
}
"""Heads of the columns."""

_KINDS = ("measured", "published", "given", "assumed", "from memory")


def times_of(explanation: FleetExplanation, width: int) -> str:
    """Milliseconds of each part for every row, with the kinds of their sources below; nothing for points alone."""
    rows = [row for row in explanation.plan.instances if _parts(explanation, row)]
    if not rows:
        return ""
    lines = list(_under_workloads(rows))
    indent = " " * (len(lines) > len(rows))
    columns = [
        words("instances", [*(line if isinstance(line, str) else indent + _name(line) for line in lines), "source"]),
        Column("in all", "ms", (*("" if isinstance(line, str) else _ms(_total_ms(line)) for line in lines), "")),
    ]
    found = [term for term in TERMS if any(part.term == term for part in explanation.times)]
    for term in found:
        name, unit = TERMS[term]
        cells = ["" if isinstance(line, str) else _cell(_parts(explanation, line).get(term)) for line in lines]
        columns.append(Column(name, unit, (*cells, _letters(explanation, term))))
    heading = (
        "Where the time of a token goes, in ms (prefill: time to first token; in brackets what goes on behind weights "
        "or compute)"
    )
    key = "source: m measured, p published, g given, a assumed, * from memory"
    return "\n".join((fitted(TitledTable(heading, columns), width), indented(key, width)))


def _under_workloads(rows: Sequence[InstanceRow]) -> Iterator[InstanceRow | str]:
    """The rows, of several workloads each under a line with its name."""
    several = len({row.workload for row in rows}) > 1
    for workload, mine in itertools.groupby(rows, key=lambda row: row.workload):
        yield from (workload,) if several else ()
        yield from mine


def _total_ms(row: InstanceRow) -> float:
    return 1000.0 * (row.latency_s or row.time_to_first_token_s or 0.0)


def _parts(explanation: FleetExplanation, row: InstanceRow) -> dict[Term, TokenTime]:
    key = (row.workload, row.phase, row.pool, row.instance_type)
    same = (each for each in explanation.times if (each.workload, each.phase, each.pool, each.instance_type) == key)
    return {each.term: each for each in same}


def _name(row: InstanceRow) -> str:
    return f"{row.phase} {row.layout} {row.pool}"


def _cell(part: TokenTime | None) -> str:
    if part is None:
        return "-"
    text = _ms(1000.0 * part.seconds)
    return f"({text})" if part.hidden else text


def _ms(value: float) -> str:
    return f"{value:.0f}" if value >= 1000.0 else f"{value:#.3g}".rstrip(".") if value >= 0.1 else f"{value:.2f}"


def _letters(explanation: FleetExplanation, term: Term) -> str:
    """Kinds of the sources of one part, a letter each."""
    found = {kind for part in explanation.times if part.term == term for kind in part.sources}
    letters = {"measured": "m", "published": "p", "given": "g", "assumed": "a", "from memory": "*"}
    return "".join(letters[kind] for kind in _KINDS if kind in found)


def sources_of(explanation: FleetExplanation) -> Iterator[str]:
    """Figures by where they come from; measured ones with their source, which is one for most."""
    for of in dict.fromkeys(each.of for each in explanation.sources):
        mine = [each for each in explanation.sources if each.of == of]
        parts = []
        for kind in _KINDS:
            named = [each.figure for each in mine if each.kind == kind]
            parts += [f"{kind}: {', '.join(named)}"] if named else []
        yield f"{of}: {'; '.join(parts)} (`ieco-opt catalog` has each source)"
