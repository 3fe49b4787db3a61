"""What every answer offers to those who look at it: files, a picture, and itself in a notebook."""

from __future__ import annotations

from abc import abstractmethod
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ieco_opt.defaults import UprightAxis
from ieco_opt.errors import IecoOptError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

PAINTERS = "ieco_opt.painters"
"""Entry points that draw results; ieco_opt.reports.figures brings the one that is used, named ``figures``."""

LAUNCHERS = "ieco_opt.launchers"
"""Entry points that say how results are started; ieco_opt.results.launching is the one that is used, ``servers``."""


class ShownAnswer:
    """Mixin of the kinds of answers."""

    __slots__ = ()

    @abstractmethod
    def main_table(self) -> pd.DataFrame:
        """The table that a CSV or Parquet file holds."""

    def tables_beside(self) -> dict[str, pd.DataFrame]:
        """Tables in files beside the main one, by what their names end with."""
        return {}

    def to_json(self, path: str | Path | None = None) -> str:
        """Write the result with its scenario, versions and proofs; also returns the text.

        Raises
        ------
        ScenarioError
            The file cannot be written.
        """
        from ieco_opt.documents.destinations import replace_file
        from ieco_opt.results.encoding import to_json

        text = to_json(self)  # type: ignore[arg-type]
        if path is not None:
            replace_file(Path(path), text.encode())
        return text

    def to_csv(self, path: str | Path) -> None:
        """Write the main table, and others beside it (``NAME.nodes.csv``)."""
        from ieco_opt.results.writing import write

        write(self, Path(path), "csv")

    def to_parquet(self, path: str | Path) -> None:
        """Like :meth:`to_csv`, in Parquet (needs the extra ``parquet``)."""
        from ieco_opt.results.writing import write

        write(self, Path(path), "parquet")

    def plot(self, path: str | Path | None = None, *, y: UprightAxis = "cost") -> Figure:
        """Draw the result (needs the extra ``plot``); a file is written only where one is given.

        Parameters
        ----------
        path
            A .png, .svg or .html file.
        y
            What the upright axis of a frontier shows: ``cost``, or ``tokens_per_gpu`` (output tokens/s of a GPU).

        Returns
        -------
        matplotlib.figure.Figure
            Of its own, known to no window and no global state.
        """
        painter = painter_of_results()
        figure: Figure = painter.figure_of(self, y) if path is None else painter.save(self, path, y)
        return figure

    def __repr__(self) -> str:
        """A dozen lines at most that say what the result is."""
        from ieco_opt.results.summary import summary

        return "\n".join(summary(self))  # type: ignore[arg-type]

    def _repr_html_(self) -> str:
        """What a notebook shows: the summary and the table."""
        from ieco_opt.results.summary import html_of

        return html_of(self)


def painter_of_results() -> Any:
    """The module that draws results.

    Raises
    ------
    IecoOptError
        None is installed.
    """
    return installed_part(PAINTERS, "figures", "draws results")


def launcher_of_results() -> Any:
    """The module that says how results are started; errors as of :func:`painter_of_results`."""
    return installed_part(LAUNCHERS, "servers", "launches results")


def installed_part(group: str, name: str, does: str) -> Any:
    """A module found by its entry point, because records know neither who draws nor who solves.

    Raises
    ------
    IecoOptError
        None is installed.
    """
    found = metadata.entry_points(group=group, name=name)
    if not found:
        raise IecoOptError(f"nothing that {does} is installed (no entry point '{name}' of {group})")
    return next(iter(found)).load()
