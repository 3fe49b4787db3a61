"""One deployment as a picture: where the time of an output token goes, and how full each GPU is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ieco_opt.reports.figures import style
from ieco_opt.reports.text import wording
from ieco_opt.reports.text.deployment import verdict
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.frontier import Frontier

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INCHES = (7.2, 3.7)
_TIMES = (1.3, 1.2, 4.0, 1.5)
_MEMORY = (1.3, 0.45, 4.0, 0.22)
_BAR = 0.62
_LETTERS = 108
_OUTDENT = 86.0
_MOST, _OTHER, _ROOM = style.COLOURS[0], "#a8b4c0", "#f3f3f3"


@style.styled
def draw(frontier: Frontier) -> Figure:
    """Draw the parts of the time per output token (ms) one after the other, and the memory of a GPU (GB)."""
    from ieco_opt.reports.figures.picture import Picture

    deployment = frontier[0]
    figure = Picture(figsize=_INCHES)
    axes = style.panel(figure, *_TIMES)
    _times(axes, deployment)
    _memory(style.panel(figure, *_MEMORY), deployment)
    style.title(
        axes, frontier.scenario.name, _lines(frontier, deployment), lift=8.0, outdent=_OUTDENT, letters=_LETTERS
    )
    return figure


def _lines(frontier: Frontier, deployment: Deployment) -> list[str]:
    """What is drawn, and what is proven of it: of an answer that nothing is better, of a frontier what it leaves."""
    asked, what = frontier.question.kind, wording.configuration(deployment)
    head = [*wording.warning(frontier), wording.subject(frontier)]
    if asked == "frontier":
        proof = wording.proof_of_one(deployment.status, deployment.gap)
        return [*head, wording.guarantee(frontier), f"{what}; {proof}", wording.worth(deployment)]
    answer = f"{wording.answer(frontier)}: {what}"
    return [*head, answer, wording.worth(deployment), verdict(frontier, deployment)]


def _bar(axes: Axes, row: int, length: float, left: float, colour: str, *, proven: bool) -> None:
    """Draw one part of the time, hollow where the deployment is not proven, as its point would be."""
    look: dict[str, Any] = (
        {"color": colour} if proven else {"facecolor": "white", "edgecolor": colour, "linewidth": 1.2}
    )
    axes.barh(row, length, left=left, height=_BAR, **look)


def _times(axes: Axes, deployment: Deployment) -> None:
    """Launch overhead and network come first; memory and compute begin together after them."""
    times = wording.times(deployment)
    total, left = 1e3 * deployment.latency_s, 0.0
    for row, (name, seconds) in enumerate(times.items()):
        length = 1e3 * seconds
        is_most = name == deployment.bottleneck
        proven = deployment.status == "optimal"
        _bar(axes, row, length, left, _MOST if is_most else _OTHER, proven=proven)
        colour = "black" if is_most else "0.35"
        text = f"  {length:.3g} ms, {100.0 * seconds / deployment.latency_s:.3g} %" + ", bottleneck" * is_most
        axes.annotate(text, (total, row), va="center", fontsize=style.SMALL, color=colour, annotation_clip=False)
        if name not in ("memory", "compute"):
            left += length
    axes.axvline(total, color="0.4", linewidth=0.9, linestyle=(0, (4, 3)), zorder=0, clip_on=False)
    axes.annotate(f"TPOT {total:.4g} ms ", (total, -0.5), va="bottom", ha="right", fontsize=style.SMALL, color="0.35")
    axes.set_ylim(len(times) - 0.5, -0.9)
    axes.set_xlim(0.0, total)
    axes.set_yticks(range(len(times)), list(times))
    axes.tick_params(axis="y", length=0.0, labelcolor="black")
    axes.set_xlabel("time per output token (ms); memory and compute overlap")
    style.plain_numbers(axes.xaxis)


def _memory(axes: Axes, deployment: Deployment) -> None:
    used, limit = deployment.memory_per_gpu_gb, deployment.memory_limit_gb
    axes.barh(0, limit, height=1.0, color=_ROOM, edgecolor="#dddddd", linewidth=0.6)
    axes.barh(0, used, height=1.0, color=_OTHER)
    axes.annotate(
        f"  {used:.4g} of {limit:.4g} GB, {wording.percent(used / limit)}",
        (limit, 0),
        va="center",
        fontsize=style.SMALL,
        color="0.35",
    )
    axes.set_xlim(0.0, limit)
    axes.set_ylim(-0.5, 0.5)
    axes.set_yticks([0], ["memory per GPU"])
    axes.tick_params(axis="y", length=0.0, labelcolor="black")
    axes.set_xticks([])
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
