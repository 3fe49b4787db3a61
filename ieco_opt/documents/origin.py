"""Where the fields of a scenario were written, so that a fault can name the file, the line and the field."""

from __future__ import annotations

import ast
import pathlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ieco_opt.errors import Fault, ScenarioError, printable

Location = tuple[str | int, ...]
"""Path of a field: keys of mappings and indices of lists."""

Known = Mapping[str, Mapping[str, Mapping[str, object]]]
"""Fields of ``models`` and ``accelerators`` by name."""

# A plain mapping, because scenarios are pickled to other processes and a proxy cannot be.
NOTHING_KNOWN: Known = {}

COMMAND_LINE = "--set"
"""What a fault names instead of a file where the field was overridden."""

_PLAIN_KEY = re.compile(r"[\w-]{1,60}")
_PART = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^.\[\]]+""")
_LONGEST_TEXT = 60
_LONGEST_LIST = 200
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
        Folder that relative file names in the scenario start from; those of overridden fields start from the working
        directory.
    lines
        Line of each field, counted from 1; ``None`` for fields overridden on the command line.
    known
        What names stood for when a saved result was made: fields of ``models`` and ``accelerators`` by name.
    files
        Whether the scenario may name files.
    max_setups
        Most configurations that the scenario may list; ``None`` for the default.
    """

    file: str | None = field(default=None, compare=False)
    folder: pathlib.Path = field(default_factory=pathlib.Path, compare=False)
    lines: Mapping[Location, int | None] = field(default_factory=dict, compare=False)
    known: Known = field(default_factory=dict, compare=False)
    files: bool = field(default=True, compare=False)
    max_setups: int | None = field(default=None, compare=False)

    def fault(self, location: Location, message: str) -> Fault:
        """Build the fault of a field, with the line of the innermost field around it that has one."""
        around = self._nearest(location)
        line = None if around is None else self.lines[around]
        return Fault(COMMAND_LINE if self._overridden(location) else self.file, line, dotted(location), message)

    def _overridden(self, location: Location) -> bool:
        """Whether a field, or one around it, was set on the command line."""
        around = self._nearest(location)
        return around is not None and self.lines[around] is None

    def _nearest(self, location: Location) -> Location | None:
        """The innermost field around a location of which a line is known; the scenario as a whole is none."""
        around = (location[:length] for length in range(len(location), 0, -1))
        return next((each for each in around if each in self.lines), None)

    def path_of(self, name: str, location: Location, expected: str) -> pathlib.Path:
        """Path of a file that the scenario names: the only way from a field to a file.

        Parameters
        ----------
        expected
            What the file should be, such as ``a CSV file``.

        Raises
        ------
        ScenarioError
            The scenario may not name files (whether the file exists is not said then), or the file does not exist.
        """
        if not self.files:
            message = f"found {found(name)}, expected no name of a file: this scenario may not name any"
            raise ScenarioError([self.fault(location, message)])
        # What was typed is meant from where it was typed.
        folder = pathlib.Path() if self._overridden(location) else self.folder
        path = folder / name
        if not path.is_file():
            where = f"that exists in {printable(str(folder))}"
            raise ScenarioError([self.fault(location, f"found {found(name)}, expected {expected} {where}")])
        return path

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
    """Read a location back; indices of lists may stand in brackets or after a dot."""
    return tuple(_key(part) for part in _PART.findall(name))


def _key(part: str) -> str | int:
    if part[0] in "'\"" and len(part) > 1:
        return str(ast.literal_eval(part))
    return int(part) if part.isdecimal() else part


def cut(text: str, longest: int = _LONGEST_TEXT) -> str:
    """The beginning of a text, with dots where it was cut."""
    return text if len(text) <= longest else text[:longest] + "..."


def shortened(names: Iterable[str]) -> str:
    """Write names in a message, as many as fit on one line of bearable length."""
    listed: list[str] = []
    length, remaining = 0, list(names)
    for name in remaining:
        shown = cut(name)
        length += len(shown) + 2
        if listed and length > _LONGEST_LIST:
            return f"{', '.join(listed)} and {len(remaining) - len(listed)} more"
        listed.append(printable(shown))
    return ", ".join(listed)


def plain_scalar(value: object) -> object:
    """A scalar of NumPy as Python's own number, whatever else as it is."""
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        return value.item()  # type: ignore[attr-defined]
    return value


def found(value: object) -> str:
    """Name a value in a message, on one line and shortened."""
    value = plain_scalar(value)
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
        case str():
            return repr(cut(value))
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list" if value else "an empty list"
        case _:
            return f"a value of type {type(value).__name__}"
