"""What starts the first server of a plan, as a shell reads it, and what those commands do not do."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from ieco_opt.engines.command import LaunchCommand
from ieco_opt.engines.shell import assignments
from ieco_opt.errors import printable
from ieco_opt.reports.text import wording
from ieco_opt.reports.text.table import indented
from ieco_opt.results.launching import Launched
from ieco_opt.results.plan import FleetPlan

_CONTINUED = " \\"


def launch_lines(found: Launched, plan: FleetPlan, width: int, *, saved: bool) -> list[str]:
    """Lines of at most ``width`` columns where no single word is longer; none where a plan has no servers.

    Parameters
    ----------
    found
        The first server of each kind.
    saved
        Whether the files that commands name are written.
    """
    commands = [command for launch in found.launches for command in launch.commands() if command.phase != "router"]
    commands.sort(key=lambda each: each.phase == "prefill")
    lines = shell_lines(commands[0], width) if commands else []
    return [*lines, *(part for line in _notes(found, commands, plan, saved) for part in _filled(line, width))]


def _notes(found: Launched, commands: Sequence[LaunchCommand], plan: FleetPlan, saved: bool) -> Iterator[str]:
    yield from (f"none for {each}" for each in found.refused)
    yield from (f"NOT AS PLANNED: {each}" for each in found.unsaid)
    if not commands:
        return
    first = commands[0]
    if len(first.nodes) > 1:
        yield f"on node 0 of its {len(first.nodes)} nodes"
    if first.files and not saved:
        yield f"--save DIR writes {', '.join(Path(path).name for path in first.files)}"
    servers = sum(row.instances for row in plan.instances)
    if servers > 1:
        partial = " --partial" if found.refused or found.unsaid else ""
        yield f"{wording.counted(servers, 'server')} in all; `ieco-opt launch{partial}` prints every command"


def shell_lines(command: LaunchCommand, width: int) -> list[str]:
    """A command in lines that a shell reads as one; words are never broken."""
    lines = [""]
    for word in (*assignments(command.env), *map(shlex.quote, command.argv)):
        together = f"{lines[-1]} {word}" if lines[-1].strip() else f"{lines[-1]}{word}"
        if len(together) + len(_CONTINUED) <= width or not lines[-1].strip():
            lines[-1] = together
        else:
            lines.append(f"  {word}")
    return [*(f"{line}{_CONTINUED}" for line in lines[:-1]), lines[-1]]


def _filled(line: str, width: int) -> list[str]:
    return indented(printable(line), width).split("\n")
