"""The two collections of the catalog."""

from __future__ import annotations

from enum import StrEnum


class Collection(StrEnum):
    """Which set of figures a name is looked up in."""

    REAL = "real"
    PAPER = "paper"
