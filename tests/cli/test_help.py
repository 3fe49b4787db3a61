"""Help that teaches: examples that work, the command that was meant, completion, colours."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from places import ROOT, SCENARIOS
from processes import called, on_terminal

from ieco_opt.cli.examples import EXAMPLES, Example
from ieco_opt.cli.main import cli, main

LONGEST_S = 120
REDIRECTIONS = re.compile(r"\s>\s.*$")


def commands(group: click.Group = cli, around: str = "") -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        yield f"{around}{name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} ")


ALL = dict(commands())
LISTED = [(name, example) for name, examples in EXAMPLES.items() for example in examples]


def run(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line as a shell does, with the package of this checkout as ieco-opt."""
    program = folder / "bin" / "ieco-opt"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m ieco_opt "$@"\n')
    program.chmod(0o755)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PATH": f"{program.parent}:{os.environ['PATH']}"}
    bash = shutil.which("bash")
    assert bash is not None
    return subprocess.run(
        [bash, "-c", line],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST_S,
    )


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the shipped scenarios, in which examples find what others wrote."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "scenarios").symlink_to(SCENARIOS)
    return folder


def test_every_command_has_two_examples_and_every_example_a_command() -> None:
    assert {name: len(EXAMPLES.get(name, ())) for name in ALL} == dict.fromkeys(ALL, 2)
    assert set(EXAMPLES) - {""} - set(ALL) == set()


@pytest.mark.parametrize("name", ALL)
def test_help_ends_with_the_examples(name: str) -> None:
    command = ALL[name]
    shown = command.get_help(click.Context(command, info_name=f"ieco-opt {name}", terminal_width=80))
    _, _, end = shown.partition("Examples:")
    assert max(map(len, end.splitlines())) < 80
    lines = [line.strip() for line in re.sub(r" \\\n +", " ", end).strip().splitlines()]
    assert lines == [line for each in EXAMPLES[name] for line in (f"# {each.what}", each.line)]


@pytest.mark.parametrize(("name", "example"), LISTED, ids=lambda value: getattr(value, "line", value))
def test_examples_are_of_the_command_and_parse(name: str, example: Example) -> None:
    called = example.line.removeprefix('eval "$(').removesuffix(')"')
    program, *words = shlex.split(REDIRECTIONS.sub("", called))
    assert program == "ieco-opt"
    if name:
        assert words[: len(name.split())] == name.split() or words[0] == name
    command: click.Command | None = cli
    while isinstance(command, click.Group):
        command = command.get_command(click.Context(command), words.pop(0))
    assert command is not None
    command.make_context(command.name, words)


@pytest.mark.parametrize(
    "example", {each.line: each for _, each in LISTED if each.cheap}.values(), ids=lambda example: example.line
)
def test_cheap_examples_run(example: Example, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shared)
    before = example.after
    if before is not None and not (shared / before.split()[-1]).exists():
        assert status_of(before, shared) == 0
    assert status_of(example.line, shared) == 0
    words = shlex.split(example.line)
    for option in {"--out", "--plot", ">"} & {*words}:
        assert (shared / words[words.index(option) + 1]).stat().st_size


def status_of(line: str, folder: Path) -> int:
    """Exit status of a line that is run in the folder; by a shell where it is more than one command and its options."""
    words = shlex.split(line)
    if words[0] != "ieco-opt" or ">" in words:
        done = run(line, folder)
        assert done.returncode == 0, done.stderr
        return 0
    return called(*words[1:]).returncode


def test_without_a_command_it_says_where_to_begin(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([])
    out, err = capsys.readouterr()
    assert (left.value.code, err) == (0, "")
    assert EXAMPLES[""][0].line in out
    assert all(name in out for name in ALL if " " not in name)
    assert "\\n" not in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["fronteir"], "perhaps `ieco-opt frontier`"),
        (["pareto"], "perhaps `ieco-opt frontier`"),
        (["Solve"], "perhaps `ieco-opt solve`"),
        (["scenarios/a.yaml", "--out", "x"], "a command first, such as `ieco-opt frontier scenarios/a.yaml`"),
        (["plan.json"], "a command first, such as `ieco-opt verify plan.json`"),
        (["xyzzy"], "a command: alternatives, calibrate"),
        (["a\x1b[31mb"], "a command: "),
    ],
    ids=lambda value: value if isinstance(value, str) else ascii(value[0]),
)
def test_an_unknown_command_names_the_one_that_was_meant(
    words: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(words)
    out, err = capsys.readouterr()
    assert (left.value.code, out) == (2, "")
    assert f"expected {expected}" in err
    assert "\x1b" not in err


def test_no_color_is_honoured() -> None:
    plain = on_terminal(["terms", "TP"], 80, NO_COLOR="1")
    assert "\x1b" not in plain
    assert on_terminal(["terms", "TP"], 80, TERM="dumb") == plain
    coloured = on_terminal(["terms", "TP"], 80)
    assert coloured.startswith("\x1b[1mTP\x1b[0m, tensor parallelism")
    assert re.sub(r"\x1b\[\d*m", "", coloured) == plain
    assert len(on_terminal(["terms"], 80).replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines()) > 30


def completed(words: str, at: int, shell: str = "bash") -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "ieco_opt"],
        env=os.environ
        | {"_IECO_OPT_COMPLETE": f"{shell}_complete", "COMP_WORDS": words, "COMP_CWORD": str(at)}
        | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_a_shell_completes_commands_options_and_names() -> None:
    assert completed("ieco-opt f", 1) == ["plain,fleet", "plain,frontier"]
    assert completed("ieco-opt fleet --f", 2) == ["plain,--frontier", "plain,--format"]
    assert completed("ieco-opt solve ", 2) == ["file,"]
    assert completed("ieco-opt terms TP", 2) == ["plain,TPOT", "plain,TP"]
    assert "plain,H100-SXM" in completed("ieco-opt catalog show H100", 3)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_of_completion_name_the_program(shell: str, tmp_path: Path) -> None:
    done = run(f"ieco-opt completion {shell}", tmp_path)
    assert done.returncode == 0
    assert f"_IECO_OPT_COMPLETE={shell}_complete" in done.stdout
    assert done.stderr == ""


def test_the_script_of_bash_completes(tmp_path: Path) -> None:
    load = 'eval "$(ieco-opt completion bash)"; COMP_WORDS=(ieco-opt fr); COMP_CWORD=1; '
    done = run(load + '_ieco_opt_completion ieco-opt; echo "${COMPREPLY[@]}"', tmp_path)
    assert (done.stdout, done.stderr) == ("frontier\n", "")


@pytest.mark.parametrize("group", ["catalog", "import"])
def test_a_group_without_a_command_shows_its_help_in_lines(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([group])
    assert ended.value.code == 2
    shown = capsys.readouterr().err
    assert shown.splitlines()[0] == f"Usage: ieco-opt {group} [OPTIONS] COMMAND [ARGS]..."
    assert "Commands:" in shown.splitlines()
