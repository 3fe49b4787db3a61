"""`ieco-opt terms`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ieco_opt.glossary import Term

_MOST_WIDTH = 110
_INDENT = "  "
_FOOT = (
    "In brackets: fields, columns and options here. ieco-opt terms WORD also says what vLLM, SGLang and TensorRT-LLM "
    "call it."
)


def _words(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Terms that a word may become."""
    from ieco_opt.glossary import terms

    return [term.term for term in terms() if term.term.casefold().startswith(incomplete.casefold())]


# Flags of servers are words too.
@click.command("terms", context_settings={"ignore_unknown_options": True})
@click.argument("word", metavar="[WORD]", required=False, nargs=-1, shell_complete=_words)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "json", "markdown"]),
    default="table",
    show_default=True,
    help="What to print; markdown is the page docs/glossary.md.",
)
def command(word: tuple[str, ...], output_format: str) -> None:
    """Say what words of serving mean, and what they are called here and by the servers.

    WORD may be a word (TTFT), a field or a column (min_speed), or a flag of vLLM, SGLang or TensorRT-LLM (--tp-size).
    Without WORD, the words of serving are listed.
    """
    from ieco_opt.cli.output import takes_colour, width_of_output
    from ieco_opt.glossary import find, markdown, terms

    if output_format == "markdown":
        if word:
            raise click.UsageError("--format markdown goes without WORD")
        click.echo(markdown(), nl=False)
        return
    chosen = find(" ".join(word)) if word else tuple(term for term in terms() if term.group == "serving")
    if output_format == "json":
        from dataclasses import asdict

        from ieco_opt.documents.json_document import json_text

        click.echo(json_text([asdict(term) for term in chosen]), nl=False)
        return
    width = min(width_of_output(), _MOST_WIDTH)
    bold = takes_colour()
    if word:
        click.echo("\n\n".join("\n".join(_entry(term, width, bold=bold)) for term in chosen))
        return
    click.echo("\n".join(_listed(chosen, width, bold=bold)))


def _entry(term: Term, width: int, *, bold: bool) -> Iterator[str]:
    """All that is known of one term."""
    from ieco_opt.glossary import SERVERS

    first, *others = _hanging(term.term + "".join(f", {other}" for other in term.also), width, "")
    yield from [_emphasised(term.term, first, bold=bold), *others]
    yield from _hanging(_INDENT + term.meaning, width, _INDENT)
    told = [("ieco_opt", term.here), *((title, term.flags.get(name, "")) for name, title in SERVERS.items())]
    names = [(title, text) for title, text in told if text]
    wide = max((len(title) for title, _ in names), default=0)
    for title, text in names:
        yield from _hanging(f"{_INDENT}{title:<{wide}}  {text}", width, " " * (len(_INDENT) + wide + 2))


def _listed(chosen: tuple[Term, ...], width: int, *, bold: bool) -> Iterator[str]:
    """A line or two a term: what it means, and what it is called here."""
    wide = max(len(term.term) for term in chosen)
    for term in chosen:
        first, *others = _hanging(f"{term.term:<{wide}}  {term.meaning} [{term.here}]", width, " " * (wide + 2))
        yield from [_emphasised(term.term, first, bold=bold), *others]
    yield ""
    yield from _hanging(_FOOT, width, "")


def _emphasised(word: str, line: str, *, bold: bool) -> str:
    """A line that begins with a word, which is bold where the terminal shows that."""
    return click.style(word, bold=True) + line[len(word) :] if bold else line


def _hanging(text: str, width: int, indent: str) -> list[str]:
    plain = text.replace("`", "")
    return textwrap.wrap(plain, width, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False)
