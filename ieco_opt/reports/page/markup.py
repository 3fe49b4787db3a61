"""HTML from parts: whatever is not markup already is escaped, so that no name of a scenario becomes a tag."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable

from ieco_opt.errors import printable


class Markup(str):
    """Text that is HTML; only this module makes it, and from escaped text."""

    __slots__ = ()


Part = str | None
"""Markup, text that will be escaped, or nothing."""

Attribute = str | int | float | bool | None
"""``True`` is an attribute without a value; ``False`` and ``None`` are none."""

_VOID = frozenset({"br", "input", "link", "meta"})


def escaped(part: Part) -> Markup:
    """Markup as it is, and any other text as text; characters that turn or hide writing are spelled out."""
    if part is None:
        return Markup()
    return part if isinstance(part, Markup) else Markup(html.escape(printable(part)))


def joined(*parts: Part) -> Markup:
    """One part after the other."""
    return Markup("".join(map(escaped, parts)))


def lines(text: str) -> Markup:
    """Text of several lines, for elements that keep them."""
    return Markup("\n".join(escaped(line) for line in text.split("\n")))


def tag(name: str, /, *children: Part, **attributes: Attribute) -> Markup:
    """One element.

    Parameters
    ----------
    attributes
        By name, with underscores for hyphens and one at the end of a name that Python keeps for itself (``class_``).
    """
    given = "".join(_attribute(key, value) for key, value in attributes.items())
    opened = f"<{name}{given}>"
    return Markup(opened if name in _VOID else f"{opened}{joined(*children)}</{name}>")


def _attribute(name: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    written = name.rstrip("_").replace("_", "-")
    return f" {written}" if value is True else f' {written}="{escaped(str(value))}"'


def cells(name: str, parts: Iterable[Part]) -> Markup:
    """Cells of one row of a table, without the closing tags that HTML lets out: tables are most of a page."""
    return Markup("".join(f"<{name}>{escaped(part)}" for part in parts))


def code(source: str, element: str = "script", **attributes: Attribute) -> Markup:
    """A script or a style of this package, as it is.

    Raises
    ------
    ValueError
        It would end its own element.
    """
    if f"</{element}" in source.lower() or "<!--" in source:
        raise ValueError(f"a {element} of the page holds what would end it")
    given = "".join(_attribute(key, value) for key, value in attributes.items())
    return Markup(f"<{element}{given}>{source}</{element}>")


def data(values: object, **attributes: Attribute) -> Markup:
    """Plain values as a block that scripts read and no browser runs; nothing in it can end the block.

    Raises
    ------
    ValueError
        A number is infinite or none.
    """
    text = json.dumps(values, separators=(",", ":"), allow_nan=False)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return code(text, "script", type="application/json", **attributes)
