"""Parts of the screen of one plan: commands that shells read, curves, and what to do next, at every width."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace

import pytest

import ieco_opt
from ieco_opt.catalog.profiles import calibration
from ieco_opt.engines.command import LaunchCommand
from ieco_opt.reports.text.launch_lines import shell_lines
from ieco_opt.reports.text.screen import next_steps, render_screen
from ieco_opt.reports.text.terminal_plot import Series, plot
from ieco_opt.results.plan import FleetResult
from ieco_opt.scenario import load_fleet_mapping

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


def test_points_of_a_curve_are_joined_by_dots_in_its_style() -> None:
    curve = Series("o", "together", [(0.0, 100.0), (100.0, 0.0)], "cyan")
    axes = "tokens/s for each user", "tokens/s/GPU", 44
    plain, dotted = plot([curve], *axes), plot([curve], *axes, joined=True)
    # Every row between the ends has dots, which lie further right in each; nothing else is changed.
    starts = [re.search("[\u2801-\u28ff]", line) for line in dotted[1:9]]
    assert [each.start() for each in starts if each] == sorted({each.start() for each in starts if each})
    assert sum(each is not None for each in starts) == 8
    assert [re.sub("[\u2801-\u28ff]", " ", line).rstrip() for line in dotted] == [line.rstrip() for line in plain]
    styled = plot([curve], *axes, joined=True, style=lambda text, style: f"<{style} {text}>")
    assert [re.sub("<cyan (.)>", r"\1", line) for line in styled] == dotted
    assert "<cyan o>" in "".join(styled)


@pytest.mark.parametrize("width", [40, 60, 100])
def test_next_steps_fit(width: int) -> None:
    steps = ("ieco-opt verify plan", "ieco-opt launch plan", "ieco-opt terms")
    lines = next_steps(steps, width)
    assert max(map(len, lines)) <= width
    assert all(any(step in line for line in lines) for step in steps)


@pytest.fixture(scope="module")
def limited() -> FleetResult:
    """A plan for answers that begin within 2 s and go on every 20 ms."""
    asked = {"isl": 1000, "osl": 200, "ttft": "2s", "tpot": "20ms", "weights": "fp8", "engine": "vllm"}
    return ieco_opt.plan(model="Llama-3.1-8B", gpus="1xH100", **asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(("share", "binds"), [(0.97, False), (0.984, False), (0.985, True), (1.0, True)])
@pytest.mark.parametrize("name", ["TTFT", "TPOT", "memory"])
def test_what_is_close_to_its_limit_is_said_to_bind(name: str, share: float, binds: bool, limited: FleetResult) -> None:
    # Each of the others is at half of its limit.
    shares = {"TTFT": 0.5, "TPOT": 0.5, "memory": 0.5} | {name: share}
    (plan,), (summary,) = limited.plans, limited.plans[0].workloads
    first, slowest = 2.0 * shares["TTFT"], 0.02 * shares["TPOT"]
    rows = tuple(
        replace(row, memory_limit_gb=64.0, memory_per_gpu_gb=64.0 * shares["memory"]) for row in plan.instances
    )
    summary = replace(summary, time_to_first_token_s=first, speed_tokens_per_s=1.0 / slowest)
    shown = render_screen(replace(limited, plans=(replace(plan, workloads=(summary,), instances=rows),)), None)
    limits = {"TTFT": "2 s", "TPOT": "20 ms", "memory": "64 GB per GPU"}
    assert all(re.search(rf"{each} [\d.]+ of {limit}", shown) for each, limit in limits.items()), shown
    bound = [each for each, limit in limits.items() if re.search(rf"{each} [\d.]+ of {limit} <- binds", shown)]
    assert bound == ([name] if binds else [])


@pytest.mark.parametrize(
    ("model", "gpus", "said"),
    [
        # The layers of Llama-3.3-70B are those of the model that was measured.
        ("Llama-3.3-70B", "4xH200", "within {median} % of measurements of Llama-3.1-70B on H200-SXM (half of {rows}"),
        ("Llama-3.1-8B", "1xH100", "Llama-3.1-8B was not measured on H100-SXM"),
    ],
)
def test_trust_says_how_near_measurements_of_this_model_on_this_card_are(model: str, gpus: str, said: str) -> None:
    result = ieco_opt.plan(model=model, gpus=gpus, isl=1000, osl=200, weights="fp8", engine="vllm")
    fitted_on = calibration("hopper-2026-07").fitted_on
    assert fitted_on is not None
    (pair,) = (each for each in fitted_on.measured if (each.model, each.accelerator) == ("Llama-3.1-70B", "H200-SXM"))
    expected = said.format(median=f"{100.0 * pair.median_error:.0f}", rows=pair.rows)
    assert f"TRUST   {expected}" in render_screen(result, None, width=200)
    own = result.scenario.model_copy(update={"profile": ("paper-constants",)})
    assert "measure" not in render_screen(ieco_opt.plan(own), None)


def test_trust_is_that_of_the_profile_that_priced_and_not_of_another_of_its_name() -> None:
    hopper = calibration("hopper-2026-07").model_dump(mode="json", exclude_defaults=True)
    hopper["fitted_on"]["measured"] = [
        {"model": "Llama-3.1-8B", "accelerator": "H100-SXM", "rows": 12, "median_error": 0.03, "p90_error": 0.2}
    ]
    asked = ieco_opt.plan(model="Llama-3.1-8B", gpus="1xH100", isl=1000, osl=200, engine="vllm").scenario
    mine = ieco_opt.plan(load_fleet_mapping(asked.to_mapping() | {"profile": [hopper]}))
    expected = "within 3 % of measurements of Llama-3.1-8B on H100-SXM (half of 12 rows; worst tenth beyond 20 %)"
    assert expected in render_screen(mine, None, width=200)
