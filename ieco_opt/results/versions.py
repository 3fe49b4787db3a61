"""Versions that a result depends on."""

from __future__ import annotations

from dataclasses import dataclass

from ieco_opt.documents.types import Record, Text, Whole


@dataclass(frozen=True, slots=True)
class Versions(Record):
    """Versions of packages as they say themselves.

    Attributes
    ----------
    solver
        Name of the solver in the configuration; HiGHS is called ``highs``.
    model
        Number of the performance model, which every change of its figures raises.
    engines
        Servers that the scenario asks, by name, each with the versions that its rules and prices are for, such as
        ``>=0.33,<0.34``; empty for the equations alone.
    """

    ieco_opt: Text
    pyomo: Text
    highspy: Text
    python: Text
    solver: Text
    model: Whole
    engines: dict[Text, Text]
