"""Blocks of a page of documentation: commands to run, what they print, files that they read, Python.

A comment before a block, which readers do not see, says what to do with it: ``<!-- not run: REASON -->`` where it
cannot run here, ``<!-- file: NAME -->`` where it is a file that later commands read.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace

FENCE = re.compile(r"^```([\w{}:-]*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
_MARK = r"(?:^<!-- (?P<mark>not run|file): (?P<says>[^\n]+) -->\n)?"
_BLOCK = re.compile(rf"{_MARK}^```(?P<language>[\w{{}}:-]*)[^\n]*\n(?P<text>.*?)^```$|{INLINE.pattern}", re.M | re.S)
_OUTPUTS = ("text", "console")


@dataclass(frozen=True)
class Quoted:
    """A command that a page tells to run, and what the page says that it prints, if it does."""

    words: tuple[str, ...]
    output: str | None = None
    inline: bool = False
    target: str | None = None

    def __str__(self) -> str:
        return " ".join(self.words)


@dataclass(frozen=True)
class File:
    """A file that a page shows, for the commands after it."""

    name: str
    text: str


@dataclass(frozen=True)
class NotRun:
    """A block that cannot run here."""

    reason: str
    text: str


@dataclass(frozen=True)
class Python:
    """A block of Python."""

    text: str


@dataclass(frozen=True)
class Shell:
    """A line of shell that calls something else."""

    line: str


Step = Quoted | File | NotRun | Python | Shell


def shell_commands(line: str, *, inline: bool = False) -> Iterator[Quoted]:
    """Calls of ieco-opt in a line of shell; none in a line with a placeholder for a command."""
    for part in re.split(r"&&|;", line):
        words = shlex.split(part, comments=True)
        if words and words[0].removeprefix(".venv/bin/") == "ieco-opt" and "COMMAND" not in words:
            called, _, target = " ".join(map(shlex.quote, words[1:])).partition(" '>' ")
            yield Quoted(tuple(shlex.split(called)), inline=inline, target=target or None)


def commands(text: str) -> list[Quoted]:
    """All commands of a page, also those between words, and those of blocks that cannot run here."""
    found = []
    for step in steps(text):
        if isinstance(step, NotRun):
            found += [command for line in _lines(step.text) for command in shell_commands(line)]
        elif isinstance(step, Quoted):
            found.append(step)
    return found


def steps(text: str) -> list[Step]:
    """What a page does, in its order; a block ``text`` or ``console`` is what the last command before it prints.

    A block ``console`` with prompts (``$ ``) has commands and outputs in turn.
    """
    found: list[Step] = []
    for match in _BLOCK.finditer(text):
        language, block, inline = match["language"], match["text"], match[match.lastindex or 0]
        if language is None:
            found += shell_commands(inline, inline=True)
        elif match["mark"] == "not run":
            found.append(NotRun(match["says"], block))
        elif match["mark"] == "file":
            found.append(File(match["says"], block))
        elif language == "python":
            found.append(Python(block))
        elif language == "sh":
            found += _script(block)
        elif language == "console" and block.startswith("$ "):
            found += _session(block)
        elif language in _OUTPUTS:
            _give_output(found, block)
    return found


def _lines(block: str) -> list[str]:
    """Lines of shell, those that a backslash continues joined."""
    return block.replace("\\\n", " ").splitlines()


def _script(block: str) -> Iterator[Step]:
    for line in _lines(block):
        called = [*shell_commands(line)]
        yield from called
        if not called and line and not line.startswith("#"):
            yield Shell(line)


def _session(block: str) -> Iterator[Quoted]:
    for part in re.split(r"^\$ ", block.replace("\\\n", " "), flags=re.MULTILINE)[1:]:
        line, _, output = part.partition("\n")
        for command in shell_commands(line):
            yield replace(command, output=output if output.strip() else None)


def _give_output(found: list[Step], output: str) -> None:
    """Say of the last command what it prints, if nothing else came between."""
    if found and isinstance(found[-1], Quoted) and found[-1].output is None:
        found[-1] = replace(found[-1], output=output)
