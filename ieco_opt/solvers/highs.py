"""The HiGHS library itself, where Pyomo's interface does not reach."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Any


@cache
def highspy() -> Any:
    """Import highspy and swallow the banner that the first solver of a process prints."""
    from pyomo.common.tee import capture_output

    library: Any = import_module("highspy")
    with capture_output(io.StringIO(), capture_fd=True):
        library.Highs()
    return library


def wrong_options(options: dict[str, Any]) -> list[tuple[str, str]]:
    """Options that HiGHS does not know or does not accept; it would say nothing itself."""
    library = highspy()
    scratch = library.Highs()
    scratch.setOptionValue("output_flag", False)
    wrong = []
    for name, value in options.items():
        status, _ = scratch.getOptionValue(name)
        if status != library.HighsStatus.kOk:
            wrong.append((name, f"HiGHS {scratch.version()} has no such option"))
        elif scratch.setOptionValue(name, value) != library.HighsStatus.kOk:
            wrong.append((name, f"found {value!r}, which HiGHS {scratch.version()} does not accept"))
    return wrong


def start_from(solver: Any, start: Sequence[tuple[Any, float]]) -> None:
    """Hand values of some variables to a Pyomo interface that holds a model; HiGHS completes them."""
    if not start:
        return
    import numpy as np

    columns = [solver._pyomo_var_to_solver_var_map[id(variable)] for variable, _ in start]
    values = np.array([value for _, value in start], dtype=np.double)
    solver._solver_model.setSolution(len(columns), np.array(columns, dtype=np.int32), values)
