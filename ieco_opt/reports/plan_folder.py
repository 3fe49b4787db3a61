"""A folder with everything of one plan under fixed names: the result, its question, commands, curves and an index."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from ieco_opt.defaults import UprightAxis
from ieco_opt.documents.destinations import make_folder, replace_file
from ieco_opt.documents.yaml_document import yaml_text
from ieco_opt.engines.command import LaunchCommand
from ieco_opt.engines.kubernetes import manifests, unsupported
from ieco_opt.engines.shell import assignments
from ieco_opt.errors import IecoOptError, ScenarioError, printable
from ieco_opt.reports import page
from ieco_opt.results.encoding import to_json
from ieco_opt.results.launching import Launched, LaunchOptions, launched
from ieco_opt.results.plan import FleetResult
from ieco_opt.results.saved_folder import RESULT
from ieco_opt.results.variations import Variations

_PAGE = "report.html"

_ABOUT = {
    _PAGE: "the answer as a page: charts, tables, proof, commands to copy; opens without a network",
    RESULT: "the plan with its proof; `ieco-opt verify` checks this folder",
    "plan.yaml": "the question, for `ieco-opt fleet`",
    "answer.txt": "the answer on one screen",
    "frontier.csv": "the most requests, or the least cost, at each speed",
    "frontier.png": "the same as a picture, together and split, with the plan and what was asked for",
    "plan.png": "the GPUs of each pool and what runs on them",
    "run.sh": "starts the servers of one node: sh run.sh NODE",
    "bench.sh": "measures every server; `ieco-opt calibrate` reads what that writes",
    "k8s.yaml": "the same as Kubernetes manifests",
}


def save_folder(
    result: FleetResult,
    mapping: object,
    variations: Variations | None,
    answer: str,
    folder: Path,
    y: UprightAxis | None = None,
) -> tuple[list[str], list[str]]:
    """Write everything; the names written, and notes: what could not be and why, and what is not as planned.

    Parameters
    ----------
    mapping
        The scenario as a user writes it.
    answer
        The screen.
    y
        What the curve over speed shows upright (:func:`ieco_opt.reports.figures.save_plan`).

    Raises
    ------
    ScenarioError
        The folder cannot be made, or the result cannot be written.
    """
    make_folder(folder)
    before = (folder / RESULT).is_file()
    texts = {RESULT: to_json(result), "plan.yaml": yaml_text(mapping), "answer.txt": f"{answer}\n"}
    if variations is not None and variations.speeds:
        texts["frontier.csv"] = _curve(variations)
    texts_of_servers, notes = _servers(result, folder)
    texts |= texts_of_servers
    for name, text in texts.items():
        replace_file(folder / name, text.encode())
    names = list(texts)
    # Once the result lies there, and in no way that could lose it.
    try:
        page.save([result], folder / _PAGE, files=[str(folder)], variations=variations)
        names.insert(0, _PAGE)
    except IecoOptError as error:
        notes.append(f"not written: {_PAGE}: {error}")
    # Without a curve there is nothing but the plan to draw.
    pictures = {"frontier.png": variations, "plan.png": None} if "frontier.csv" in texts else {"plan.png": None}
    for name, curves in pictures.items():
        try:
            from ieco_opt.reports import figures

            figures.save_plan(result, curves, folder / name, None if curves is None else y)
            names.append(name)
        except IecoOptError as error:
            notes.append(f"not written: {name}: {error}")
    if before:
        _remove_rest(folder, names)
    index = [f"{name:<12}  {_ABOUT.get(name, 'options that run.sh names')}" for name in sorted(names, key=_place)]
    replace_file(folder / "README.txt", "\n".join([*index, ""]).encode())
    return names, notes


def in_words(names: Sequence[str]) -> str:
    """What is in the folder; files of options, of which there may be many, are counted."""
    told = [name for name in names if name in _ABOUT]
    others = len(names) - len(told)
    return ", ".join([*told, *([f"{others} with options that run.sh names"] if others else [])])


def _remove_rest(folder: Path, names: Sequence[str]) -> None:
    """Remove what an earlier plan left under fixed names, which would pass for a part of this one."""
    for name in set(_ABOUT).difference(names):
        with suppress(OSError):
            (folder / name).unlink()


def first_servers(result: FleetResult, folder: Path) -> Launched:
    """The first server of each kind of a plan, whose files lie in the folder; none where they are of no server."""
    if not _has_servers(result):
        return Launched((), (), ())
    try:
        return launched(result, None, None, LaunchOptions(folder.absolute(), "plan", first_only=True))
    except ScenarioError as error:
        return Launched((), (str(error),), ())


def _has_servers(result: FleetResult) -> bool:
    return all(row.parallelism is not None and row.engine is not None for row in result[0].instances)


def _place(name: str) -> int:
    """Files in the order that they are spoken of, those that others name at the end."""
    return list(_ABOUT).index(name) if name in _ABOUT else len(_ABOUT)


def _servers(result: FleetResult, folder: Path) -> tuple[dict[str, str], list[str]]:
    """Commands of all servers by node, their benchmarks, manifests, and the files that commands name."""
    if not _has_servers(result):
        return {}, ["not written: run.sh, bench.sh, k8s.yaml: some instances are of no server"]
    try:
        found = launched(result, None, None, LaunchOptions(folder.absolute(), "plan"))
    except ScenarioError as error:
        return {}, [f"not written: run.sh, bench.sh, k8s.yaml: {error}"]
    missing = [f"not written: the servers of {problem}" for problem in found.refused]
    unsaid = [f"not as planned: {problem}" for problem in found.unsaid]
    commands = [command for launch in found.launches for command in launch.commands()]
    texts = {Path(path).name: text for command in commands for path, text in command.files.items()}
    texts["run.sh"] = "\n".join([*_run(commands, [*missing, *unsaid]), ""])
    texts["bench.sh"] = "\n".join(["#!/bin/sh", "set -e", *_bench(commands), ""])
    refused = {reason for launch in found.launches for server in launch.servers if (reason := unsupported(server))}
    missing += [f"not written: k8s.yaml: {reason}" for reason in sorted(refused)]
    if not refused:
        texts["k8s.yaml"] = manifests(found.launches, None)
    return texts, [*missing, *unsaid]


def _run(commands: Sequence[LaunchCommand], doubts: Sequence[str]) -> Iterator[str]:
    """A script that starts what belongs on the node that it is given, and says what it does not do."""
    hosts: dict[str, list[str]] = {}
    for command in commands:
        for words, env, host in zip(command.nodes, command.node_env, command.hosts, strict=False):
            # The script runs in its folder, wherever that is copied to.
            here = [Path(word).name if word in command.files else word for word in words]
            hosts.setdefault(host, []).append(" ".join([*assignments(env), shlex.join(here), "&"]))
    yield from (
        "#!/bin/sh",
        "# Starts the servers of one node and waits for them: sh run.sh NODE",
        *(f"# {printable(doubt)}" for doubt in doubts),
        'cd "$(dirname "$0")"',
    )
    yield 'case "$1" in'
    for host, lines in hosts.items():
        yield f"{shlex.quote(host)})"
        yield from (f"  {line}" for line in lines)
        yield "  ;;"
    yield f"*) echo {shlex.quote('expected a node: ' + ' '.join(hosts))} >&2; exit 2 ;;"
    yield from ("esac", "wait")


def _bench(commands: Sequence[LaunchCommand]) -> Iterator[str]:
    for command in commands:
        if command.benchmark:
            yield f"# {printable(command.title)}"
            yield shlex.join(command.benchmark)


def _curve(variations: Variations) -> str:
    rows = ["serving,min_speed,requests_per_s,usd_per_hour,gpus"]
    rows += [
        f"{point.serving},{point.min_speed!r},{point.requests_per_s!r},{point.usd_per_hour!r},{point.gpus}"
        for point in variations.speeds
    ]
    return "\n".join([*rows, ""])
