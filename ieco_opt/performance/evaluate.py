"""Latency of given setups: a table in, the same table with every component out."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ieco_opt import catalog
from ieco_opt.catalog.precision import KV_CACHES, Precision, parsed, takes_cache
from ieco_opt.catalog.types import Accelerator, Fidelity, Model, PaperModel
from ieco_opt.documents.origin import found
from ieco_opt.engines.spread import EXCHANGES
from ieco_opt.errors import Fault, ScenarioError
from ieco_opt.performance import closed_forms
from ieco_opt.performance.architecture import Architecture, architecture
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.evaluated import USUAL, priced_rows
from ieco_opt.performance.reserve import ENGINES
from ieco_opt.performance.servers import EngineChoices, Server
from ieco_opt.performance.validated import validated
from ieco_opt.scenario.calibrations import AUTOMATIC, profile_of
from ieco_opt.scenario.engines import ALONE, ANY, profiles_of, unserved

if TYPE_CHECKING:
    import pandas as pd

    from ieco_opt.catalog.calibration import Calibration

SETUP_COLUMNS = (
    "model",
    "accelerator",
    "tensor_layout",
    "gpus",
    "pipeline_parallel",
    "attention_data_parallel",
    "batch",
    "context_tokens",
    "tokens_per_pass",
)
"""Columns of a setup in fidelity ``paper``; ``deployable`` adds ``weights`` and may add the optional ones."""

OPTIONAL_COLUMNS = {
    "expert_parallel": 1.0,
    "redundant_experts": 0.0,
    "output_tokens": 0.0,
    "memory_utilization": 0.9,
}
"""Columns of numbers that fidelity ``deployable`` reads where they are given, with their defaults.

So it does with ``memory_reserve_gb``; where that is empty, the reserve is that of ``engine``.
"""

OPTIONAL_WORDS = {"kv_cache": ("bf16", KV_CACHES), "engine": (ANY, (ANY, *ENGINES))}
"""Columns of words that fidelity ``deployable`` reads where they are given, with default and what they may be.

So it does with ``exchange``, a name of ``engines.EXCHANGES``; where that is empty, a server does what it usually does.
"""

CLOSED_FORM_COLUMNS = ("equation", "model", "accelerator", "gpus", "batch", "context_tokens")
"""Columns of a table of closed forms, which is told by its column ``equation``."""

_CLOSED_FORMS = {"section_2_2": closed_forms.section_2_2, "section_3_5": closed_forms.section_3_5}
_MAY_BE_ZERO = frozenset({"context_tokens", "output_tokens", "redundant_experts", "memory_reserve_gb", "prefix_hit"})


def evaluate(
    points: pd.DataFrame,
    fidelity: Fidelity | str = Fidelity.DEPLOYABLE,
    *,
    profile: str | None = None,
    file: str | None = None,
) -> pd.DataFrame:
    """Evaluate setups one by one.

    Parameters
    ----------
    points
        One row a setup with the columns of ``SETUP_COLUMNS``, or of ``CLOSED_FORM_COLUMNS``. Columns of the result
        that are in the input already are computed anew; others are passed through. With ``prompt_tokens`` in the place
        of ``context_tokens`` (``deployable``) prompts share the passes, and the result has ``time_to_first_token_s``
        and ``end_to_end_s`` too.
    profile
        Constants of fidelity ``deployable``: ``auto``, which is meant where nothing is said, the name or the file of a
        calibration profile, or ``paper-constants``.
    file
        Name that faults carry.

    Returns
    -------
    pandas.DataFrame
        The input, with degrees, every component in seconds, ``latency_s`` and ``feasible`` (closed forms:
        ``latency_s`` alone, infinite where memory is short). Two degrees carry two names: the reference's
        ``tensor_parallel_attention`` and ``tensor_parallel_feed_forward`` are ``tensor_parallel`` and
        ``expert_tensor_parallel``.

    Raises
    ------
    ScenarioError
        With every wrong cell, by line of the file.
    """
    if fidelity not in tuple(Fidelity):
        message = f"found {found(fidelity)}, expected one of {', '.join(Fidelity)}"
        raise ScenarioError.single(message, field="fidelity")
    table = _Table(points, Fidelity(fidelity), file)
    if profile is not None and (table.fidelity is Fidelity.PAPER or "equation" in points.columns):
        message = f"found {found(profile)}, expected nothing in fidelity paper, whose constants are the paper's"
        raise ScenarioError.single(message, field="profile")
    # Cells that no float can be multiplied or divided by give figures that are infinite, which says enough.
    with np.errstate(all="ignore"):
        if "equation" in points.columns:
            return _evaluate_closed_forms(table)
        return _evaluate_setups(table, profile_of(profile or AUTOMATIC))


@dataclass(frozen=True)
class _Table:
    """A table of points whose cells are checked as they are read."""

    points: pd.DataFrame
    fidelity: Fidelity
    file: str | None

    def fault(self, row: int | None, column: str, message: str) -> Fault:
        # Line 1 of a CSV file holds the names of the columns.
        return Fault(self.file or "points", None if row is None else row + 2, column, message)

    def require(self, columns: Iterable[str]) -> None:
        missing = [name for name in columns if name not in self.points.columns]
        if missing:
            raise ScenarioError(
                [self.fault(None, name, "the column is missing, expected one value a row") for name in missing]
            )

    def numbers(self, column: str) -> Array:
        import pandas as pd

        values = pd.to_numeric(self.points[column], errors="coerce").to_numpy(dtype=float)
        least = 0.0 if column in _MAY_BE_ZERO else np.nextafter(0.0, 1.0)
        wrong = ~(np.isfinite(values) & (values >= least))
        expected = "a number from 0 on" if column in _MAY_BE_ZERO else "a number above 0"
        self._refuse(column, wrong, expected)
        return values

    def reserves(self) -> Array:
        """Bytes of each GPU that a row reserves; NaN where it leaves that to its engine."""
        column = "memory_reserve_gb"
        if column not in self.points.columns:
            return np.full(len(self.points), np.nan)
        empty = self.points[column].isna().to_numpy()
        filled = _Table(self.points.assign(**{column: self.points[column].fillna(0.0)}), self.fidelity, self.file)
        return np.where(empty, np.nan, filled.numbers(column) * 1e9)

    def exchanges(self) -> Array:
        """Numbers of the exchanges of experts; ``USUAL`` where a row does not say."""
        if "exchange" not in self.points.columns:
            return np.full(len(self.points), USUAL)
        empty = self.points["exchange"].isna().to_numpy()
        filled = self.points.assign(exchange=self.points["exchange"].fillna(EXCHANGES[0]))
        words = _Table(filled, self.fidelity, self.file).words("exchange", EXCHANGES)
        numbers: dict[str, float] = {name: float(number) for number, name in enumerate(EXCHANGES)}
        return np.where(empty, USUAL, [numbers[word] for word in words])

    def words(self, column: str, allowed: Iterable[str]) -> list[str]:
        known = tuple(allowed)
        values = [str(value) for value in self.points[column]]
        self._refuse(column, np.array([value not in known for value in values]), f"one of {', '.join(known)}")
        return values

    def optional(self, column: str) -> Array:
        if column in self.points.columns:
            return self.numbers(column)
        return np.full(len(self.points), OPTIONAL_COLUMNS[column])

    def prompts(self) -> dict[str, Array]:
        """Sizes of requests whose prompts share the passes; decoding starts where the prompt ends."""
        prompt, given = self.numbers("prompt_tokens"), "prefix_hit" in self.points.columns
        found = self.numbers("prefix_hit") if given else np.zeros(len(self.points))
        if given:
            self._refuse("prefix_hit", found >= 1.0, "a number from 0 on and below 1")
        self._refuse("output_tokens", self.numbers("output_tokens") < 1.0, "at least 1 with prompt_tokens")
        several = self.numbers("tokens_per_pass") != 1.0
        self._refuse("tokens_per_pass", several, "1 with prompt_tokens: what a pass of several yields is not said")
        return {"prompt_tokens": prompt, "context_tokens": prompt, "prefix_hit": found}

    def _refuse(self, column: str, wrong: np.ndarray[tuple[int], np.dtype[np.bool_]], expected: str) -> None:
        rows = np.flatnonzero(wrong)
        if len(rows):
            cells = self.points[column].tolist()
            raise ScenarioError(
                [
                    self.fault(int(row), column, f"found {found(cells[int(row)])}, expected {expected}")
                    for row in rows[:20]
                ]
            )

    def with_words(self) -> _Table:
        """The same table with optional words filled in, all of them known.

        An empty ``engine`` is that of rows which were priced by the equations alone.
        """
        points = self.points
        if "engine" in points.columns:
            points = points.assign(engine=points["engine"].fillna(ALONE))
        table = _Table(points, self.fidelity, self.file)
        given = {
            name: table.words(name, known) if name in points.columns else [default] * len(points)
            for name, (default, known) in OPTIONAL_WORDS.items()
        }
        return _Table(points.assign(**given), self.fidelity, self.file)

    def named(self, column: str, look_up: Callable[[str, catalog.Collection], object]) -> dict[str, object]:
        """Look up every name of a column once."""
        collection = catalog.Collection.PAPER if self.fidelity is Fidelity.PAPER else catalog.Collection.REAL
        entries: dict[str, object] = {}
        faults = []
        for row, (cell, empty) in enumerate(zip(self.points[column], self.points[column].isna(), strict=True)):
            name = str(cell)
            if name in entries:
                continue
            if empty:
                entries[name] = None
                faults.append(self.fault(row, column, "found an empty cell, expected a name of the catalog"))
                continue
            try:
                entries[name] = look_up(name, collection)
            except ScenarioError as error:
                entries[name] = None
                faults += [self.fault(row, column, fault.message) for fault in error.faults]
        if faults:
            raise ScenarioError(faults)
        return entries

    def groups(
        self, columns: list[str]
    ) -> list[tuple[tuple[Hashable, ...], np.ndarray[tuple[int], np.dtype[np.intp]]]]:
        """Rows with equal values of ``columns``."""
        positions = self.points[columns].astype(str).reset_index(drop=True).groupby(columns, sort=False).indices
        return [(key if isinstance(key, tuple) else (key,), np.asarray(rows)) for key, rows in positions.items()]


def _evaluate_closed_forms(table: _Table) -> pd.DataFrame:
    table = _Table(table.points, Fidelity.PAPER, table.file)
    table.require(CLOSED_FORM_COLUMNS)
    table.words("equation", _CLOSED_FORMS)
    models, accelerators = (
        table.named("model", catalog.model),
        table.named("accelerator", catalog.accelerator),
    )
    numbers = {name: table.numbers(name) for name in ("gpus", "batch", "context_tokens")}
    latency = np.zeros(len(table.points))
    for (equation, model, accelerator), rows in table.groups(["equation", "model", "accelerator"]):
        shape, device = models[str(model)], accelerators[str(accelerator)]
        assert isinstance(shape, PaperModel)
        assert isinstance(device, Accelerator)
        latency[rows] = _CLOSED_FORMS[str(equation)](
            shape, device, numbers["gpus"][rows], numbers["batch"][rows], numbers["context_tokens"][rows]
        )
    return table.points.assign(latency_s=latency)


def _evaluate_setups(table: _Table, calibration_of: Callable[[Accelerator], Calibration | None]) -> pd.DataFrame:
    deployable = table.fidelity is Fidelity.DEPLOYABLE
    reads_prompts = deployable and "context_tokens" not in table.points and "prompt_tokens" in table.points
    columns_needed = [*SETUP_COLUMNS, *(["weights"] if deployable else [])]
    if reads_prompts:
        columns_needed += ["prompt_tokens", "output_tokens"]
        columns_needed.remove("context_tokens")
    table.require(columns_needed)
    models, accelerators = (
        table.named("model", catalog.model),
        table.named("accelerator", catalog.accelerator),
    )
    layout = np.array([value == "2d" for value in table.words("tensor_layout", ("1d", "2d"))], dtype=bool)
    numbers = {name: table.numbers(name) for name in SETUP_COLUMNS[3:] if name in table.points}
    keys = ["model", "accelerator"]
    if deployable:
        numbers |= {name: table.optional(name) for name in OPTIONAL_COLUMNS}
        numbers |= {"reserve": table.reserves(), "exchange": table.exchanges()}
        numbers |= table.prompts() if reads_prompts else {}
        table = table.with_words()
        keys += ["weights", *OPTIONAL_WORDS]
    columns: dict[str, Array] = {}
    feasible = np.zeros(len(table.points), dtype=bool)
    for key, rows in table.groups(keys):
        model, accelerator = models[str(key[0])], accelerators[str(key[1])]
        assert isinstance(model, Model | PaperModel)
        assert isinstance(accelerator, Accelerator)
        shape, precision = _shape(table, int(rows[0]), model, accelerator, key)
        part = {name: values[rows] for name, values in numbers.items()}
        servers: list[Server | None] = [None]
        known = None
        if isinstance(model, Model) and precision is not None:
            accelerator = replace(accelerator, calibration=calibration_of(accelerator))
            known = validated(accelerator, model, precision.label)
            servers = _servers(table, int(rows[0]), model, precision, accelerator, key)
        found = priced_rows(shape, accelerator, part, layout[rows], servers, known)
        feasible[rows] = found.feasible
        for name, value in found.columns.items():
            columns.setdefault(name, np.zeros(len(table.points), dtype=value.dtype))[rows] = value
    return table.points.assign(**columns, feasible=feasible)


def _servers(
    table: _Table,
    row: int,
    model: Model,
    precision: Precision,
    accelerator: Accelerator,
    key: tuple[Hashable, ...],
) -> list[Server | None]:
    """Servers that rows may run on; the equations alone where none was asked for."""
    profiles = profiles_of((str(key[4]),))
    for _, message in unserved(profiles, [accelerator]):
        raise ScenarioError([table.fault(row, "accelerator", message)])
    return [*EngineChoices(profiles, str(key[0])).servers(model, precision, accelerator)] or [None]


def _shape(
    table: _Table, row: int, model: Model | PaperModel, accelerator: Accelerator, key: tuple[Hashable, ...]
) -> tuple[Architecture, Precision | None]:
    """The model of some rows at their precision; wrong precisions are faults of the first of them."""
    if isinstance(model, PaperModel):
        return architecture(model, None, accelerator), None
    weights, kv_cache = str(key[2]), next(each for each in KV_CACHES if each == key[3])
    if not takes_cache(accelerator, kv_cache):
        message = f"found {kv_cache}, which needs 8-bit arithmetic, expected bf16 on {accelerator.name}"
        raise ScenarioError([table.fault(row, "kv_cache", message)])
    try:
        precision = Precision(parsed(weights), kv_cache)
        return architecture(model, precision, accelerator), precision
    except ScenarioError as error:
        raise ScenarioError([table.fault(row, "weights", fault.message) for fault in error.faults]) from None
