"""One style for every picture: fonts, colours and sizes, the parts that pictures share, and how they become files."""

from __future__ import annotations

import functools
import html
import io
import math
import textwrap
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from ieco_opt.documents.destinations import check_folder, kind_of, replace_file, require_library
from ieco_opt.reports.figures import glyphs
from ieco_opt.reports.text.table import shortened, width_of

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

KINDS = ("png", "svg", "html")
"""Kinds of pictures, which are also their endings."""

TABLE_WIDTH = 120
"""Letters a line of the table on a page."""

# Okabe and Ito's colours, with a wine red in the place of their yellow, which a white page swallows.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#882255", "#000000")
# Black hides hatching; those that follow differ from the others as well as fifteen colours can.
MANY_COLOURS = (*COLOURS[:-1], "#332288", "#999933", "#AA4499", "#661100", "#44AA99", "#6699CC", "#117733", "#4D4D4D")
MARKERS = "osD^vPX<>*"
_REST = ("#8c8c8c", "*")

STEPS: dict[str, Any] = {"color": "0.6", "linewidth": 0.9, "zorder": 2}
"""Lines between the points of a frontier."""

SPEED = "speed (output tokens/s/user)"
COST = "cost ($ per million output tokens)"
"""Names of the axes of deployments."""

SMALL, SMALLEST = 8.0, 7.0
"""Points of the letters in legends and notes, and of those in bars."""

LETTER_POINTS = 4.4
"""Width of a letter of the smallest size, rather too wide."""

_PARAMETERS: dict[str, Any] = {
    "font.size": 9.0,
    "font.family": glyphs.FAMILY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "0.4",
    "axes.axisbelow": True,
    "xtick.color": "0.3",
    "ytick.color": "0.3",
    # Without it the names inside an SVG file are random.
    "svg.hashsalt": "ieco_opt",
}
_DOTS_PER_INCH = 200
_NAME_POINTS = 10.5
_LINE_POINTS = 11.0
_LETTERS = 104
"""Letters of a line above a picture of the usual width."""

_METADATA: dict[str, dict[str, str | None]] = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
"""What matplotlib would write about itself and the time, which differs between equal pictures."""

_NAME_LETTERS = 0.62
"""Letters of a name over those of a line below it, which are smaller."""

_Parameters = ParamSpec("_Parameters")
_Drawn = TypeVar("_Drawn", bound="Figure")


# Drawing


@contextmanager
def applied() -> Iterator[None]:
    """Draw alike whatever style is set up elsewhere, which is put back afterwards."""
    from matplotlib import style

    with style.context(_PARAMETERS, after_reset=True):
        yield


def styled(draw: Callable[_Parameters, _Drawn]) -> Callable[_Parameters, _Drawn]:
    """Let a function draw in this style, every letter by a font that has it."""

    @functools.wraps(draw)
    def drawing(*arguments: _Parameters.args, **named: _Parameters.kwargs) -> _Drawn:
        with applied():
            figure = draw(*arguments, **named)
            glyphs.settle(figure)
        return figure

    return drawing


def panel(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Add axes at a place in inches, so that letters keep their distance whatever the size of the figure."""
    across, up = figure.get_size_inches()
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


def title(
    axes: Axes, name: str, lines: Sequence[str], *, lift: float = 6.0, outdent: float = 0.0, letters: int = _LETTERS
) -> None:
    """Write a name above the axes, and under it lines in small letters.

    Parameters
    ----------
    lift, outdent
        Points between the axes and the last line, and points by which all begin to the left of the axes.
    letters
        Longer lines are broken; a name is shortened.
    """
    broken = [part for line in lines for part in _broken(line, letters)]
    name = shortened(glyphs.readable(name), int(_NAME_LETTERS * letters))
    common: dict[str, Any] = {
        "xy": (0.0, 1.0),
        "xycoords": "axes fraction",
        "textcoords": "offset points",
        "annotation_clip": False,
        "verticalalignment": "bottom",
        # Names may hold dollar signs, which matplotlib would read as formulas.
        "parse_math": False,
    }
    axes.annotate("\n".join(broken), xytext=(-outdent, lift), fontsize=SMALL, color="0.35", linespacing=1.35, **common)
    above = lift + _LINE_POINTS * len(broken) + 3.0
    axes.annotate(name, xytext=(-outdent, above), fontsize=_NAME_POINTS, fontweight="bold", **common)


def _broken(line: str, letters: int) -> list[str]:
    """Break a line where it takes more columns than ``letters``."""
    line = glyphs.readable(line)
    columns = letters * len(line) // max(width_of(line), 1)
    return textwrap.wrap(line, max(columns, 1), break_on_hyphens=False)


def point(axes: Axes, x: float, y: float, marker: str, colour: str, *, proven: bool, size: float = 5.5) -> None:
    """Draw one point, hollow where it is not proven."""
    axes.plot(
        [x],
        [y],
        marker=marker,
        markersize=size,
        markerfacecolor=colour if proven else "white",
        markeredgecolor="white" if proven else colour,
        markeredgewidth=0.5 if proven else 1.2,
        zorder=3,
    )


def family_look(at: int, *, is_rest: bool = False) -> tuple[str, str]:
    """Colour and shape of the points of one family of several, or of those that are left."""
    return _REST if is_rest else (COLOURS[at % len(COLOURS)], MARKERS[at % len(MARKERS)])


def legend_key(marker: str, colour: str, label: str, fill: str | None = None, *, line: Any = "") -> Artist:
    """Build an entry of a legend: a marker, with a line of that style where there is one."""
    from matplotlib.lines import Line2D

    return Line2D(
        [],
        [],
        linestyle=line,
        linewidth=1.4,
        color=colour,
        marker=marker,
        markersize=6.0,
        markerfacecolor=fill or colour,
        markeredgecolor=colour,
        label=label,
    )


def darker(colour: str, share: float = 0.8) -> str:
    """A colour in which thin letters can be read on white."""
    parts = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{round(share * part):02x}" for part in parts)


def label_of(key: Artist | tuple[Artist, ...]) -> str:
    """Label of an entry of a legend; of several that lie upon each other that of the first."""
    return str((key[0] if isinstance(key, tuple) else key).get_label())


def space() -> Artist:
    """Build an empty entry of a legend, which sets those below it apart."""
    from matplotlib.lines import Line2D

    return Line2D([], [], linestyle="", label=" ")


def grid(axes: Axes) -> None:
    """Draw faint lines at the ticks."""
    axes.grid(color="0.92", linewidth=0.6)


def plain_numbers(*axes: Axis) -> None:
    """Write numbers at the ticks without powers of ten."""
    from matplotlib import ticker

    for axis in axes:
        axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,.10g}"))


def whole_numbers(axis: Axis) -> None:
    """Put ticks only at whole numbers, as for things that are counted."""
    from matplotlib import ticker

    axis.set_major_locator(ticker.MaxNLocator(nbins=8, integer=True, min_n_ticks=1, steps=[1, 2, 4, 5, 10]))
    plain_numbers(axis)


def logarithmic(axis: Axis, low: float, high: float, name: str = "") -> None:
    """Let an axis be logarithmic between two limits, with a name that says so and round numbers far enough apart."""
    from matplotlib import ticker

    axes, across = axis.axes, axis is axis.axes.xaxis
    (axes.set_xscale if across else axes.set_yscale)("log")
    (axes.set_xlim if across else axes.set_ylim)(low, high)
    if name:
        axis.set_label_text(f"{name}, log scale", parse_math=False)
    apart = _LEAST_ACROSS if across else _LEAST_UP
    points = (axes.bbox.width if across else axes.bbox.height) * 72.0 / axes.figure.dpi
    decades = math.log10(high / low)
    fitting = [steps for steps, closest in _STEPS_OF_TICKS if closest * points / decades >= apart]
    if high / low < _NARROW_RATIO:
        # So short a piece of a logarithmic axis looks linear, and may hold no round number of one digit.
        locator: ticker.Locator = ticker.MaxNLocator(nbins=max(2, int(points / apart / 1.5)), steps=[1, 2, 2.5, 5, 10])
    else:
        most = max(2, int(points / apart))
        locator = ticker.LogLocator(subs=fitting[0] if fitting else (1.0,), numticks=30 if fitting else most)
    axis.set_major_locator(locator)
    axis.set_minor_locator(ticker.NullLocator())
    plain_numbers(axis)


_LEAST_ACROSS, _LEAST_UP = 34.0, 15.0
"""Least points between ticks, along either axis."""

_NARROW_RATIO = 2.5

_STEPS_OF_TICKS: tuple[tuple[tuple[float, ...], float], ...] = (
    (tuple(map(float, range(1, 10))), math.log10(10.0 / 9.0)),
    ((1.0, 2.0, 3.0, 5.0), math.log10(1.5)),
    ((1.0, 2.0, 5.0), math.log10(2.0)),
    ((1.0, 3.0), math.log10(3.0)),
    ((1.0,), 1.0),
)
"""Digits at which ticks may stand, with the decades between the closest two, the most ticks first."""


# Files


def check_plot_ending(path: Path) -> None:
    """Refuse a file that a plot could not be written to.

    Raises
    ------
    ScenarioError
        The ending is unknown, matplotlib is missing, or there is no such folder.
    """
    kind_of(path, KINDS)
    require_library("matplotlib", path)
    check_folder(path)


def save(figure: Figure, path: Path, *, name: str, table: Callable[[], str]) -> None:
    """Write a figure to a file of the kind that its ending says; equal figures, equal bytes.

    Parameters
    ----------
    path
        File whose ending is one of ``KINDS``.
    name, table
        What a page of .html says besides, both as text.

    Raises
    ------
    ScenarioError
        As of :func:`check_plot_ending`, or the file cannot be written.
    """
    check_plot_ending(path)
    kind = kind_of(path, KINDS)
    content = content_of(figure, "png" if kind == "png" else "svg")
    replace_file(path, content if kind != "html" else _page(name, table(), content.decode()).encode())


def content_of(figure: Figure, kind: str) -> bytes:
    """Draw a figure as the content of a .png or .svg file."""
    buffer = io.BytesIO()
    with applied(), warnings.catch_warnings():
        # What a caller wrote into a figure of ours is no reason to write messages.
        warnings.filterwarnings("ignore", "Glyph")
        figure.savefig(
            buffer, format=kind, dpi=_DOTS_PER_INCH, metadata=_METADATA[kind], bbox_inches="tight", pad_inches=0.1
        )
    return buffer.getvalue()


def _page(name: str, table: str, picture: str) -> str:
    """Put the picture and the table on one page that needs nothing else."""
    name, table = html.escape(name), html.escape(table)
    inline = picture[picture.index("<svg") :]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{name}</title>\n"
        # The table follows a dark page; the picture keeps its light ground.
        "<style>:root{color-scheme:light dark}body{font-family:sans-serif;max-width:75em;margin:2em auto;padding:0 1em}"
        "svg{max-width:100%;height:auto;background:#fff}pre{overflow-x:auto;font-size:0.8em}</style>\n"
        f"</head>\n<body>\n{inline}\n<pre>{table}</pre>\n</body>\n</html>\n"
    )
