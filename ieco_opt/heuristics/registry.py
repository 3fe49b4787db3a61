"""Heuristics by name: those of ieco_opt, and those that other packages bring through an entry point."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module, metadata
from types import MappingProxyType

from ieco_opt.errors import ScenarioError
from ieco_opt.heuristics.interface import Heuristic

GROUP = __package__
"""Group of entry points that a package of one's own declares; each names a heuristic, or a class of one."""

BUILT_IN: Mapping[str, str] = MappingProxyType(
    {
        "paper-grid": "ieco_opt.heuristics.paper_grid:PaperGrid",
        "rounded-grid": "ieco_opt.heuristics.rounded_grid:RoundedGrid",
        "rule-of-thumb": "ieco_opt.heuristics.rule_of_thumb:RuleOfThumb",
        "coarse-grid": "ieco_opt.heuristics.coarse_grid:CoarseGrid",
        "coordinate-descent": "ieco_opt.heuristics.coordinate_descent:CoordinateDescent",
        "random": "ieco_opt.heuristics.random_search:RandomSearch",
        "nsga2": "ieco_opt.heuristics.nsga2:Nsga2",
    }
)


def names() -> tuple[str, ...]:
    """Names of all heuristics, those of ieco_opt first."""
    others = {entry.name for entry in metadata.entry_points(group=GROUP)} - set(BUILT_IN)
    return (*BUILT_IN, *sorted(others))


def get(name: str) -> Heuristic:
    """Heuristic of a name; a name of ieco_opt cannot be taken by another package.

    Raises
    ------
    ScenarioError
        The name is unknown, or what it names cannot be imported or is no heuristic.
    """
    if name in BUILT_IN:
        module, attribute = BUILT_IN[name].split(":")
        return _checked(name, getattr(import_module(module), attribute))
    for entry in metadata.entry_points(group=GROUP):
        if entry.name == name:
            try:
                loaded = entry.load()
            except (ImportError, AttributeError) as error:
                message = f"'{name}' ({entry.value}) cannot be imported: {error}"
                raise ScenarioError.single(message, field="heuristic") from error
            return _checked(name, loaded)
    raise ScenarioError.single(f"found '{name}', expected one of {', '.join(names())}", field="heuristic")


def chosen(wanted: Sequence[str], resolution: int | None = None) -> tuple[Heuristic, ...]:
    """Heuristics of some names, or all of ieco_opt that can run here; ``resolution`` is that of the grid searches.

    Raises
    ------
    ScenarioError
        A name is unknown, or the resolution is below 2.
    """
    if resolution is not None and resolution < 2:
        raise ScenarioError.single(f"found {resolution}, expected at least 2", field="resolution")
    available = [name for name in BUILT_IN if name != "nsga2" or importlib.util.find_spec("pymoo") is not None]
    found = [get(name) for name in (wanted or available)]
    return tuple(found) if resolution is None else _with_grids(found, resolution=resolution)


def sharing(heuristics: Sequence[Heuristic]) -> tuple[Heuristic, ...]:
    """The same heuristics; those that propose of the same searches search once."""
    return _with_grids(heuristics, searches={})


def _with_grids(heuristics: Sequence[Heuristic], **changes: object) -> tuple[Heuristic, ...]:
    """The same heuristics with other fields of the grid searches among them."""
    from ieco_opt.heuristics.paper_grid import PaperGrid
    from ieco_opt.heuristics.rounded_grid import RoundedGrid

    return tuple(
        replace(item, **changes) if isinstance(item, PaperGrid | RoundedGrid) else item  # type: ignore[arg-type]
        for item in heuristics
    )


def _checked(name: str, found: object) -> Heuristic:
    heuristic = found() if isinstance(found, type) else found
    if not callable(getattr(heuristic, "propose", None)) or not isinstance(getattr(heuristic, "name", None), str):
        message = f"'{name}' is {found!r}, expected an object with a name and propose(scenario, budget)"
        raise ScenarioError.single(message, field="heuristic")
    return heuristic  # type: ignore[return-value]
