"""Small programs that were built, to be given other numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ieco_opt.programs.deployment import Columns, ProgramData, build_columns, build_program, shape_of

if TYPE_CHECKING:
    from pyomo.core.base.PyomoModel import ConcreteModel

_SMALL = 64
"""Segments up to which the components of a program take as long as its rows."""

_MOST = 32
"""Programs that are kept, those that were used last."""


class KeptPrograms:
    """Programs by their shape: steps of a search ask for one of the same few shapes again and again."""

    def __init__(self) -> None:
        self._models: dict[tuple[object, ...], Columns] = {}

    def program(self, data: ProgramData) -> ConcreteModel:
        """The program of some data, which holds until the next one is asked for."""
        if len(data.lo) > _SMALL:
            return build_program(data)
        shape = shape_of(data)
        columns = self._models[shape] = build_columns(data, self._models.pop(shape, None))
        if len(self._models) > _MOST:
            del self._models[next(iter(self._models))]
        model: ConcreteModel = columns.model
        return model
