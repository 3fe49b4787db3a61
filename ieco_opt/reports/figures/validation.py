"""Predicted against measured times as a picture: one point a row, one colour an accelerator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ieco_opt.calibration.validation import Validation
from ieco_opt.errors import ScenarioError
from ieco_opt.reports.figures import style
from ieco_opt.reports.text.validation import heading

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INCHES = 4.2
_LEFT, _BOTTOM = 0.75, 0.6
_MARGIN = 1.25
_LETTERS = 84
_BAND = "0.93"


@style.styled
def draw(validation: Validation) -> Figure:
    """Draw predicted against measured times per output token in ms, with the line of equal times.

    The band around that line is as wide as the largest expected error of the rows.

    Raises
    ------
    ScenarioError
        No row has a prediction.
    """
    from ieco_opt.reports.figures.picture import Picture

    known = validation.table["left_out"] == ""
    if not known.any():
        raise ScenarioError.single("found no row with a prediction, expected one to draw", file=validation.file)
    table, names = validation.table[known.to_numpy()], validation.names[known.to_numpy()]
    measured = 1e3 * table["time_per_output_token_s"].to_numpy(dtype=float)
    predicted = 1e3 * table["predicted_time_per_output_token_s"].to_numpy(dtype=float)
    figure = Picture(figsize=(_LEFT + _INCHES + 1.6, _BOTTOM + _INCHES + 0.7))
    axes = style.panel(figure, _LEFT, _BOTTOM, _INCHES, _INCHES)
    low = float(min(measured.min(), predicted.min())) / _MARGIN
    high = float(max(measured.max(), predicted.max())) * _MARGIN
    style.logarithmic(axes.xaxis, low, high, "measured time per output token (ms)")
    style.logarithmic(axes.yaxis, low, high, "predicted time per output token (ms)")
    style.grid(axes)
    keys = _equal(axes, low, high, table["expected_error"])
    keys = [*_points(axes, names["accelerator"].to_numpy(), measured, predicted), style.space(), *keys]
    style.title(axes, validation.file, [*heading(validation)[1:], _errors(validation)], letters=_LETTERS)
    figure.legend(
        handles=keys,
        loc="upper left",
        bbox_to_anchor=(1.03, 1.0),
        bbox_transform=axes.transAxes,
        frameon=False,
        fontsize=style.SMALL,
        alignment="left",
        borderaxespad=0.0,
        handlelength=1.4,
    )
    return figure


def _errors(validation: Validation) -> str:
    (row,) = validation.overall.to_dict("records")
    return (
        f"{row['rows']:,} rows: median error {100.0 * row['median_error']:.1f} %, 90th percentile "
        f"{100.0 * row['p90_error']:.1f} %, bias {100.0 * row['bias']:+.1f} %"
    )


def _equal(axes: Axes, low: float, high: float, expected: pd.Series[float]) -> list[Any]:
    """The line of equal times and the band of the largest expected error; returns their keys."""
    widest, alike = float(expected.max()), expected.max() == expected.min()
    ends = np.array([low, high])
    band = axes.fill_between(ends, ends * (1.0 - widest), ends * (1.0 + widest), color=_BAND, linewidth=0.0, zorder=1)
    (line,) = axes.plot(ends, ends, color="0.4", linewidth=0.9, zorder=2)
    line.set_label("equal")
    band.set_label(f"expected error, {'' if alike else 'up to '}±{100.0 * widest:.0f} %")
    return [line, band]


def _points(axes: Axes, names: Any, measured: Any, predicted: Any) -> list[Any]:
    """One colour and marker an accelerator, those with few rows on top; returns their keys."""
    found, rows = np.unique(names.astype(str), return_counts=True)
    keys = []
    for at, name in enumerate(found):
        marker, colour = _look(at)
        mine = names == name
        axes.plot(
            measured[mine],
            predicted[mine],
            linestyle="",
            marker=marker,
            markersize=3.2,
            markerfacecolor=colour,
            markeredgecolor="white",
            markeredgewidth=0.2,
            alpha=0.75,
            zorder=3.0 + 1.0 / (1.0 + rows[at]),
        )
        keys.append(style.legend_key(marker, colour, f"{name} ({rows[at]:,})"))
    return keys


def _look(at: int) -> tuple[str, str]:
    colours = style.MANY_COLOURS
    return style.MARKERS[at % len(style.MARKERS)], colours[at % len(colours)]
