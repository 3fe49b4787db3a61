"""What NVIDIA AIConfigurator saves: ``pareto.csv`` and ``best_config_topn.csv``.

Read from the code of aiconfigurator 0.12.0 and aiconfigurator-core 0.12.0: columns from ``ColumnsAgg`` and
``ColumnsDisagg`` of ``aiconfigurator_core/sdk/common.py``, files from ``aiconfigurator/cli/report_and_save.py``.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ieco_opt.documents.origin import shortened
from ieco_opt.documents.text_file import read_text
from ieco_opt.documents.yaml_document import parse as parse_yaml
from ieco_opt.errors import Fault, ScenarioError
from ieco_opt.importing.points import Row, distinct, require, rows_of
from ieco_opt.scenario.fleet import OperatingPoint

READ_VERSION = "0.12.0"

FILES = ("best_config_topn.csv", "pareto.csv")
_ASKED = "exp_config.yaml"

PREFILL_SHARE, DECODE_SHARE = 0.9, 0.92
"""Shares of a worker's rate that it keeps beside others (``aiconfigurator/sdk/picking.py:33``)."""

_ROUNDED = 0.01
"""Relative difference that three decimals of a rate explain."""

_SHARED = ("model", "isl", "osl", "ttft", "tokens/s/user", "seq/s", "num_total_gpus")
_AGG = (*_SHARED, "bs", "tp", "pp", "dp", "backend", "system")
_DISAGG = (
    *_SHARED,
    *(f"({side}){name}" for side in "pd" for name in ("workers", "seq/s/worker", "bs", "tp", "pp", "dp")),
    *(f"({side}){name}" for side in "pd" for name in ("backend", "system")),
)


@dataclass(frozen=True, slots=True)
class Recommended:
    """A row of ``best_config_topn.csv``: one replica, which is run as often as there is place.

    Attributes
    ----------
    gpus, requests_per_s
        Of one replica.
    accelerators
        Names in the catalog; two where prefill and decode run on different ones.
    speed_tokens_per_s, time_to_first_token_s
        What one request sees.
    """

    gpus: int
    requests_per_s: float
    accelerators: frozenset[str]
    speed_tokens_per_s: float
    time_to_first_token_s: float


@dataclass(frozen=True, slots=True)
class AicFigures:
    """What was read.

    Attributes
    ----------
    model, isl, osl
        What was asked about.
    backends
        Servers that the figures are of.
    ttft_s, tpot_ms
        Limits that AIConfigurator was given, where ``exp_config.yaml`` says so.
    points
        Operating points: of an aggregated row one, of a disaggregated one its two workers.
    recommended
        What AIConfigurator recommends.
    notes
        What is to be known of the figures.
    """

    model: str
    isl: int
    osl: int
    backends: tuple[str, ...]
    ttft_s: float | None
    tpot_ms: float | None
    points: tuple[OperatingPoint, ...]
    recommended: tuple[Recommended, ...]
    notes: tuple[str, ...]

    def recommended_rate(
        self, gpus: int, accelerator: str, ttft_s: float | None = None, tpot_ms: float | None = None
    ) -> float | None:
        """Requests/s of what is recommended on so many GPUs, as often as it fits; ``None`` if nothing does."""
        rates = [
            gpus // each.gpus * each.requests_per_s
            for each in self.recommended
            if each.accelerators == {accelerator}
            and (ttft_s is None or each.time_to_first_token_s <= ttft_s)
            and (tpot_ms is None or each.speed_tokens_per_s >= 1000.0 / tpot_ms)
        ]
        best = max(rates, default=0.0)
        return best or None


def read_aic(places: Sequence[pathlib.Path], backend: str | None = None) -> AicFigures:
    """Read what AIConfigurator saved.

    Parameters
    ----------
    places
        Folders that ``--save-dir`` named, or folders in them, or the files.
    backend
        Server whose rows alone count.

    Raises
    ------
    ScenarioError
        Where no file is found, with the faults of its cells, or where rows are of several models, sizes or, split into
        prefill and decode, of several servers.
    """
    files = [file for place in places for file in _files(place)]
    tables = [(file, *rows_of(file)) for file in files]
    rows = [(row, _is_split(header, str(file))) for file, header, listed in tables for row in listed]
    rows = [(row, split) for row, split in rows if backend is None or backend in _backends(row, split)]
    if not rows:
        raise ScenarioError.single(
            f"found no rows{f' of {backend}' if backend else ''}, expected some", file=shortened(map(str, files))
        )
    model, isl, osl = (_alike([row for row, _ in rows], column) for column in ("model", "isl", "osl"))
    _check_servers(rows)
    notes = [*_notes_on_rates([row for row, split in rows if split])]
    encoders = [
        row for row, split in rows if split and row.cells.get("(e)workers", "0").strip() not in {"", "0", "0.0"}
    ]
    if encoders:
        notes.append(f"{_counted(encoders)} with workers for images, which no plan counts, left out")
    used = [(row, split) for row, split in rows if row not in encoders and row.number("seq/s") > 0]
    points = distinct(point for row, split in used for point in _points(row, split))
    best = tuple(_recommended(row, split) for row, split in used if pathlib.Path(row.file).name == FILES[0])
    ttft_ms, tpot_ms = _limits(files)
    return AicFigures(
        model=model,
        isl=int(float(isl)),
        osl=int(float(osl)),
        backends=tuple(sorted({name for row, split in rows for name in _backends(row, split)})),
        ttft_s=None if ttft_ms is None else ttft_ms / 1000.0,
        tpot_ms=tpot_ms,
        points=points,
        recommended=best,
        notes=tuple(notes),
    )


def _files(place: pathlib.Path) -> list[pathlib.Path]:
    if place.is_file():
        return [place]
    files = sorted(file for name in FILES for file in place.rglob(name)) if place.is_dir() else []
    if not files:
        what = f"neither {' nor '.join(FILES)} in it" if place.is_dir() else "no such file or folder"
        expected = "a folder that `aiconfigurator cli default --save-dir` wrote"
        raise ScenarioError.single(f"found {what}, expected {expected}", file=str(place))
    return files


def _is_split(header: Sequence[str], file: str) -> bool:
    """Whether a table is of prefill and decode workers; others are of aggregated ones."""
    split = "(d)tp" in header
    require(header, _DISAGG if split else _AGG, file)
    return split


def _backends(row: Row, split: bool) -> set[str]:
    return {row.text(column) for column in (("(p)backend", "(d)backend") if split else ("backend",))}


def _alike(rows: Sequence[Row], column: str) -> str:
    first = rows[0].text(column)
    other = next((row for row in rows if row.text(column) != first), None)
    if other is not None:
        message = f"found {other.text(column)!r} beside {first!r} of {rows[0].file}, expected one {column} in all files"
        raise other.fault(column, message)
    return first


def _check_servers(rows: Sequence[tuple[Row, bool]]) -> None:
    """Servers exchange a cache only with their like, and a plan may pair any prefill point with any decode point."""
    servers = dict.fromkeys(name for row, split in rows if split for name in sorted(_backends(row, split)))
    if len(servers) > 1:
        message = f"found rows of {', '.join(servers)}, expected one server, since prefill and decode share a cache"
        raise ScenarioError([Fault(None, None, "--backend", message)])


def _notes_on_rates(rows: Sequence[Row]) -> Iterator[str]:
    """Say so where the rate of a row is not what its workers give with the shares of the version that was read."""
    wrong = []
    for row in rows:
        prefill = row.number("(p)seq/s/worker") * row.number("(p)workers") * PREFILL_SHARE
        decode = row.number("(d)seq/s/worker") * row.number("(d)workers") * DECODE_SHARE
        rate = row.number("seq/s")
        if abs(min(prefill, decode) - rate) > _ROUNDED * max(rate, 0.1):
            wrong.append(row)
    if wrong:
        yield (
            f"seq/s of {_counted(wrong)} is not what their workers give with the shares {PREFILL_SHARE} and "
            f"{DECODE_SHARE} of AIConfigurator {READ_VERSION}, by which capacities are counted here "
            f"(first {wrong[0].file}:{wrong[0].line})"
        )


def _counted(rows: Sequence[Row]) -> str:
    return f"{len(rows)} row{'' if len(rows) == 1 else 's'}"


def _layout(row: Row, side: str = "") -> str:
    degrees = [("TP", "tp"), ("PP", "pp"), ("DP", "dp"), ("EP", "moe_ep"), ("CP", "cp")]
    told = [(short, row.whole(f"{side}{name}", 1)) for short, name in degrees]
    layout = " ".join(f"{short}{degree}" for short, degree in told if degree > 1 or short == "TP")
    return f"{side}{layout} b{row.whole(f'{side}bs')}"


def _gpus(row: Row, side: str) -> int:
    return row.whole(f"{side}tp") * row.whole(f"{side}pp") * row.whole(f"{side}dp") * row.whole(f"{side}cp", 1)


def _points(row: Row, split: bool) -> list[OperatingPoint]:
    """The operating points of a row."""
    speed, first = row.above_zero("tokens/s/user"), row.above_zero("ttft") / 1000.0
    if not split:
        return [
            row.point(
                accelerator=row.accelerator("system"),
                gpus=row.whole("num_total_gpus"),
                throughput_requests_per_s=row.above_zero("seq/s"),
                speed_tokens_per_s=speed,
                time_to_first_token_s=first,
                kind=f"{_layout(row)} {row.text('backend')}",
            )
        ]
    workers = {side: row.whole(f"{side}workers") * _gpus(row, side) for side in ("(p)", "(d)")}
    if sum(workers.values()) != row.whole("num_total_gpus"):
        message = f"found {row.whole('num_total_gpus')}, expected {sum(workers.values())}, the GPUs of all workers"
        raise row.fault("num_total_gpus", message)
    prefill = row.point(
        accelerator=row.accelerator("(p)system"),
        gpus=_gpus(row, "(p)"),
        throughput_requests_per_s=row.above_zero("(p)seq/s/worker") * PREFILL_SHARE,
        time_to_first_token_s=first,
        phase="prefill",
        kind=_layout(row, "(p)"),
    )
    decode = row.point(
        accelerator=row.accelerator("(d)system"),
        gpus=_gpus(row, "(d)"),
        throughput_requests_per_s=row.above_zero("(d)seq/s/worker") * DECODE_SHARE,
        speed_tokens_per_s=speed,
        phase="decode",
        kind=_layout(row, "(d)"),
    )
    return [prefill, decode]


def _recommended(row: Row, split: bool) -> Recommended:
    systems = ("(p)system", "(d)system") if split else ("system",)
    return Recommended(
        gpus=row.whole("num_total_gpus"),
        requests_per_s=row.number("seq/s"),
        accelerators=frozenset(map(row.accelerator, systems)),
        speed_tokens_per_s=row.number("tokens/s/user"),
        time_to_first_token_s=row.number("ttft") / 1000.0,
    )


def _limits(files: Sequence[pathlib.Path]) -> tuple[float | None, float | None]:
    """TTFT and TPOT in ms that were asked for, where all files say the same."""
    found = set()
    for folder in {file.parent for file in files}:
        asked = folder / _ASKED
        values = parse_yaml(read_text(asked), str(asked)).values if asked.is_file() else None
        known = values if isinstance(values, dict) else {}
        found.add((_positive(known.get("ttft")), _positive(known.get("tpot"))))
    return found.pop() if len(found) == 1 else (None, None)


def _positive(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None
