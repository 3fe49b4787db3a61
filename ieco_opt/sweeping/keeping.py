"""What a sweep keeps beside its table, so that it goes on where it was killed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ieco_opt.documents.journal import Journal, opened
from ieco_opt.errors import ScenarioError
from ieco_opt.scenario import Fleet, Scenario
from ieco_opt.scenario.load import ScenarioTemplate
from ieco_opt.scenario.resolved import resolved_names
from ieco_opt.solvers.versions import installed
from ieco_opt.sweeping.answering import Asked, Row
from ieco_opt.sweeping.points import Point

FORMAT = "ieco_opt sweep"
FORMAT_VERSION = 1

_SAID = {
    "scenario": "the scenario",
    "points": "the values of the fields",
    "asked": "the objective or the solver configuration",
    "versions": "the version of ieco_opt, its model or its solver",
}
"""Parts of the first line, and what is said where one is another."""


def journal_of(out: Path) -> Path:
    """File that a sweep keeps its points in, beside its table."""
    return out.with_name(f"{out.name}.journal")


class Kept:
    """The points of a sweep that are done, on the disk if there is a file."""

    def __init__(self, journal: Journal | None, rows: dict[int, tuple[str, Row]]) -> None:
        self._journal = journal
        self._rows = rows

    def numbers(self) -> tuple[int, ...]:
        """Points that were done before."""
        return tuple(self._rows)

    def row(self, number: int, fingerprint: str) -> Row:
        """The row of a point that was done before.

        Raises
        ------
        ScenarioError
            The point is another one now: a file that the scenario names, or the catalog, has changed.
        """
        before, row = self._rows[number]
        if before != fingerprint:
            raise _refused("a file that the scenario names, or the catalog,")
        return row

    def keep(self, number: int, fingerprint: str, row: Row) -> None:
        """Keep a point that is done."""
        if self._journal is not None:
            self._journal.append({"point": number, "scenario": fingerprint, "row": row})


@contextmanager
def kept(
    out: Path | None, template: ScenarioTemplate, points: Sequence[Point], asked: Asked, *, restart: bool
) -> Iterator[Kept]:
    """Open what is kept of a sweep, or begin it.

    Raises
    ------
    ScenarioError
        What is there belongs to another sweep, or cannot be opened.
    """
    if out is None:
        yield Kept(None, {})
        return
    with opened(journal_of(out)) as journal:
        head = _head(template, points, asked)
        if restart:
            journal.clear()
        if not journal.lines:
            journal.append(head)
        else:
            _check(head, journal.lines[0], out)
        yield Kept(journal, dict(_points(journal.lines[1:], journal_of(out), len(points))))


def fingerprint(scenario: Scenario | Fleet) -> str:
    """What a scenario says and what its names stand for, in a few letters; equal where its answer is."""
    return _digest([scenario.to_mapping(), asdict(resolved_names(scenario))])


def _head(template: ScenarioTemplate, points: Sequence[Point], asked: Asked) -> dict[str, Any]:
    versions = {name: value for name, value in installed().items() if name in ("ieco_opt", "pyomo", "highspy", "model")}
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "scenario": _digest(template.values),
        "points": _digest(points),
        "asked": asdict(asked),
        "versions": versions,
    }


def _check(head: Mapping[str, Any], found: object, out: Path) -> None:
    if not isinstance(found, Mapping) or found.get("format") != FORMAT:
        message = f"found no {FORMAT}, expected what a sweep to {out.name} keeps"
        raise ScenarioError.single(message, file=str(journal_of(out)), line=1)
    if found != head:
        other = [said for name, said in _SAID.items() if found.get(name) != head[name]]
        raise _refused(" and ".join(other) or "the format of what is kept", journal_of(out))


def _refused(what: str, file: Path | None = None) -> ScenarioError:
    message = f"{what} changed since this sweep began; go on with what it was, name another --out, or use --restart"
    return ScenarioError.single(message, file=None if file is None else str(file))


def _points(lines: Sequence[object], file: Path, points: int) -> Iterator[tuple[int, tuple[str, Row]]]:
    """Points that are done; of one that stands there twice, the later."""
    for at, line in enumerate(lines, start=2):
        match line:
            case {"point": int(number), "scenario": str(digest), "row": {"status": str()} as row} if number < points:
                yield number, (digest, row)
            case _:
                raise ScenarioError.single("found no point of a sweep", file=str(file), line=at)


def _digest(values: object) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:32]
