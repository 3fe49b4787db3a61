"""Where the result lies in a folder that was saved whole."""

from __future__ import annotations

from pathlib import Path

from ieco_opt.errors import ScenarioError

RESULT = "plan.json"
"""The file of a folder that holds the result."""


def result_in(path: Path) -> Path:
    """The saved result that a path means: itself, or that of a folder.

    Raises
    ------
    ScenarioError
        The folder holds none.
    """
    if not path.is_dir():
        return path
    if not (path / RESULT).is_file():
        raise ScenarioError.single(f"found a folder without {RESULT}, expected one of `plan --save`", file=str(path))
    return path / RESULT
