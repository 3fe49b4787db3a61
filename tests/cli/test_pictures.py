"""Pictures of the command line: a line for each accelerator, and what stands upright."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

import ieco_opt
from ieco_opt.cli.exit_status import ExitStatus
from ieco_opt.cli.main import main
from ieco_opt.pareto.each_accelerator import of_each_accelerator
from ieco_opt.scenario.solver_config import SolverConfig
from ieco_opt.solvers.config import solver_config_of

CARDS = ("frontier", "Llama-3.1-8B", "--gpus", "2xH200", "--gpus", "2xMI300X", "--isl", "1k", "--osl", "200")
COARSE = ("--engine", "vllm", "--delta", "0.5", "--quiet")
TWO = {
    "version": 2,
    "kind": "fleet",
    "pools": [{"name": "h100", "accelerator": "H100-SXM", "gpus": 8}],
    "workloads": [
        {
            "name": name,
            "model": "Llama-3.1-8B",
            "weights": "fp8",
            "requests_per_s": 1,
            "prompt_tokens": 9,
            "output_tokens": 9,
        }
        for name in ("one", "two")
    ],
}


def status_of(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments)])
    return int(ended.value.code or 0)


def written_in(path: Path) -> set[str]:
    """Words of an SVG picture, each of which stands in a comment beside its letters."""
    return set(re.findall(r"<!-- (.*?) -->", path.read_text("utf-8")))


def test_every_accelerator_has_a_line_with_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn = tmp_path / "cards.svg"
    assert status_of(*CARDS, *COARSE, "--format", "json", "--plot", drawn, "--y", "tokens_per_gpu") == ExitStatus.DONE
    words = written_in(drawn)
    assert {"H200-SXM", "MI300X", "output tokens/s/GPU, log scale"} <= words
    # The answer itself is one frontier over both.
    assert '"accelerators"' in capsys.readouterr().out


def test_a_page_holds_the_answer_before_the_lines(tmp_path: Path) -> None:
    page = tmp_path / "cards.html"
    assert status_of(*CARDS, *COARSE, "--format", "csv", "--plot", page) == ExitStatus.DONE
    tables = page.read_text("utf-8").split("<pre>")[1]
    assert tables.count("approximate Pareto set") == 3


def test_an_accelerator_that_fits_nothing_is_said_in_the_picture(tmp_path: Path) -> None:
    drawn = tmp_path / "cards.svg"
    asked = ("frontier", "Llama-3.3-70B", "--gpus", "1xH100", "--gpus", "1xMI300X", "--isl", "1k", "--osl", "200")
    asked += ("--weights", "fp8", *COARSE)
    assert status_of(*asked, "--format", "csv", "--plot", drawn) == ExitStatus.DONE
    words = written_in(drawn)
    assert "MI300X" in words
    assert any("H100-SXM: no deployment meets the limits, proven" in each for each in words)


def test_lines_share_the_limit_of_one_search() -> None:
    scenario = ieco_opt.load_scenario(Path(__file__).parents[2] / "scenarios" / "llama-3.3-70b-accelerators.yaml")
    assert isinstance(scenario, ieco_opt.Scenario)
    hurried = replace(solver_config_of("exact"), total_time_limit_s=1e-9)
    assert isinstance(hurried, SolverConfig)
    each = of_each_accelerator(scenario, solver_config=hurried, delta=0.5)
    assert (each.frontiers, each.stopped) == ([], "time limit")
    assert each.missing[0] == "H100-SXM: nothing found before the search ended (time limit)"
    assert len(each.missing) == len(scenario.accelerators)


def test_a_line_that_was_stopped_is_in_the_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ieco_opt.pareto import each_accelerator

    ended = each_accelerator.EachAccelerator(missing=["H200-SXM: nothing found"], stopped="interrupted")
    monkeypatch.setattr(each_accelerator, "of_each_accelerator", lambda *_, **__: ended)
    drawn = tmp_path / "cards.svg"
    assert status_of(*CARDS, *COARSE, "--format", "csv", "--plot", drawn) == ExitStatus.STOPPED
    assert any("H200-SXM: nothing found" in each for each in written_in(drawn))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ((*CARDS, "--plot", "a.svg", "--y", "tokens"), "'tokens' is not one of 'cost', 'tokens_per_gpu'"),
        ((*CARDS, "--y", "cost"), "--y goes with --plot"),
        (("fleet", "two.yaml", "--y", "cost", "--plot", "a.svg"), "--y goes with --frontier and --plot"),
        (("fleet", "two.yaml", "--y", "cost", "--frontier", "gpus"), "--y goes with --frontier and --plot"),
        (
            ("fleet", "two.yaml", "--y", "tokens_per_gpu", "--frontier", "gpus", "--plot", "a.svg"),
            "--y tokens_per_gpu: found 2 workloads, expected one",
        ),
        (("plan", *CARDS[1:], "--y", "cost"), "--y goes with --plot or --save, and not with --brief"),
        (
            ("plan", *CARDS[1:], "--y", "cost", "--brief", "--plot", "a.svg"),
            "--y goes with --plot or --save, and not with --brief",
        ),
    ],
)
def test_an_axis_that_no_picture_has_is_refused_before_the_work(
    asked: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("two.yaml").write_text(yaml.safe_dump(TWO))
    assert status_of(*asked) == ExitStatus.WRONG_INPUT
    error = capsys.readouterr().err
    assert said in error.splitlines()[-1]
    assert not Path("a.svg").exists()


def test_the_picture_of_a_plan_is_its_curve_with_the_axis_that_was_asked_for(tmp_path: Path) -> None:
    drawn = tmp_path / "plan.svg"
    asked = ("plan", "Llama-3.1-8B", "--gpus", "8xH100", *CARDS[6:], "--tpot", "20ms", "--weights", "fp8")
    assert status_of(*asked, "--engine", "vllm", "--quiet", "--plot", drawn, "--y", "tokens_per_gpu") == ExitStatus.DONE
    words = written_in(drawn)
    assert any(each.startswith("output tokens/s/GPU") for each in words)
    assert {"together", "split"} <= words
    assert "choice: this plan" in words
