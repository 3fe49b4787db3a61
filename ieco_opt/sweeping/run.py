"""What programs call for sweeps: many scenarios that differ in some fields, one table."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from ieco_opt.defaults import DEFAULT_CONFIG, DEFAULT_PREFERENCE, FLEET_CONFIG, FleetObjective, Objective, ObjectiveName
from ieco_opt.documents.destinations import replace_file
from ieco_opt.documents.json_document import json_text
from ieco_opt.errors import ScenarioError
from ieco_opt.results.encoding import plain
from ieco_opt.results.writing import check_ending, table_rows, write_table
from ieco_opt.scenario import Fleet, Scenario
from ieco_opt.scenario.load import ScenarioTemplate
from ieco_opt.scenario.solver_config import SolverConfig
from ieco_opt.scenario.source import ScenarioSource
from ieco_opt.solvers.config import solver_config_of
from ieco_opt.solvers.executors import checked_executor
from ieco_opt.solvers.interrupt import caught_interrupts
from ieco_opt.solvers.versions import installed
from ieco_opt.sweeping.answering import FINAL, Asked, Row, row_of_wrong
from ieco_opt.sweeping.keeping import FORMAT, FORMAT_VERSION, Kept, fingerprint, kept
from ieco_opt.sweeping.points import Point, from_rows, grid
from ieco_opt.sweeping.table import table_of
from ieco_opt.sweeping.workers import FOREIGN_IN_FLIGHT, OwnProcesses, SameProcess, Task, Workers

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[int, int, Mapping[str, int]], None]
"""Told of points done, all points, and how many there are of each status."""


@dataclass(frozen=True, slots=True)
class Swept:
    """A sweep that is over.

    Attributes
    ----------
    table
        One row a point.
    statuses
        How many points there are of each status.
    before
        Points that an earlier run had done.
    interrupted
        Whether Ctrl-C or SIGTERM ended it; the points that are left are ``pending``.
    about
        What a JSON file says beside the rows.
    """

    table: pd.DataFrame
    statuses: Counter[str]
    before: int
    interrupted: bool
    about: Mapping[str, object]

    def to_json(self) -> str:
        """The rows, with the scenario that they start from, what was asked of each, and versions."""
        return json_text({**self.about, "rows": table_rows(self.table)})

    def write(self, path: Path) -> None:
        """Write everything to .json, or the table to .csv or .parquet.

        Raises
        ------
        ScenarioError
            The file cannot be written.
        """
        if path.suffix.lower() == ".json":
            replace_file(path, self.to_json().encode())
        else:
            write_table(self.table, path)


def sweep(
    scenario: Scenario | Fleet | str | os.PathLike[str],
    over: Mapping[str, Iterable[object]] | None = None,
    rows: pd.DataFrame | Sequence[Mapping[str, object]] | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    executor: Executor | None = None,
    processes: int | None = None,
    in_flight: int | None = None,
    objective: Objective | None = None,
    preference: float = DEFAULT_PREFERENCE,
    solver_config: SolverConfig | str | None = None,
    restart: bool = False,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Answer a scenario many times, with other values of some fields.

    Parameters
    ----------
    scenario
        A deployment or a fleet, loaded, or its file.
    over, rows
        Values by field, such as ``{"workload.context_tokens": [1000, 8000]}``: every combination is a point. Or one
        point a row; columns are fields, and an empty cell keeps what the scenario says.
    out
        A .csv, .parquet or .json file. Points that are done are kept beside it (``out.csv.journal``), so that the same
        call goes on where an earlier one was killed.
    executor, in_flight
        Any executor, such as ``Client.get_executor()`` of Dask, which is not shut down; most points it has at a time.
    processes
        Without an executor, so many processes, by default one a core; one is this process.
    objective, preference, solver_config
        As of :func:`ieco_opt.solve`, or of :func:`ieco_opt.plan` for fleets.
    restart, progress
        Forget what an earlier run kept; told of points done, of all points, and of the numbers by status.

    Returns
    -------
    pandas.DataFrame
        One row a point: what was set, ``status``, ``reason``, and the columns of the answer (docs/sweep.md).

    Raises
    ------
    ScenarioError
        An argument is wrong, or what is kept beside ``out`` belongs to another sweep. A wrong point is a row.
    SolverError
        Processes cannot be started.
    """
    points = _points(over, rows)
    template = _template(scenario)
    asked = asked_of(template, objective, preference, solver_config)
    target = None if out is None else Path(out)
    where = Workplace(None if executor is None else checked_executor(executor), processes, in_flight)
    if target is not None:
        check_ending(target)
    swept = run_sweep(template, points, asked, out=target, workplace=where, restart=restart, progress=progress)
    if target is not None:
        swept.write(target)
    return swept.table


def _points(
    over: Mapping[str, Iterable[object]] | None, rows: pd.DataFrame | Sequence[Mapping[str, object]] | None
) -> list[Point]:
    if over is not None and rows is None:
        return grid(over)
    if over is None and rows is not None:
        return from_rows(rows)
    raise ScenarioError.single("expected either over or rows", field="over")


def _template(scenario: Scenario | Fleet | str | os.PathLike[str]) -> ScenarioTemplate:
    if isinstance(scenario, Scenario | Fleet):
        return ScenarioTemplate.of(scenario)
    return ScenarioTemplate.read(ScenarioSource.of(scenario))


def asked_of(
    template: ScenarioTemplate,
    objective: str | None,
    preference: float = DEFAULT_PREFERENCE,
    solver_config: SolverConfig | str | None = None,
) -> Asked:
    """What is asked of every point.

    Raises
    ------
    ScenarioError
        The objective is none for this kind of scenario, or the configuration cannot be read.
    """
    choices = get_args(FleetObjective if template.is_fleet else ObjectiveName)
    if objective is not None and objective not in choices:
        kind = "a fleet" if template.is_fleet else "a deployment"
        message = f"found '{objective}', expected one of {', '.join(choices)} for {kind}"
        raise ScenarioError.single(message, field="objective")
    config = solver_config or (FLEET_CONFIG if template.is_fleet else DEFAULT_CONFIG)
    return Asked(solver_config_of(config), objective, preference)


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where points are answered; see :func:`sweep`."""

    executor: Executor | None = None
    processes: int | None = None
    in_flight: int | None = None

    @contextmanager
    def pool(self, points: int) -> Iterator[tuple[OwnProcesses | Executor, int]]:
        """Something that answers so many points, and how many it is given at a time.

        Raises
        ------
        ScenarioError
            A number is no number of processes or points, or processes are asked for beside an executor.
        """
        for name, value in (("processes", self.processes), ("in_flight", self.in_flight)):
            if value is not None and value < 1:
                raise ScenarioError.single(f"found {value}, expected a whole number from 1 on", field=name)
        if self.executor is not None:
            if self.processes is not None:
                raise ScenarioError.single("expected either an executor or processes", field="processes")
            yield self.executor, self.in_flight or FOREIGN_IN_FLIGHT
            return
        processes = min(self.processes or _cores(), points)
        if processes <= 1:
            yield SameProcess(), 1
            return
        own = OwnProcesses(processes)
        try:
            yield own, self.in_flight or 2 * processes
        finally:
            own.end()


def run_sweep(
    template: ScenarioTemplate,
    points: Sequence[Point],
    asked: Asked,
    *,
    out: Path | None,
    workplace: Workplace,
    restart: bool = False,
    began: Callable[[int], object] = lambda _: None,
    progress: Progress | None = None,
) -> Swept:
    """Answer the points of a sweep that are not done yet; parameters and errors as of :func:`sweep`.

    Parameters
    ----------
    began
        Told how many points an earlier run had done.
    """
    with caught_interrupts() as interrupt, kept(out, template, points, asked, restart=restart) as file:
        state = _State(template, points, file, progress)
        state.read_back()
        began(state.before)
        if len(state.rows) < len(points):
            with workplace.pool(len(points) - len(state.rows)) as (pool, in_flight):
                workers = Workers(pool, asked, in_flight, lambda: interrupt.requested)
                try:
                    for task, row in workers.answers(state.tasks()):
                        state.done(task.number, task.fingerprint, row)
                finally:
                    workers.leave()
            stopped = interrupt.requested or workers.interrupted
        else:
            stopped = False
    table = table_of(points, state.rows, fleet=template.is_fleet)
    about = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "scenario": dict(template.values),
        "asked": plain(asked),
        "versions": dict(installed()),
    }
    return Swept(table, Counter(table["status"]), state.before, stopped, about)


class _State:
    """Points and the rows that there are of them."""

    def __init__(
        self, template: ScenarioTemplate, points: Sequence[Point], file: Kept, progress: Progress | None
    ) -> None:
        self.rows: dict[int, Row] = {}
        self.before = 0
        self._template = template
        self._points = points
        self._file = file
        self._progress = progress
        self._statuses: Counter[str] = Counter()

    def read_back(self) -> None:
        """Take what an earlier run did.

        Raises
        ------
        ScenarioError
            A point is another one now.
        """
        for number in self._file.numbers():
            task = self._task(number)
            self.rows[number] = self._file.row(number, task.fingerprint if isinstance(task, Task) else "")
        self.before = len(self.rows)
        self._statuses.update(row["status"] for row in self.rows.values())

    def tasks(self) -> Iterator[Task]:
        """Points that are left; those whose scenario is wrong are done at once."""
        for number in range(len(self._points)):
            if number in self.rows:
                continue
            task = self._task(number)
            if isinstance(task, Task):
                yield task
            else:
                self.done(number, "", task)

    def done(self, number: int, digest: str, row: Row) -> None:
        """Take the row of a point, and keep it where asking again would give the same."""
        if row["status"] in FINAL:
            self._file.keep(number, digest, row)
        self.rows[number] = row
        self._statuses[row["status"]] += 1
        if self._progress is not None:
            self._progress(len(self.rows), len(self._points), self._statuses)

    def _task(self, number: int) -> Task | Row:
        """A point with its scenario, or its row where that is wrong."""
        try:
            scenario = self._template.with_fields(self._points[number])
            return Task(number, scenario, fingerprint(scenario))
        except ScenarioError as error:
            return row_of_wrong(error)


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
