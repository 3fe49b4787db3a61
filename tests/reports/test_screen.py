"""Parts of the screen of one plan: commands that shells read, curves, and what to do next, at every width."""

from __future__ import annotations

import shlex

import pytest

from ieco_opt.engines.command import LaunchCommand
from ieco_opt.reports.text.launch_lines import shell_lines
from ieco_opt.reports.text.screen import next_steps
from ieco_opt.reports.text.terminal_plot import Series, plot

WIDTHS = (32, 40, 60, 92, 200)
WORDS = ("vllm", "serve", "a/b", "--kv-transfer-config", '{"kv_connector": "Nixl", "it\'s": 1}', "--path", "a b$(x)/c")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_command_in_lines_is_one_command(width: int) -> None:
    command = LaunchCommand("n", "t", "vllm", "1", None, {}, (), (WORDS,), ({"A": "1 2", "B": "$(x)"},), ("host",))
    lines = shell_lines(command, width)
    # What a shell makes of a line that ends with a backslash.
    read = "\n".join(lines).replace("\\\n", "")
    assert shlex.split(read) == ["A=1 2", "B=$(x)", *WORDS]
    assert read.startswith("A='1 2' B='$(x)' ")
    longest = max(len(shlex.quote(word)) for word in WORDS) + 4
    assert max(map(len, lines)) <= max(width, longest)
    assert all(len(line) <= width for line in lines if len(shlex.split(line.rstrip("\\"))) > 1)


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_a_curve_is_as_wide_as_there_is_room(width: int) -> None:
    points = [Series("o", "together", [(10.0, 1234.0)]), Series("@", "this plan", [(30.0, 20.0)])]
    lines = plot(points, "tokens/s for each user", "tokens/s/GPU", width, wish=20.0)
    assert max(map(len, lines)) <= width
    keys = " ".join(lines[:4])
    assert all(key in keys for key in ("o together", "@ this plan", ": least speed asked for"))


@pytest.mark.parametrize("width", [40, 60, 100])
def test_next_steps_fit(width: int) -> None:
    steps = ("ieco-opt verify plan", "ieco-opt launch plan", "ieco-opt terms")
    lines = next_steps(steps, width)
    assert max(map(len, lines)) <= width
    assert all(any(step in line for line in lines) for step in steps)
