"""Figures as functions return them: matplotlib's own, which also show themselves in a notebook."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from ieco_opt.reports.figures.style import content_of


class Picture(Figure):
    """A figure that is not among those of pyplot, so that nothing needs to be closed."""

    def savefig(self, fname: Any, **options: Any) -> None:
        """Save the figure, by default with all that stands beside its axes."""
        super().savefig(fname, **({"bbox_inches": "tight"} | options))

    def _repr_svg_(self) -> str:
        """What a notebook shows, whether or not pyplot was imported."""
        return content_of(self, "svg").decode()
