"""The terms, and finding one by whatever it is called."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ieco_opt.documents.origin import found
from ieco_opt.documents.packaged import packaged_rows
from ieco_opt.errors import ScenarioError

Group: TypeAlias = Literal["serving", "planning"]

SERVERS: Mapping[str, str] = {"vllm": "vLLM", "sglang": "SGLang", "trtllm": "TensorRT-LLM"}
"""Servers whose names of a term are told."""

_MOST_NEAR = 5
_ALIKE = 0.6
_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Term:
    """A word of the field.

    Attributes
    ----------
    term
        The word by which it is listed.
    meaning, here
        What it means, and the fields, columns and options that hold it; code stands in backticks.
    group
        ``serving`` for the words that servers and their benchmarks have too, else ``planning``.
    also
        Other words for the same.
    flags
        What servers call it, by server.
    """

    term: str
    meaning: str
    group: Group
    here: str = ""
    also: tuple[str, ...] = ()
    flags: Mapping[str, str] = field(default_factory=dict)

    def names(self) -> Iterator[str]:
        """Everything that it is called: words, fields, columns, options, flags of servers."""
        yield self.term
        yield from self.also
        for text in (self.here, *self.flags.values()):
            for code in _CODE.findall(text):
                yield code
                yield code.split(".")[-1]


@functools.cache
def terms() -> tuple[Term, ...]:
    """All terms: those of serving first, in the order of their table, then the others in that of the alphabet."""
    rows = packaged_rows("ieco_opt.glossary", "terms.yaml")
    return tuple(Term(**{**row, "also": tuple(row.get("also", ()))}) for row in rows)


def find(word: str) -> tuple[Term, ...]:
    """The terms that a word stands for: those that are called so, else those of which a field or a flag is.

    Raises
    ------
    ScenarioError
        With the nearest words, where nothing is called so.
    """
    plain = _plain(word)
    for named in (lambda term: (term.term, *term.also), Term.names):
        matching = tuple(term for term in terms() if plain and plain in map(_plain, named(term)))
        if matching:
            return matching
    raise ScenarioError.single(f"found {found(word)}, expected {_near(plain)}", field="WORD")


def _plain(word: str) -> str:
    """A word without what people write differently: case, spaces and signs."""
    return re.sub(r"[\s_.\-]+", "", word.casefold())


def _near(plain: str) -> str:
    words = {_plain(name): term.term for term in reversed(terms()) for name in (term.term, *term.also)}
    close = difflib.get_close_matches(plain[:60], words, n=_MOST_NEAR, cutoff=_ALIKE)
    within = [each for each in words if len(plain) > 2 and plain in each]
    near = list(dict.fromkeys(words[each] for each in [*close, *within]))[:_MOST_NEAR]
    return f"perhaps {', '.join(near)}" if near else "a term that `ieco-opt terms` lists"
