"""Where the fields of a scenario were written, so that a fault can name the file, the line and the field."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ieco_opt.errors import Fault

Location = tuple[str | int, ...]
"""Path of a field: keys of mappings and indices of lists."""

Known = Mapping[str, Mapping[str, Mapping[str, object]]]
"""Fields of ``models`` and ``accelerators`` by name."""

# A plain mapping, because scenarios are pickled to other processes and a proxy cannot be.
NOTHING_KNOWN: Known = {}

COMMAND_LINE = "--set"
"""What a fault names instead of a file where the field was overridden."""

_PLAIN_KEY = re.compile(r"[\w-]{1,60}")
_LONGEST_TEXT = 60
_LONGEST_INTEGER_BITS = 200


@dataclass(frozen=True, slots=True)
class Origin:
    """The file of a scenario and the line of each of its fields.

    Nothing here takes part in comparisons: two scenarios are equal when they say the same, wherever from.

    Attributes
    ----------
    file
        Name of the file as the user gave it, or ``None`` where the scenario came from Python.
    folder
        Folder that relative file names in the scenario start from.
    lines
        Line of each field, counted from 1; ``None`` for fields overridden on the command line.
    known
        What names stood for when a saved result was made: fields of ``models`` and ``accelerators`` by name.
    """

    file: str | None = field(default=None, compare=False)
    folder: pathlib.Path = field(default_factory=pathlib.Path, compare=False)
    lines: Mapping[Location, int | None] = field(default_factory=dict, compare=False)
    known: Known = field(default_factory=dict, compare=False)

    def fault(self, location: Location, message: str) -> Fault:
        """Build the fault of a field, with the line of the innermost field around it that has one."""
        name = dotted(location)
        for length in range(len(location), 0, -1):
            if location[:length] in self.lines:
                line = self.lines[location[:length]]
                return Fault(self.file if line is not None else COMMAND_LINE, line, name, message)
        return Fault(self.file, None, name, message)

    def placed(self, prefix: Location, faults: Iterable[Fault]) -> list[Fault]:
        """Move faults whose fields are relative to ``prefix`` into the scenario."""
        return [fault if fault.file else self.fault(prefix + undotted(fault.field), fault.message) for fault in faults]


def dotted(location: Location) -> str:
    """Write a location as users do, such as ``design_space.tensor_parallel[2]``."""
    name = ""
    for key in location:
        if isinstance(key, int):
            name += f"[{key}]"
        else:
            # Keys come from the file: one with a line break in it must not break the line of its fault.
            name += ("." if name else "") + (key if _PLAIN_KEY.fullmatch(key) else found(key))
    return name


def undotted(name: str) -> Location:
    """Read a location back; indices of lists may stand in brackets or, as in the catalog, after a dot."""
    parts = re.findall(r"[^.\[\]]+", name)
    return tuple(int(part) if part.isdecimal() else part for part in parts)


def found(value: object) -> str:
    """Name a value in a message, on one line and shortened."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() if value.bit_length() > _LONGEST_INTEGER_BITS:
            # Python refuses to print integers of more than 4,300 digits.
            return "an integer of more than 60 digits"
        case int() | float():
            return repr(value)
        case str() if len(value) > _LONGEST_TEXT:
            return repr(value[:_LONGEST_TEXT] + "...")
        case str():
            return repr(value)
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list" if value else "an empty list"
        case _:
            return f"a value of type {type(value).__name__}"
