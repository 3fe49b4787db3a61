"""The page of all commands, from click: their help, arguments, options and examples."""

from __future__ import annotations

import re
from collections.abc import Iterator
from inspect import cleandoc
from typing import TYPE_CHECKING

import click
from sphinx.util.docutils import SphinxDirective

from ieco_opt.cli.examples import EXAMPLES
from ieco_opt.cli.main import cli

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx

PROGRAM = "ieco-opt"


class Commands(SphinxDirective):
    """``{commands}``: a section for every command, with those of groups below it."""

    def run(self) -> list[nodes.Node]:
        """Parse the sections as Markdown of the page."""
        top = click.Context(cli, info_name=PROGRAM)
        before = "\n".join(_about(cli, top, ""))
        sections = "\n".join(_inner(cli, top, "", 2))
        return [*self.parse_text_to_nodes(before), *self.parse_text_to_nodes(sections, allow_section_headings=True)]


def _inner(group: click.Group, context: click.Context, name: str, level: int) -> Iterator[str]:
    """Sections of the commands of a group."""
    for inner in group.list_commands(context):
        command = group.get_command(context, inner)
        assert command is not None
        inside, full = click.Context(command, parent=context, info_name=inner), f"{name} {inner}".strip()
        yield f"{'#' * level} {full}\n"
        yield from _about(command, inside, full)
        if isinstance(command, click.Group):
            yield from _inner(command, inside, full, level + 1)


def _about(command: click.Command, context: click.Context, name: str) -> Iterator[str]:
    """What a command does, how it is called, its options and its examples."""
    yield f"{_prose(cleandoc(command.help or ''))}\n"
    yield f"```text\n{context.command_path} {' '.join(command.collect_usage_pieces(context))}\n```\n"
    yield from _options(command, context)
    lines = [line for each in EXAMPLES.get(name, ()) for line in (f"# {each.what}", each.line)]
    yield "\n".join(["```sh", *lines, "```", ""]) if lines else ""


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    """The table of options; arguments stand in the line of the call, and every command has --help."""
    records = [each.get_help_record(context) for each in command.get_params(context) if each.name != "help"]
    rows = [record for record in records if record and record[1]]
    if rows:
        yield "| option | does |\n|---|---|"
    for names, does in rows:
        cells = (f"`{' '.join(names.split())}`", _prose(does))
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""


def _prose(text: str) -> str:
    """Help as Markdown takes it: no maths, no links, placeholders no tags, and lines that click keeps kept."""
    parts = re.split(r"(`[^`]*`)", text)
    escaped = "".join(part if part.startswith("`") else re.sub(r"([$<\[*_])", r"\\\1", part) for part in parts)
    return escaped.replace("\b\n", "")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True}
