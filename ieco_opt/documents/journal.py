"""Journals: files of one JSON value a line that only grow, so that a killed process loses no line that was written."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from ieco_opt.documents.json_document import parse
from ieco_opt.errors import ScenarioError, UnwrittenError


class Journal:
    """A journal that is open, and that nobody else writes to.

    Attributes
    ----------
    lines
        Values of the complete lines that it held when it was opened.
    """

    def __init__(self, file: FileIO, lines: tuple[object, ...]) -> None:
        self._file = file
        self.lines = lines

    def append(self, value: object) -> None:
        """Write a line; it is on the disk when this returns.

        Raises
        ------
        UnwrittenError
            The disk takes no more of it; a part of the line is dropped when the file is opened again.
        """
        rest = json.dumps(value).encode() + b"\n"
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            raise UnwrittenError.single(
                f"cannot be written ({error.strerror or error})", file=self._file.name
            ) from error

    def clear(self) -> None:
        """Forget every line."""
        self._file.seek(0)
        self._file.truncate()
        self.lines = ()


@contextmanager
def opened(path: Path) -> Iterator[Journal]:
    """Open a journal, or begin one; a line that was cut off while it was written is dropped.

    Raises
    ------
    ScenarioError
        The file cannot be opened, is no journal, or another process writes to it.
    """
    try:
        # Without a buffer, of which closing would try to write what could not be written.
        file = path.open("a+b", buffering=0)
    except OSError as error:
        raise ScenarioError.single(f"cannot be opened ({error.strerror or error})", file=str(path)) from None
    with file:
        _lock(file, path)
        file.seek(0)
        content = file.read()
        complete = content[: content.rfind(b"\n") + 1]
        file.truncate(len(complete))
        yield Journal(file, tuple(_values(complete, path)))


def _lock(file: FileIO, path: Path) -> None:
    """Keep others out until the file is closed, where the system can."""
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        message = "found another run that writes to it, expected none; wait for it to end"
        raise ScenarioError.single(message, file=str(path)) from None
    except OSError:
        # Some network file systems lock nothing.
        return


def _values(content: bytes, path: Path) -> Iterator[object]:
    for number, line in enumerate(content.decode("utf-8", errors="replace").splitlines(), start=1):
        try:
            yield parse(line, str(path), constants=True)
        except ScenarioError:
            raise ScenarioError.single("found no line of a journal", file=str(path), line=number) from None
