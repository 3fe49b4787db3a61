"""The catalog for people: units that can be read, and a mark on what was not looked up."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from ieco_opt.reports.text.table import LEAST_WIDTH, cells_within, wrapped

if TYPE_CHECKING:
    import pandas as pd

_Row = dict[str, object]
_Column = tuple[str, Callable[[_Row], str]]


_LEFT_OUT_FIRST = (
    *("idle W", "between nodes", "4-bit", "all-reduce GB/s", "W", "node", "8-bit"),
    *("width", "layers", "experts"),
)
"""Columns that a narrow terminal does without, in this order."""


def render_catalog(table: pd.DataFrame, kind: Literal["models", "accelerators"], width: int | None = None) -> str:
    """Render what ``catalog.to_dataframe`` returns, for so many columns of a terminal; by default with all there is."""
    columns = _ACCELERATOR_COLUMNS if kind == "accelerators" else _MODEL_COLUMNS
    rows = [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]
    cells = [[head, *(text(row) for row in rows)] for head, text in columns]
    kept, missing = cells_within(cells, width, _LEFT_OUT_FIRST)
    widths = [max(len(cell) for cell in column) for column in kept]
    lines = []
    for line in zip(*kept, strict=True):
        first, *others = zip(line, widths, strict=True)
        lines.append("  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]).rstrip())
    if missing:
        lines += ["", *(wrapped([line], width or LEAST_WIDTH) for line in missing)]
    if any(row["memory_fields"] for row in rows):
        lines += ["", "* some values were written down from memory: see `ieco-opt catalog show NAME`"]
    return "\n".join(lines)


def _number(name: str, scale: float, digits: int = 4) -> Callable[[_Row], str]:
    def text(row: _Row) -> str:
        value = row[name]
        if not isinstance(value, int | float) or math.isnan(value):
            return "-"
        return f"{value / scale:,.{digits}g}" if math.isfinite(value) else "inf"

    return text


def _name(row: _Row) -> str:
    return f"{row['name']}{' *' if row['memory_fields'] else ''}"


def _experts(row: _Row) -> str:
    experts = row["experts"]
    return f"{row['active_experts']:.0f} of {experts:.0f}" if isinstance(experts, int | float) and experts > 1 else "-"


_ACCELERATOR_COLUMNS: tuple[_Column, ...] = (
    ("accelerator", _name),
    ("16-bit TFLOP/s", _number("flops_16bit_per_s", 1e12)),
    ("8-bit", _number("flops_8bit_per_s", 1e12)),
    ("4-bit", _number("flops_4bit_per_s", 1e12, 5)),
    ("HBM GB", _number("hbm_bytes", 1e9)),
    ("TB/s", _number("hbm_bytes_per_s", 1e12)),
    ("all-reduce GB/s", _number("intra_node_bytes_per_s", 1e9)),
    ("between nodes", _number("inter_node_bytes_per_s", 1e9)),
    ("node", _number("node_size", 1)),
    ("$/h", _number("usd_per_gpu_hour", 1)),
    ("W", _number("power_w", 1, 5)),
    ("idle W", _number("idle_power_w", 1)),
)

_MODEL_COLUMNS: tuple[_Column, ...] = (
    ("model", _name),
    ("10^9 weights", _number("total_params", 1e9)),
    ("active", _number("active_params", 1e9)),
    ("cache kB/token", _number("cache_bytes_per_token", 1e3)),
    ("layers", _number("layers", 1)),
    ("width", _number("width", 1, 6)),
    ("experts", _experts),
)
