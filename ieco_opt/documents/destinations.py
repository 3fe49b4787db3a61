"""Files that reports are written to: checked early, replaced only once they are complete."""

from __future__ import annotations

import importlib.util
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from ieco_opt.errors import ScenarioError, UnwrittenError

EXTRAS = {"pyarrow": "parquet", "matplotlib": "plot", "torch": "probe"}
"""Optional libraries and the extra of ieco_opt that brings each."""


def kind_of(path: Path, known: Iterable[str]) -> str:
    """Kind of file that the ending of a name asks for, without the dot.

    Raises
    ------
    ScenarioError
        The ending is none of those known.
    """
    kind = path.suffix.lower().removeprefix(".")
    endings = tuple(known)
    if kind not in endings:
        found = f"the ending {path.suffix!r}" if path.suffix else "a name without an ending"
        expected = ", ".join(f".{ending}" for ending in endings)
        raise ScenarioError.single(f"found {found}, expected one of {expected}", file=str(path))
    return kind


def require_library(name: str, path: Path | None = None, field: str = "") -> None:
    """Refuse what needs a library that is not installed, such as some kinds of files, or a field.

    Raises
    ------
    ScenarioError
        With the command that installs it.
    """
    if importlib.util.find_spec(name) is None:
        message = f"needs {name}, which is not installed; install it with pip install 'ieco_opt[{EXTRAS[name]}]'"
        raise ScenarioError.single(message, file=None if path is None else str(path), field=field)


def make_folder(folder: Path) -> None:
    """Make a folder that files are written to, unless there is one.

    Raises
    ------
    ScenarioError
        It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"cannot be made ({error.strerror or error}), expected a folder"
        raise ScenarioError.single(message, file=str(folder)) from None


def check_new_folder(folder: Path) -> None:
    """Refuse a folder that cannot be made or written to, before the work for it is done.

    Raises
    ------
    ScenarioError
        What is there already is no folder, or takes no new file.
    """
    there = next(each for each in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(each))
    if not there.is_dir():
        message = f"cannot be made ({there} is no folder), expected a folder"
        raise ScenarioError.single(message, file=str(folder))
    beside = _beside(there)
    try:
        # Whether a folder takes a new one is known by making it.
        beside.mkdir()
        beside.rmdir()
    except OSError as error:
        message = f"cannot be written to ({error.strerror or error}), expected a folder"
        raise ScenarioError.single(message, file=str(folder)) from None


def check_folder(path: Path) -> None:
    """Refuse a path that no file can be written to, before the work for it is done.

    Raises
    ------
    ScenarioError
        The folder is missing, or the path itself is one.
    """
    if path.is_dir():
        raise ScenarioError.single("found a folder, expected a file name", file=str(path))
    target = path.resolve()
    if not target.parent.is_dir():
        message = f"the folder {path.parent if target == path.absolute() else target.parent} does not exist"
        raise ScenarioError.single(f"{message}, expected an existing one", file=str(path))
    if target.exists() and not target.is_file():
        return
    try:
        # Whether a folder takes a new file is known by making one, and whether a file may be replaced by opening it.
        if target.exists():
            target.open("r+b").close()
        beside = _beside(target.parent)
        os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        beside.unlink()
    except OSError as error:
        raise _unwritable(path, error) from error


def replace_file(path: Path, content: bytes) -> None:
    """Write a file completely or not at all.

    Raises
    ------
    UnwrittenError
        The file cannot be written.
    """
    try:
        if path.exists() and not path.is_file():
            # Devices and pipes cannot be replaced; folders raise here.
            path.write_bytes(content)
        else:
            _write_and_replace(path.resolve(), content)
    except OSError as error:
        raise _unwritable(path, error, UnwrittenError) from error


def _unwritable(path: Path, error: OSError, kind: type[ScenarioError] = ScenarioError) -> ScenarioError:
    message = f"cannot be written ({error.strerror or error}); expected a file name in a writable folder"
    return kind.single(message, file=str(path))


def _beside(folder: Path) -> Path:
    """A name in a folder that nobody else uses, for what is not complete yet."""
    return folder / f".ieco-opt-{secrets.token_hex(8)}.tmp"


def _write_and_replace(target: Path, content: bytes) -> None:
    permissions = 0o666
    if target.exists():
        # Replacing needs no right to write the old file, but whoever protected it meant it.
        with target.open("r+b"):
            permissions = target.stat().st_mode & 0o777
    beside = _beside(target.parent)
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, permissions)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
