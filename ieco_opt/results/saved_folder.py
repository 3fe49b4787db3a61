"""Where the result lies in a folder that was saved whole."""

from __future__ import annotations

from pathlib import Path

RESULT = "plan.json"
"""The file of a folder that holds the result."""


def result_in(path: Path) -> Path:
    """The saved result that a path means: itself, or that of a folder."""
    return path / RESULT if (path / RESULT).is_file() else path
