"""What starts points and plans, ready to be copied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ieco_opt.engines.launch import Launch
from ieco_opt.engines.shell import sh_text
from ieco_opt.errors import ScenarioError
from ieco_opt.reports.page.markup import Markup, Part, cells, joined, lines, tag
from ieco_opt.reports.page.points import evenly
from ieco_opt.reports.page.shown import Shown
from ieco_opt.reports.page.tables import listed, table_of
from ieco_opt.reports.text.wording import counted
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.launching import launched
from ieco_opt.results.plan import FleetResult

MOST_COMMANDS = 60
"""Commands on a page, of all its frontiers: those of others are printed by a command."""


def of_points(shown: Sequence[tuple[str, Shown[Frontier]]]) -> Markup:
    """Commands of the points of frontiers, evenly among them, with their names."""
    each = max(2, MOST_COMMANDS // max(len(shown), 1))
    rows: list[Markup] = []
    told: list[Part] = []
    for label, one in shown:
        found, notes = _of_points(label, one, each, named=len(shown) > 1)
        rows += found
        told += notes
    words = [2, 3] if len(shown) > 1 else [2]
    heads = ["point", *(["scenario"] if len(shown) > 1 else []), "commands"]
    return joined(table_of("Commands that start the points", heads, words, rows) if rows else None, listed(told))


def _of_points(label: str, one: Shown[Frontier], most: int, *, named: bool) -> tuple[list[Markup], list[Part]]:
    numbers = evenly(range(1, len(one.answer) + 1), most)
    who = f"{label}: " if named else ""
    try:
        found = launched(one.answer, None, numbers, one.launch_options())
    except ScenarioError as error:
        return [], [f"{who}no command: {error}"]
    told: list[Part] = [f"{who}no command for {each}" for each in found.refused]
    told += [f"{who}not as planned: {each}" for each in found.unsaid]
    name = [label] if named else []
    rows = [cells("td", [_number(each), *name, _pre(sh_text([each]))]) for each in found.launches]
    left = len(one.answer) - len(numbers)
    if left:
        command = one.command("launch", "--point", "N")
        how: Part = tag("code", command) if command else joined(tag("code", "ieco-opt launch"), " of the saved result")
        told.append(joined(f"{who}{counted(left, 'point')} left out; ", how, " prints the command of any"))
    return rows, told


def _number(launch: Launch) -> str:
    """Number of a point by its heading; the only point of a result has none there."""
    first, second, *_ = launch.heading.split(" ")
    return second if first == "point" and second.isdecimal() else "1"


def of_plan(one: Shown[FleetResult]) -> Markup:
    """Commands of the first server of each row of a plan."""
    plan = one.answer[0]
    if not all(row.parallelism is not None and row.engine is not None for row in plan.instances):
        return listed(["no command: some instances are of no server"])
    try:
        found = launched(one.answer, None, None, one.launch_options(first_only=True))
    except ScenarioError as error:
        return listed([f"no command: {error}"])
    rows = [
        cells("td", [server.kind, _pre(sh_text([replace(launch, servers=(server,), routed=())]))])
        for launch in found.launches
        for server in launch.servers
    ]
    told: list[Part] = [f"no command for {each}" for each in found.refused]
    told += [f"not as planned: {each}" for each in found.unsaid]
    servers = sum(row.instances for row in plan.instances)
    if servers > len(rows):
        command = one.command("launch") or "ieco-opt launch"
        told.append(joined(f"{counted(servers, 'server')} in all; ", tag("code", command), " prints every command"))
    return joined(
        table_of("Commands that start the first server of each row", ["server", "commands"], [1, 2], rows),
        listed(told),
    )


def _pre(text: str) -> Markup:
    return tag("pre", lines(text.strip()), class_="copied")
