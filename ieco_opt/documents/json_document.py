"""Strict JSON: writing it, and reading it without NaN, without endless numbers, with the line of what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from ieco_opt.errors import ScenarioError


def json_text(values: object) -> str:
    """Write plain values as strict JSON.

    Raises
    ------
    ValueError
        A number is infinite or none.
    """
    return json.dumps(values, indent=2, allow_nan=False) + "\n"


def parse_json(text: str, expected: str, file: str | None = None) -> Any:
    """Parse strict JSON.

    Parameters
    ----------
    expected
        What the text should be, in words.
    file
        Name that faults carry.

    Raises
    ------
    ScenarioError
        The text is no strict JSON.
    """

    def refuse(constant: str) -> NoReturn:
        raise ScenarioError.single(f"found {constant}, which JSON does not know; expected a number", file=file)

    try:
        return json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        message = f"found no valid JSON ({error.msg}), expected {expected}"
        raise ScenarioError.single(message, file=file, line=error.lineno) from error
    except (ValueError, RecursionError) as error:
        # Integers of thousands of digits, and thousands of brackets.
        raise ScenarioError.single(f"found no readable JSON, expected {expected}", file=file) from error


def read_json_text(path: Path, expected: str) -> str:
    """Read the text of a JSON file.

    Parameters
    ----------
    expected
        What the file should be, in words.

    Raises
    ------
    ScenarioError
        The file cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text("utf-8")
    except OSError as error:
        message = f"cannot be read ({error.strerror}); expected {expected}"
        raise ScenarioError.single(message, file=str(path)) from error
    except UnicodeDecodeError as error:
        message = f"found bytes that are not UTF-8; expected {expected}"
        raise ScenarioError.single(message, file=str(path)) from error
