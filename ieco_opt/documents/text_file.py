"""Reading text: bounded, in UTF-8, and refused in words."""

from __future__ import annotations

import pathlib

from ieco_opt.errors import ScenarioError

MAX_BYTES = 1_000_000
"""Most bytes of a file that people write by hand."""


def read_text(
    path: pathlib.Path, *, expected: str = "", field_name: str = "", most_bytes: int | None = MAX_BYTES
) -> str:
    """Read a file of text; a byte-order mark at its beginning is left out.

    Parameters
    ----------
    expected
        What the file should be, for the message where it cannot be read.
    field_name
        Field that names the file, for the same message.
    most_bytes
        Size from which on the file is refused unread; ``None`` for none.

    Raises
    ------
    ScenarioError
        Where the file cannot be read, is too large or is not UTF-8; in the last case with the line.
    """
    content = read_bytes(path, expected=expected, field_name=field_name, most_bytes=most_bytes)
    return decoded(content, str(path), most_bytes=most_bytes)


def read_bytes(
    path: pathlib.Path, *, expected: str = "", field_name: str = "", most_bytes: int | None = MAX_BYTES
) -> bytes:
    """Read a file as it is, and of one that is too large one byte more than it may have; see :func:`read_text`."""
    try:
        with path.open("rb") as file:
            content = file.read() if most_bytes is None else file.read(most_bytes + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        message = f"cannot be read ({reason})" + (f"; expected {expected}" if expected else "")
        raise ScenarioError.single(message, file=str(path), field=field_name) from None
    return content


def decoded(content: bytes, file: str, *, most_bytes: int | None = MAX_BYTES) -> str:
    """Text of bytes that were read from ``file``; parameters and errors as of :func:`read_text`."""
    if most_bytes is not None and len(content) > most_bytes:
        raise ScenarioError.single(f"found a larger file, expected at most {most_bytes:,} bytes", file=file)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"found byte 0x{content[error.start]:02x}, expected text in UTF-8"
        raise ScenarioError.single(message, file=file, line=line) from None
