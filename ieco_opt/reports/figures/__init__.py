"""Results as pictures: figures of matplotlib, and files of .png, .svg or .html. Nothing heavy is imported early."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ieco_opt.defaults import UprightAxis

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ieco_opt.calibration.validation import Validation
    from ieco_opt.results.answer import Answer
    from ieco_opt.results.frontier import Frontier
    from ieco_opt.results.plan import FleetResult
    from ieco_opt.results.variations import Variations

__all__ = ["figure_of", "overlay", "save", "save_overlay", "save_plan", "save_validation"]


def figure_of(result: Answer, y: str = "cost") -> Figure:
    """Draw a result: a frontier or one deployment, a plan or a frontier of plans, or a comparison.

    Parameters
    ----------
    y
        What the upright axis of a frontier shows: ``cost``, or ``tokens_per_gpu`` (output tokens/s of a GPU).

    Raises
    ------
    ScenarioError
        The object has no picture or none with this axis, or matplotlib is missing.
    """
    from ieco_opt.reports.figures import upright
    from ieco_opt.results.frontier import Frontier
    from ieco_opt.results.plan import FleetResult

    _load_library()
    upright.check(y)
    if isinstance(result, Frontier):
        # A point alone in a plane says less than where its time goes, unless a stopped search left something open.
        if len(result) == 1 and (result.question.kind != "frontier" or not result.open_regions):
            from ieco_opt.reports.figures import deployment

            return deployment.draw(result)
        from ieco_opt.reports.figures import frontier

        return frontier.draw(result, y)
    if isinstance(result, FleetResult):
        if result.is_frontier and len(result) != 1:
            from ieco_opt.reports.figures import fleet_frontier

            return fleet_frontier.draw(result, y)
        from ieco_opt.reports.figures import fleet_plan

        if not result.is_frontier:
            upright.refuse(y, "a plan, expected a frontier")
        return fleet_plan.draw(result)
    upright.refuse(y, "a comparison, expected a frontier")
    return _comparison(result)


def _comparison(result: object) -> Figure:
    from ieco_opt.errors import ScenarioError
    from ieco_opt.reports.figures import comparison, comparison_bars
    from ieco_opt.results.comparison import Comparison

    if not isinstance(result, Comparison):
        kinds = "a frontier, a deployment's answer, a fleet's plan or frontier, or a comparison"
        raise ScenarioError.single(f"found {type(result).__name__}, expected {kinds}")
    if comparison_bars.is_drawn_as_bars(result):
        return comparison_bars.draw(result)
    return comparison.draw(result)


def overlay(results: Sequence[Answer], y: str = "cost", notes: Sequence[str] = ()) -> Figure:
    """Draw frontiers of several scenarios in one picture, with notes above it; a single one as by :func:`figure_of`.

    Raises
    ------
    ScenarioError
        There is none, one of them is no frontier of deployments, or matplotlib is missing.
    """
    from ieco_opt.reports.figures import several_frontiers

    _load_library()
    frontiers = _frontiers(results)
    if len(frontiers) == 1 and not notes:
        return figure_of(frontiers[0], y)
    return several_frontiers.draw(frontiers, y, notes)


def _load_library() -> None:
    """Import matplotlib, whatever backend the environment asks for: no picture here needs one."""
    import os

    from ieco_opt.documents.destinations import require_library

    require_library("matplotlib")
    asked = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib  # noqa: F401
    finally:
        if asked is not None:
            os.environ["MPLBACKEND"] = asked


def _frontiers(results: Sequence[Answer]) -> list[Frontier]:
    """Refuse what does not go into one picture."""
    from ieco_opt.errors import ScenarioError
    from ieco_opt.results.frontier import Frontier

    frontiers = [each for each in results if isinstance(each, Frontier)]
    others = [type(each).__name__ for each in results if not isinstance(each, Frontier)]
    if others or not frontiers:
        raise ScenarioError.single(f"found {others[0] if others else 'none'}, expected frontiers of deployments")
    return frontiers


def save(result: Answer, path: str | Path, y: str = "cost") -> Figure:
    """Draw a result into a file, and return the figure too; equal results, equal bytes.

    Parameters
    ----------
    path
        File whose ending is .png, .svg, or .html for a page that also holds the table.
    y
        As of :func:`figure_of`.

    Raises
    ------
    ScenarioError
        As of :func:`figure_of`; or the ending is unknown, or the file cannot be written.
    """
    from ieco_opt.reports import text

    return _saved(
        lambda: figure_of(result, y), path, lambda: result.scenario.name, lambda width: text.render(result, width)
    )


def save_overlay(
    results: Sequence[Answer],
    path: str | Path,
    y: str = "cost",
    *,
    notes: Sequence[str] = (),
    tables: Sequence[Answer] | None = None,
) -> Figure:
    """Like :func:`save` for the picture of :func:`overlay`; a page holds all tables, or those of ``tables``."""
    from ieco_opt.reports import text
    from ieco_opt.reports.text import several

    return _saved(
        lambda: overlay(results, y, notes),
        path,
        lambda: several.heading(_frontiers(results))[0],
        lambda width: "\n\n\n".join(text.render(each, width) for each in tables or results),
    )


def save_plan(
    result: FleetResult, variations: Variations | None, path: str | Path, y: UprightAxis | None = None
) -> Figure:
    """Like :func:`save` for the plan of one workload, of which the best at other speeds may be known.

    Parameters
    ----------
    y
        What the curve over speed shows upright: ``cost`` ($/h), ``tokens_per_gpu`` or by default what was sought.
        Without a curve the picture is that of :func:`figure_of`.
    """
    from ieco_opt.reports import text

    def draw() -> Figure:
        if variations is None or not variations.speeds:
            return figure_of(result, y or "cost")
        from ieco_opt.reports.figures import plan_curve

        _load_library()
        return plan_curve.draw(result, variations, y)

    return _saved(draw, path, lambda: result.scenario.name, lambda width: text.render(result, width))


def save_validation(validation: Validation, path: str | Path) -> Figure:
    """Like :func:`save` for predicted against measured times."""
    from ieco_opt.reports.figures import validation as picture
    from ieco_opt.reports.text import validation as text

    def draw() -> Figure:
        _load_library()
        return picture.draw(validation)

    return _saved(draw, path, lambda: validation.file, lambda width: text.render(validation, width))


def _saved(
    draw: Callable[[], Figure], path: str | Path, name: Callable[[], str], table: Callable[[int], str]
) -> Figure:
    from ieco_opt.reports.figures import style

    path = Path(path)
    style.check_plot_ending(path)
    figure = draw()
    style.save(figure, path, name=name(), table=lambda: table(style.TABLE_WIDTH))
    return figure
