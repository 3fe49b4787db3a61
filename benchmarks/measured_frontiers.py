"""Measured and predicted frontiers of tokens/s per GPU against tokens/s per user, as one picture.

A panel is a model on an accelerator, with all its measured configurations at one pair of lengths: servers, precisions,
degrees and batches. Each configuration is predicted by a fit to others, as `benchmarks/calibration.py` cross-validates.
The GPUs of configurations whose prompts run elsewhere are those that decode.

    .venv/bin/python benchmarks/measured_frontiers.py ../shared/measured/decode.csv --out frontiers.png
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from calibration import predicted_apart, problem_at_priors
from numpy.typing import NDArray

from ieco_opt import catalog
from ieco_opt.calibration.fitting import fits_to_others
from ieco_opt.calibration.measurements import read_measurements
from ieco_opt.reports.figures import style
from ieco_opt.reports.figures.picture import Picture

MODELS = ("Llama-3.1-70B", "DeepSeek-R1", "gpt-oss-120b")
ACCELERATORS = ("H100", "H200", "B200", "B300", "GB200", "GB300", "MI300X", "MI325X", "MI355X")
COLUMNS = 5
LEAST_ROWS = 5
"""Rows that a panel has at least."""

WIDTH, HEIGHT = 1.5, 1.15
GAP, LINE, HEAD = 0.16, 0.42, 0.6
LEFT, LEGEND = 0.75, 0.1
"""Inches of a panel, between panels, between lines of panels, above a model, and around all of them."""

DOTS_PER_INCH = 160

MEASURED, PREDICTED = style.COLOURS[0], style.COLOURS[5]

Array = NDArray[np.float64]


def main() -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measurements", type=Path)
    parser.add_argument(
        "--lengths", nargs=2, type=float, default=(922.0, 922.0), metavar="TOKENS", help="prompt, output"
    )
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    table = predicted_table(given.measurements)
    alike = (table["prompt_tokens"] == given.lengths[0]) & (table["output_tokens"] == given.lengths[1])
    figure = draw(table[alike])
    with style.applied():
        figure.savefig(given.out, dpi=DOTS_PER_INCH, pad_inches=0.1)


def predicted_table(path: Path) -> pd.DataFrame:
    """The measurements with the time that a fit to other configurations predicts, and names of the catalog."""
    measurements = read_measurements(path)
    problem = problem_at_priors(measurements)
    table = measurements.table.iloc[problem.rows].reset_index(drop=True)
    return table.assign(
        model=table["model"].map(lambda name: catalog.model(name).name),
        predicted_s=predicted_apart(problem, [*fits_to_others(problem)]),
    )


def frontier(speed: Array, throughput: Array) -> NDArray[np.intp]:
    """Points that none exceeds in both, slowest first."""
    fastest_first = np.lexsort((-throughput, -speed))
    best = np.maximum.accumulate(throughput[fastest_first])
    kept = np.concatenate([[True], best[1:] > best[:-1]])
    return np.asarray(fastest_first[kept][::-1])


@style.styled
def draw(table: pd.DataFrame) -> Picture:
    """Panels of each model by accelerator, with its axes alike in all of them."""
    models = [(model, [*_panels(table[table["model"] == model])]) for model in MODELS]
    lines = [-(-len(panels) // COLUMNS) for _, panels in models]
    height = LEGEND + sum(HEAD + each * (HEIGHT + LINE) for each in lines)
    figure = Picture(figsize=(LEFT + COLUMNS * (WIDTH + GAP), height))
    top = height - LEGEND
    for (model, panels), count in zip(models, lines, strict=True):
        top -= HEAD
        limits = _limits(pd.concat([part for _, part in panels]))
        for at, (name, part) in enumerate(panels):
            down, across = divmod(at, COLUMNS)
            left, bottom = LEFT + across * (WIDTH + GAP), top - HEIGHT - down * (HEIGHT + LINE)
            axes = style.panel(figure, left, bottom, WIDTH, HEIGHT)
            _panel(axes, name, part, limits, first=across == 0, last=at + COLUMNS >= len(panels))
            if at == 0:
                axes.annotate(
                    model,
                    (0.0, 1.0),
                    xycoords="axes fraction",
                    xytext=(0.0, 19.0),
                    textcoords="offset points",
                    fontsize=10.0,
                    fontweight="bold",
                )
        top -= count * (HEIGHT + LINE)
    _legend(figure)
    return figure


def _panels(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for name in ACCELERATORS:
        part = table[table["accelerator"] == name]
        if len(part) >= LEAST_ROWS:
            yield name, part


def _points(part: pd.DataFrame, time: str) -> tuple[Array, Array]:
    """Tokens per second of a user and of a GPU."""
    speed = 1.0 / part[time].to_numpy(dtype=float)
    return speed, speed * (part["batch"] / part["gpus_per_instance"]).to_numpy(dtype=float)


def _limits(table: pd.DataFrame) -> list[tuple[float, float]]:
    both = [_points(table, time) for time in ("time_per_output_token_s", "predicted_s")]
    axes = [np.concatenate(each) for each in zip(*both, strict=True)]
    return [(float(each.min()) / 1.3, float(each.max()) * 1.3) for each in axes]


def _panel(
    axes: Any, name: str, part: pd.DataFrame, limits: list[tuple[float, float]], *, first: bool, last: bool
) -> None:
    style.logarithmic(axes.xaxis, *limits[0])
    style.logarithmic(axes.yaxis, *limits[1])
    axes.set_xticks([each for each in (10, 20, 50, 100, 200, 500) if limits[0][0] <= each <= limits[0][1]])
    axes.set_yticks([each for each in (10, 100, 1_000, 10_000) if limits[1][0] <= each <= limits[1][1]])
    style.plain_numbers(axes.xaxis, axes.yaxis)
    style.grid(axes)
    axes.tick_params(labelsize=style.SMALLEST, labelleft=first)
    if first:
        axes.set_ylabel("tokens/s per GPU", fontsize=style.SMALL)
    if last:
        axes.set_xlabel("tokens/s per user", fontsize=style.SMALL)
    axes.set_title(name, loc="left", fontsize=style.SMALL, pad=3.0)
    speed, throughput = _points(part, "time_per_output_token_s")
    axes.plot(speed, throughput, ".", color=MEASURED, alpha=0.35, markersize=4.0, markeredgewidth=0.0, zorder=2)
    for time, colour, look in (
        ("time_per_output_token_s", MEASURED, {"marker": "o", "markersize": 3.2}),
        ("predicted_s", PREDICTED, {"marker": "D", "markersize": 3.4, "markerfacecolor": "none", "linestyle": "--"}),
    ):
        speed, throughput = _points(part, time)
        kept = frontier(speed, throughput)
        axes.plot(speed[kept], throughput[kept], color=colour, linewidth=1.1, markeredgewidth=0.8, zorder=3, **look)


def _legend(figure: Picture) -> None:
    from matplotlib.lines import Line2D

    keys = [
        Line2D([], [], color=MEASURED, marker="o", markersize=3.2, linewidth=1.1, label="measured frontier"),
        Line2D([], [], color=MEASURED, marker=".", alpha=0.35, linestyle="", label="other measured configurations"),
        Line2D(
            [],
            [],
            color=PREDICTED,
            marker="D",
            markersize=3.4,
            markerfacecolor="none",
            linewidth=1.1,
            linestyle="--",
            label="predicted frontier of the same configurations",
        ),
    ]
    figure.legend(handles=keys, loc="upper right", ncols=3, frameon=False, fontsize=style.SMALL, borderaxespad=0.2)


if __name__ == "__main__":
    main()
