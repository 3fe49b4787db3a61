"""Commands as people paste them, and as other programs read them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence

from ieco_opt.documents.json_document import json_text
from ieco_opt.documents.yaml_document import yaml_text
from ieco_opt.engines.command import LaunchCommand
from ieco_opt.engines.launch import Launch
from ieco_opt.errors import printable

_INDENT = "  "


def sh_text(launches: Sequence[Launch]) -> str:
    """Every command with its flags one below the other, and comments that say where it runs and how to measure it."""
    lines: list[str] = []
    for launch in launches:
        lines.append(_comment(launch.heading))
        for command in launch.commands():
            lines += _described(command)
        lines.append("")
    return "\n".join(lines)


def _described(command: LaunchCommand) -> Iterator[str]:
    yield _comment(f"{command.title}, with {command.engine} {command.version}")
    for path in command.files:
        yield _comment(f"options are in {path}")
    if command.package:
        yield _comment(f"needs: pip install {command.package}")
    for words, env, host in zip(command.nodes, command.node_env, command.hosts, strict=False):
        yield _comment(f"on {host}")
        yield " \\\n".join(_broken(words, env))
    if command.benchmark:
        yield _comment("measure it: " + shlex.join(command.benchmark))


def _comment(text: str) -> str:
    return f"# {printable(text)}"


def _broken(words: Sequence[str], env: Mapping[str, str]) -> Iterator[str]:
    """Lines of a command: what stands before the first flag, then each flag with its value."""
    first = next((at for at, word in enumerate(words) if word.startswith("--")), len(words))
    yield " ".join([*assignments(env), shlex.join(words[:first])])
    line: list[str] = []
    for word in words[first:]:
        if word.startswith("--") and line:
            yield _INDENT + shlex.join(line)
            line = []
        line.append(word)
    if line:
        yield _INDENT + shlex.join(line)


def assignments(env: Mapping[str, str]) -> list[str]:
    """What stands before a command for its environment."""
    return [f"{name}={shlex.quote(value)}" for name, value in env.items()]


def line_text(launches: Sequence[Launch]) -> str:
    """One line a server: the command of node 0, then those of the other nodes as comments; routers are comments."""
    lines = [_line(command) for launch in launches for command in launch.commands()]
    return "".join(f"{line}\n" for line in lines)


def _line(command: LaunchCommand) -> str:
    node_lines = [
        " ".join([*assignments(env), shlex.join(words)])
        for words, env in zip(command.nodes, command.node_env, strict=True)
    ]
    if command.phase == "router":
        return f"# router: {node_lines[0]}"
    return "".join([node_lines[0], *(f" # node {rank}: {line}" for rank, line in enumerate(node_lines[1:], 1))])


def json_of(launches: Sequence[Launch]) -> str:
    """A list of all commands with their environment, files and images."""
    return json_text(_listed(launches))


def yaml_of(launches: Sequence[Launch]) -> str:
    """The same as YAML."""
    return yaml_text(_listed(launches))


def _listed(launches: Sequence[Launch]) -> list[dict[str, object]]:
    return [command.to_dict() for launch in launches for command in launch.commands()]
