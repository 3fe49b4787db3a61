"""Writing the program itself, for people and for other solvers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ieco_opt.design_space.segments import Segments
from ieco_opt.design_space.space import DesignSpace
from ieco_opt.documents.destinations import replace_file
from ieco_opt.errors import ScenarioError, UnwrittenError
from ieco_opt.programs.deployment import Objective, ProgramData, build_program
from ieco_opt.programs.naming import segment_names

FORMATS = (".lp", ".mps")


@dataclass(frozen=True, slots=True)
class ExportedProgram:
    """How large a written program is."""

    variables: int
    constraints: int


def export_program(
    space: DesignSpace, segments: Segments, path: Path, *, objective: Objective, reference_cost: float = 0.0
) -> ExportedProgram:
    """Write the program over every segment and limit of a scenario to a ``.lp`` or ``.mps`` file.

    Segments that provably hold no frontier point are left out. With ``Objective.COST`` the
    objective is step cost - ``reference_cost`` * batch, which is zero at the optimum where that is the least cost; or
    energy or carbon, if the design space is about these.

    Raises
    ------
    ScenarioError
        The ending is neither, or the file cannot be written.
    """
    model = build_program(
        ProgramData(
            alternatives=segments.alternatives,
            lo=segments.lo,
            hi=segments.hi,
            limits=space.limits,
            objective=objective,
            reference_cost=reference_cost,
            names=segment_names(space, segments),
        )
    )
    return write_program(model, path)


def write_program(model: Any, path: Path) -> ExportedProgram:
    """Write any program to a ``.lp`` or ``.mps`` file, with its names.

    Raises
    ------
    ScenarioError
        The ending is neither, or there is no such folder.
    UnwrittenError
        The file cannot be written.
    """
    if path.suffix not in FORMATS:
        message = f"found the ending '{path.suffix}', expected one of {', '.join(FORMATS)}"
        raise ScenarioError.single(message, field="out", file=str(path))
    if not path.resolve().parent.is_dir():
        message = f"cannot be written (the folder {path.parent} does not exist)"
        raise ScenarioError.single(message, field="out", file=str(path))
    # The writers are plugins of the whole environment, which takes longer to import than a program to build.
    import pyomo.environ  # noqa: F401

    # Pyomo writes piece by piece; a file that another solver reads is there completely or not at all.
    with TemporaryDirectory(prefix="ieco-opt-") as folder:
        written = Path(folder) / f"program{path.suffix}"
        try:
            model.write(str(written), io_options={"symbolic_solver_labels": True})
        except OSError as error:
            message = f"cannot be written ({error.strerror or error})"
            raise UnwrittenError.single(message, file=str(path)) from error
        replace_file(path, written.read_bytes())
    return ExportedProgram(model.nvariables(), model.nconstraints())
