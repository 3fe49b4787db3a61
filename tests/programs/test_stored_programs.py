"""Stored programs: their text, their optima by hand, and that every family of constraints is in one of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import highspy
import pytest
from places import ROOT
from stored_programs import FOLDER, STORED, StoredProgram

COMPONENTS = {"pyo.Var", "pyo.Constraint", "pyo.ConstraintList"}
PROGRAMS = (ROOT / "ieco_opt" / "programs", ROOT / "ieco_opt" / "fleet" / "program")

each_stored = pytest.mark.parametrize("stored", STORED, ids=lambda stored: stored.name)


@each_stored
def test_the_program_is_the_stored_one(stored: StoredProgram) -> None:
    # Where the change is meant: python tests/stored_programs.py
    assert stored.text() == stored.path.read_text("utf-8")


def test_no_file_is_stored_that_nothing_builds() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == {stored.name for stored in STORED}


@each_stored
def test_the_stored_program_has_the_optimum_that_was_worked_out_by_hand(stored: StoredProgram) -> None:
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.readModel(str(stored.path))
    solver.run()
    assert solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
    assert solver.getInfo().objective_function_value == pytest.approx(stored.optimum, rel=1e-9)


def written_components() -> set[str]:
    """Components with a row or a variable in some stored file; of a component inside a block its own name only."""
    found: set[str] = set()
    for stored in STORED:
        text = stored.path.read_text("utf-8")
        # c_u_filling(p_0)_balance(whole_0)_: is a row of balance in the block filling of pool p_0.
        names = re.findall(r"^c_[a-z]+_(.*)_:$", text, re.MULTILINE) + re.findall(r"<= (.*) <=", text)
        found |= {re.sub(r"^\w+\([^()]*\)_(?=[a-z])", "", name).split("(")[0] for name in names}
    return found


def assigned_components() -> Iterator[str]:
    """Names that the code gives to variables and constraints: ``model.NAME = pyo.Constraint(...)``, and ``put``."""
    files = [path for folder in PROGRAMS for path in folder.rglob("*.py")]
    for node in (node for path in files for node in ast.walk(ast.parse(path.read_text("utf-8")))):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            target, function = node.targets[0], node.value.func
            if isinstance(target, ast.Attribute) and ast.unparse(function) in COMPONENTS:
                yield target.attr
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "columns.put":
            assert isinstance(node.args[0], ast.Constant)
            yield str(node.args[0].value)


def test_every_family_of_variables_and_constraints_is_in_a_stored_program() -> None:
    in_code = set(assigned_components())
    assert {"one_segment", "group_batch", "demand", "balance", "packing", "loads"} <= in_code
    assert in_code - written_components() == set()


@each_stored
def test_models_have_no_component_that_the_code_gives_no_name(stored: StoredProgram) -> None:
    import pyomo.environ as pyo

    in_code = set(assigned_components())
    assert {part.local_name for part in stored.build().component_objects((pyo.Var, pyo.Constraint))} <= in_code
