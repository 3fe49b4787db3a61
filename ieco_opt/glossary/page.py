"""The terms as a page of Markdown, which is docs/glossary.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ieco_opt.glossary.terms import SERVERS, Term, terms

_HEAD = """\
# Glossary

What each word means, and what it is called in files, columns and options here. `ieco-opt terms TTFT` prints an entry,
and `ieco-opt terms --format markdown` this page. "Format 1" is the word of version 0.1, which is still read."""

_SERVING = """\
## Words of serving

A note in brackets says what a server counts, where it counts otherwise. SGLang and TensorRT-LLM call all ranks of a
stage, TP x DP, the tensor-parallel size."""


def markdown() -> str:
    """The whole page."""
    serving = [term for term in terms() if term.group == "serving"]
    others = [term for term in terms() if term.group == "planning"]
    servers = [[term.flags.get(server, "") for server in SERVERS] for term in serving]
    first = _table(("term", "meaning", "in files", *SERVERS.values()), serving, servers)
    second = _table(("term", "meaning", "in files"), others, [[] for _ in others])
    return "\n\n".join([_HEAD, _SERVING, first, "## Other words", second]) + "\n"


def _table(head: Sequence[str], listed: Iterable[Term], beside: Iterable[Sequence[str]]) -> str:
    rows = [
        [", ".join((term.term, *term.also)), term.meaning, term.here, *more]
        for term, more in zip(listed, beside, strict=True)
    ]
    return "\n".join(["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)])
