"""One program in a solver of HiGHS: handed over as arrays, run, and read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ieco_opt.solvers.arrays import ProgramArrays
from ieco_opt.solvers.highs import highspy

_FEASIBLE = 2
"""What HiGHS has for ``primal_solution_status`` where its solution meets every bound."""

_NO_SEARCH = -1
"""What HiGHS has for ``mip_node_count`` where no tree was searched."""

_FAILURES = frozenset(
    {
        "kNotset",
        "kLoadError",
        "kModelError",
        "kPresolveError",
        "kSolveError",
        "kPostsolveError",
        "kModelEmpty",
        "kMemoryLimit",
        "kUnknown",
    }
)


@dataclass(frozen=True, slots=True)
class Said:
    """What HiGHS says of a program.

    Attributes
    ----------
    status
        Name of its ``HighsModelStatus``.
    objective, bound
        Of its solution, and what it proved of the best; ``None`` where it has none.
    """

    status: str
    objective: float | None
    bound: float | None

    @property
    def failed(self) -> bool:
        """Whether HiGHS came to no answer for reasons of its own."""
        return self.status in _FAILURES


class HighsProgram:
    """Holds a program, and a solver that nothing else uses: options of HiGHS outlive a solve.

    Parameters
    ----------
    logs
        Whether HiGHS tells its callbacks of incumbents and bounds. It makes no such figures where it writes no log,
        so the log is then written, to nowhere.
    """

    def __init__(self, arrays: ProgramArrays, options: Mapping[str, Any], *, logs: bool = False) -> None:
        self.solver = highspy().Highs()
        self.set_options({"log_to_console": False, "output_flag": logs, **options})
        self._arrays = arrays
        self.solver.passModel(_lp(arrays))

    def set_options(self, options: Mapping[str, Any]) -> None:
        """Set options that :func:`~ieco_opt.solvers.highs.wrong_options` accepts, or that a field stands for."""
        for name, value in options.items():
            self.solver.setOptionValue(name, value)

    def leave_out_presolve(self) -> None:
        """HiGHS 1.16.0 takes an optimum back whose violation, after presolve, rounds to above the tolerance itself."""
        self.set_options({"presolve": "off"})

    def start_from(self, start: Sequence[tuple[Any, float]]) -> None:
        """Hand over values of some variables; HiGHS completes them."""
        column = {id(variable): at for at, variable in enumerate(self._arrays.variables)}
        known = [(column[id(variable)], value) for variable, value in start if id(variable) in column]
        if known:
            columns, values = zip(*known, strict=True)
            self.solver.setSolution(len(known), np.array(columns, np.int32), np.array(values, np.float64))

    def run(self) -> Said:
        """Solve, and say what that came to."""
        self.solver.run()
        status, info = self.solver.getModelStatus().name, self.solver.getInfo()
        feasible = info.primal_solution_status == _FEASIBLE
        objective = info.objective_function_value if feasible else None
        if info.mip_node_count != _NO_SEARCH:
            return Said(status, objective, info.mip_dual_bound)
        # A linear program has the bound that its optimum is.
        return Said(status, objective, objective if status == "kOptimal" else None)

    def load_incumbent(self) -> None:
        """Let the variables of the model hold the solution."""
        for variable, value in zip(self._arrays.variables, self.solver.getSolution().col_value, strict=True):
            variable.set_value(value, skip_validation=True)

    def load_duals(self, suffix: Any) -> None:
        """Let a suffix of the model hold the multipliers of a linear program: what one more of a row's bound adds."""
        for constraint, dual in zip(self._arrays.constraints, self.solver.getSolution().row_dual, strict=True):
            suffix[constraint] = dual


def reset_the_scheduler(_: HighsProgram) -> None:
    """HiGHS that ran in this process with more threads leaves a scheduler that refuses to run with one."""
    highspy().Highs.resetGlobalScheduler(True)


def _lp(arrays: ProgramArrays) -> Any:
    """The arrays as HiGHS takes them in one call."""
    library = highspy()
    program = library.HighsLp()
    program.num_col_, program.num_row_ = len(arrays.cost), len(arrays.row_lower)
    program.col_cost_, program.offset_ = arrays.cost, arrays.offset
    program.col_lower_, program.col_upper_ = arrays.lower, arrays.upper
    program.row_lower_, program.row_upper_ = arrays.row_lower, arrays.row_upper
    program.a_matrix_.format_ = library.MatrixFormat.kRowwise
    program.a_matrix_.start_ = arrays.starts
    program.a_matrix_.index_ = arrays.columns
    program.a_matrix_.value_ = arrays.coefficients
    kinds = library.HighsVarType.kContinuous, library.HighsVarType.kInteger
    program.integrality_ = [kinds[integer] for integer in arrays.integer.tolist()]
    return program
