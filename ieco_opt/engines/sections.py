"""Reading the mappings of a profile: every fault with its file, line, field, what was found and what is expected."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from ieco_opt.documents.near import meant
from ieco_opt.documents.origin import Location, Origin, found, shortened
from ieco_opt.engines.expressions import Expression, ExpressionError, parse
from ieco_opt.errors import Fault

MOST_ENTRIES = 100

_TEMPLATE = re.compile(r"\{([^{}]*)\}")


@dataclass(slots=True)
class Section:
    """One mapping of a profile, whose fields are taken out one by one; faults are collected, not raised."""

    values: Mapping[str, object]
    origin: Origin
    faults: list[Fault]
    location: Location = ()
    taken: set[str] = field(default_factory=set)

    def fault(self, name: str, message: str) -> None:
        """Note what is wrong with a field."""
        self.faults.append(self.origin.fault((*self.location, *((name,) if name else ())), message))

    def take(self, name: str) -> object:
        """A field's value; ``None`` where it is left out."""
        self.taken.add(name)
        return self.values.get(name)

    def has(self, name: str) -> bool:
        """Whether a field is given."""
        return name in self.values

    def text(self, name: str, default: str | None = None) -> str:
        """A text on one line; without a default it has to be there."""
        value = self.take(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or not value or not value.isprintable():
            self.fault(name, f"found {found(value)}, expected text on one line")
            return default or "-"
        return value

    def choice(self, name: str, known: Collection[str], default: str | None = None) -> str:
        """One of several words."""
        value = self.take(name)
        if value is None and default is not None:
            return default
        if isinstance(value, str) and value in known:
            return value
        self.fault(name, f"found {found(value)}, expected one of {', '.join(known)}")
        return next(iter(known))

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; nothing where it is left out."""
        value = self.take(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(each, str) and each.isprintable() for each in value):
            self.fault(name, f"found {found(value)}, expected a list of texts")
            return ()
        return tuple(value)

    def words(self, name: str, known: Collection[str]) -> tuple[str, ...]:
        """A list of texts with names in braces."""
        words = self.texts(name)
        for word in words:
            self.template(name, word, known)
        return words

    def template(self, name: str, text: str, known: Collection[str]) -> None:
        """Check the names in the braces of a text."""
        unknown = [each for each in _TEMPLATE.findall(text) if each.isidentifier() and each not in known]
        if unknown:
            self.fault(name, f"found {shortened(unknown)} in braces, expected one of {', '.join(sorted(known))}")

    def number(self, name: str) -> float | None:
        """A number; ``None`` where it is left out."""
        value = self.take(name)
        if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)):
            return value
        self.fault(name, f"found {found(value)}, expected a number")
        return None

    def whole(self, name: str, least: int, most: int) -> int | None:
        """A whole number within bounds; ``None`` where it is left out."""
        value = self.take(name)
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and least <= value <= most):
            return value
        self.fault(name, f"found {found(value)}, expected a whole number from {least} to {most}")
        return None

    def flag(self, name: str) -> bool:
        """``true``, or left out."""
        value = self.take(name)
        if value not in (None, True):
            self.fault(name, f"found {found(value)}, expected true, or nothing")
        return value is True

    def expression(self, name: str, columns: Collection[str]) -> Expression | None:
        """An expression; ``None`` where it is left out."""
        value = self.take(name)
        return None if value is None else self.parsed(name, value, columns)

    def needed(self, name: str, columns: Collection[str]) -> Expression:
        """An expression that has to be there."""
        value = self.take(name)
        if value is None:
            self.fault(name, "missing, expected an expression")
            return parse("1", ())
        return self.parsed(name, value, columns) or parse("1", ())

    def parsed(self, name: str, value: object, columns: Collection[str]) -> Expression | None:
        """Parse a value, and note what is wrong with it."""
        try:
            return parse(value, columns)
        except ExpressionError as error:
            self.fault(name, str(error))
            return None

    def section(self, name: str) -> Section:
        """A mapping; an empty one where it is left out."""
        value = self.take(name)
        if value is None or isinstance(value, Mapping):
            return Section(value or {}, self.origin, self.faults, (*self.location, name))
        self.fault(name, f"found {found(value)}, expected a mapping")
        return Section({}, self.origin, self.faults, (*self.location, name))

    def sections(self, name: str) -> Iterator[Section]:
        """Mappings of a list."""
        value = self.take(name)
        if value is not None and not isinstance(value, list):
            self.fault(name, f"found {found(value)}, expected a list of mappings")
        listed = value if isinstance(value, list) else []
        if len(listed) > MOST_ENTRIES:
            # Every rule is asked about every configuration, whoever wrote it.
            self.fault(name, f"found a list of {len(listed)} entries, expected at most {MOST_ENTRIES}")
        for index, each in enumerate(listed[:MOST_ENTRIES]):
            at: Location = (*self.location, name, index)
            if isinstance(each, Mapping):
                yield Section(each, self.origin, self.faults, at)
            else:
                self.faults.append(self.origin.fault(at, f"found {found(each)}, expected a mapping"))

    def each(self) -> Iterator[tuple[str, Section]]:
        """Every field as a mapping of its own, by name."""
        for name in self.values:
            yield name, self.section(name)

    def done(self) -> None:
        """Refuse what nobody took."""
        for name in self.values:
            if name not in self.taken:
                self.fault(name, f"unknown field, expected {meant(name, self.taken)}")
