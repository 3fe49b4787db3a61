"""Results as they are looked at: in the interpreter, in a notebook, as pictures; and the names that users import."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure
from places import SCENARIOS
from saved_results import DRAFTED, EXPERTS, FLEET, KINDS, result

import ieco_opt
from ieco_opt.errors import IecoOptError
from ieco_opt.results.alternatives import rows_of
from ieco_opt.results.answer import Answer
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.plan import FleetPlan
from ieco_opt.results.shown import PAINTERS

MOST_LINES = 12
HOSTILE = "<script>alert(1)</script>"
QUESTIONS = {
    "frontier": "Frontier of 'small': speed against cost",
    "preferred": "Frontier of 'small-experts': the deployment with the greatest speed^3 / cost",
    "stopped": "Frontier of 'small': speed against cost",
    "plan": "FleetResult of 'small-fleet': least cost",
    "fleet_frontier": "FleetResult of 'small-fleet': least cost against GPUs",
    "explanation": "Explanation of 'small': what decides the cheapest deployment",
    "infeasible": "Explanation of 'small': what decides the fastest deployment",
    "comparison": "Comparison of 'small-experts': heuristics against the exact frontier",
    "alternatives": "Alternatives of 'small': the cheapest deployment and near-optimal alternatives",
    "alternative_plans": "Alternatives of 'small-fleet': least cost and near-optimal alternatives",
}
GUARANTEES = {
    "frontier": "covered: for every feasible answer one listed is at most 30 % more expensive and 30 % worse",
    "preferred": "single: the one answer that was asked for; optimal",
    "stopped": "partial: stopped (time limit), better answers may exist",
    "plan": "single: the one answer that was asked for; optimal",
    "fleet_frontier": "covered: for every feasible answer one listed is at most 50 % more expensive and 50 % worse",
    "explanation": "single: the one answer that was asked for; optimal",
    "infeasible": "none: proven, no answer exists; infeasible",
    "comparison": "covered: for every feasible answer one listed is at most 1 % more expensive and 1 % worse",
    "alternatives": "each the best of what those before leave; optimal",
    "alternative_plans": "each the best of what those before leave; optimal",
}
ALTERNATIVES = ("alternatives", "alternative_plans")
PICTURED = tuple(kind for kind in KINDS if kind not in ("explanation", "infeasible", *ALTERNATIVES))
MAGIC = {"png": b"\x89PNG", "svg": b"<?xml", "html": b"<!DOCTYPE html>"}


def points_of(answer: Any) -> tuple[Any, ...]:
    if hasattr(answer, "found"):
        return tuple(row for each in answer.found for row in rows_of(each))
    return tuple(answer.plans if hasattr(answer, "plans") else answer.deployments)


# In the interpreter


@pytest.mark.parametrize("kind", KINDS)
def test_a_dozen_lines_say_what_a_result_is(kind: str) -> None:
    lines = repr(result(kind)).splitlines()
    assert 3 <= len(lines) <= MOST_LINES
    assert (lines[0], lines[1].strip()) == (QUESTIONS[kind], GUARANTEES[kind])
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("kind", ALTERNATIVES)
def test_alternatives_are_listed_with_what_they_lose(kind: str) -> None:
    answer: Any = result(kind)
    lines = [line.strip() for line in repr(answer).splitlines()]
    assert lines[2].startswith(f"{len(answer)} {'plan' if kind == 'alternative_plans' else 'deployment'}")
    assert [line.partition(" %: ")[0] for line in lines[3:]] == [f"+{100.0 * each.excess:.3g}" for each in answer.found]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ALTERNATIVES])
def test_the_ends_of_a_result_are_named(kind: str) -> None:
    answer = result(kind)
    lines = [line.strip() for line in repr(answer).splitlines()]
    points = points_of(answer)
    noun = "plan" if hasattr(answer, "plans") else "deployment"
    assert lines[2] == f"{len(points)} {noun}{'s' * (len(points) != 1)}"
    ends = [points[0], points[-1]] if len(points) > 1 else list(points)
    for line, point in zip(lines[3:], ends, strict=False):
        if isinstance(point, Deployment):
            figures = f"{point.speed_tokens_per_s:.4g} tokens/s at ${point.cost_usd_per_mtok:.4g} per million tokens: "
            assert line.startswith(f"{figures}{point.gpus} x {point.accelerator}, {point.engine}, TP")
        else:
            assert line.startswith(f"${point.usd_per_hour:,.2f}/h, {point.gpus} GPUs")
        assert line.endswith(f"({point.status})")
    others = lines[3 + len(ends) :]
    told = {
        "comparison": [
            f"{each.name}: finds {100.0 * each.share_found:.3g} % of the points"
            for each in getattr(answer, "heuristics", ())
        ],
        "infeasible": ["no deployment meets limits.min_speed"],
    }
    assert others == told.get(kind, [])


def test_what_does_not_fit_into_a_dozen_lines_is_counted() -> None:
    comparison: Any = result("comparison")
    many = replace(comparison, heuristics=comparison.heuristics * 5)
    lines = repr(many).splitlines()
    assert len(lines) == MOST_LINES
    # Five lines of the frontier, ten of heuristics.
    assert lines[-1] == "  and 4 more"
    assert len(repr(replace(comparison, heuristics=comparison.heuristics * 3)).splitlines()) == 5 + 6


def test_limits_that_clash_are_named_together() -> None:
    infeasible: Any = result("infeasible")
    subset = infeasible.infeasible_subset
    (member,) = subset.members
    members = (member, replace(member, limit="limits.max_cost"))
    clashing = replace(infeasible, infeasible_subset=replace(subset, members=members))
    assert repr(clashing).splitlines()[-1] == "  no deployment meets together: limits.min_speed, limits.max_cost"


@pytest.mark.parametrize("objective", ["power", "gpus", "energy"])
def test_other_questions_of_fleets_have_words_too(objective: Any) -> None:
    plan: Any = result("plan")
    asked = replace(plan, question=replace(plan.question, objective=objective))
    words = {"power": "least power", "gpus": "fewest GPUs", "energy": "least energy"}
    assert repr(asked).splitlines()[0].endswith(f": {words[objective]}")


# In a notebook


class Page(HTMLParser):
    """Tags and texts of a piece of HTML."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag, which runs no script."""
        assert not any(name.startswith("on") for name, _ in attrs)
        self.tags.append(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Every tag is closed in its turn."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.texts.append(data)


def html_of(answer: Any) -> Page:
    page = Page(answer._repr_html_())
    assert page.open == []
    return page


@pytest.mark.parametrize("kind", KINDS)
def test_a_notebook_shows_the_summary_and_the_table(kind: str) -> None:
    answer: Any = result(kind)
    page, table = html_of(answer), answer.main_table()
    assert page.tags.count("table") == 1
    assert page.tags.count("tr") == 1 + len(table)
    for text in (*repr(answer).splitlines(), *table.columns):
        assert text in page.texts
    assert set(page.tags) <= {"p", "br", "div", "style", "table", "thead", "tbody", "tr", "th", "td"}


@pytest.mark.parametrize("kind", KINDS)
def test_names_are_escaped(kind: str) -> None:
    answer: Any = result(kind)
    hostile = replace(answer, scenario=answer.scenario.model_copy(update={"name": HOSTILE}))
    assert HOSTILE in repr(hostile)
    text = hostile._repr_html_()
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert any(HOSTILE in each for each in html_of(hostile).texts)


def test_names_in_tables_are_escaped() -> None:
    plan: Any = result("plan")
    rows = tuple(replace(row, workload=HOSTILE) for row in plan[0].instances)
    hostile = replace(plan, plans=(replace(plan[0], instances=rows),))
    assert "<script" not in hostile._repr_html_()
    assert html_of(hostile).texts.count(HOSTILE) == len(rows) > 0


def test_long_tables_are_cut_and_say_so() -> None:
    front: Any = result("frontier")
    long = replace(front, deployments=front.deployments * 10)
    page = html_of(long)
    assert page.tags.count("tr") == 1 + 25
    assert f"and {len(long) - 25} more rows" in page.texts
    exactly = replace(front, deployments=(front.deployments * 10)[:25])
    assert not any("more row" in text for text in html_of(exactly).texts)


# As a picture


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to which nothing is written by accident."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", PICTURED)
def test_a_picture_is_returned_and_no_file_is_written(kind: str, folder: Path) -> None:
    answer: Any = result(kind)
    for figure in (answer.plot(), ieco_opt.plot(answer)):
        assert isinstance(figure, Figure)
        assert figure.axes
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("ending", MAGIC)
@pytest.mark.parametrize("kind", PICTURED)
def test_exactly_the_file_that_is_given_is_written(kind: str, ending: str, folder: Path) -> None:
    answer: Any = result(kind)
    assert isinstance(answer.plot(f"own.{ending}"), Figure)
    assert isinstance(ieco_opt.plot(answer, folder / f"other.{ending}"), Figure)
    own, other = folder / f"own.{ending}", folder / f"other.{ending}"
    assert sorted(folder.iterdir()) == sorted((own, other))
    assert own.read_bytes().startswith(MAGIC[ending])
    assert own.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("kind", ["explanation", "infeasible", *ALTERNATIVES])
def test_what_is_no_curve_has_no_picture(kind: str, folder: Path) -> None:
    answer: Any = result(kind)
    for draw in (answer.plot, lambda: answer.plot("picture.png"), lambda: ieco_opt.plot(answer)):
        with pytest.raises(
            ieco_opt.ScenarioError, match=f"found {type(answer).__name__}, expected a frontier"
        ) as caught:
            draw()
        assert len(caught.value.faults) == 1
    assert list(folder.iterdir()) == []


def drawn(figure: Figure) -> list[tuple[float, float]]:
    lines = [line for line in figure.axes[0].lines if line.get_marker() != "None"]
    return sorted((float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in lines)  # type: ignore[index]


def test_several_frontiers_go_into_one_picture(folder: Path) -> None:
    first: Any = result("frontier")
    second = ieco_opt.frontier(ieco_opt.Scenario(**EXPERTS), delta=0.3)
    both = ieco_opt.plot([first, second])
    assert isinstance(both, Figure)
    assert list(folder.iterdir()) == []
    assert drawn(both) == sorted(
        (item.speed_tokens_per_s, item.cost_usd_per_mtok) for front in (first, second) for item in front
    )
    names = [text.get_text() for text in both.axes[0].texts if text.get_gid() == "name"]
    assert names == ["small", "small-experts"]
    for ending, magic in MAGIC.items():
        assert isinstance(ieco_opt.plot([first, second], f"both.{ending}"), Figure)
        assert (folder / f"both.{ending}").read_bytes().startswith(magic)
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"both.{ending}" for ending in MAGIC)
    alone = ieco_opt.plot([first])
    assert drawn(alone) == drawn(first.plot())


@pytest.mark.parametrize(
    ("kinds", "named"), [((), "none"), (("frontier", "plan"), "FleetResult")], ids=["none", "plan"]
)
def test_what_goes_into_no_picture_together_is_refused(kinds: tuple[str, ...], named: str, folder: Path) -> None:
    for path in (None, "both.svg"):
        with pytest.raises(ieco_opt.ScenarioError, match=f"found {named}, expected frontiers of deployments"):
            ieco_opt.plot([result(kind) for kind in kinds], path)
    assert list(folder.iterdir()) == []


def test_an_installation_without_painters_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(**_: str) -> tuple[metadata.EntryPoint, ...]:
        return ()

    front: Any = result("frontier")
    monkeypatch.setattr(metadata, "entry_points", nothing)
    with pytest.raises(IecoOptError, match=f"no entry point 'figures' of {re.escape(PAINTERS)}"):
        front.plot()


# As sequences and tables


@pytest.mark.parametrize("kind", ["frontier", "preferred", "stopped", "plan", "fleet_frontier"])
def test_a_result_is_a_sequence_of_its_points(kind: str) -> None:
    answer: Any = result(kind)
    points = points_of(answer)
    assert len(answer) == len(points)
    assert isinstance(iter(answer), Iterator)
    assert tuple(answer) == points
    assert [answer[at] for at in range(len(points))] == list(points)
    for index in (len(points), -len(points) - 1):
        with pytest.raises(IndexError):
            answer[index]
    if points:
        assert answer[0] is points[0]
        assert answer[-1] is points[-1]
        assert isinstance(answer[0], FleetPlan if hasattr(answer, "plans") else Deployment)


@pytest.mark.parametrize("kind", KINDS)
def test_every_result_is_a_table(kind: str) -> None:
    answer: Any = result(kind)
    table = answer.to_dataframe()
    assert isinstance(table, pd.DataFrame)
    rows = {
        "plan": len(answer.plans[0].instances) if kind == "plan" else 0,
        "fleet_frontier": sum(len(plan.instances) for plan in answer.plans) if kind == "fleet_frontier" else 0,
        "explanation": 1 + len(answer.runner_ups) if kind == "explanation" else 0,
        "comparison": 2,
    }
    assert len(table) == rows.get(kind, len(points_of(answer)))
    if kind in ("frontier", "preferred", "stopped"):
        assert (*table.columns, *Deployment.optional()) == Deployment.columns()
        assert table["cost_usd_per_mtok"].tolist() == [item.cost_usd_per_mtok for item in answer]
    if kind == "explanation":
        assert table["loss"].tolist() == [0.0, *(each.loss for each in answer.runner_ups)]


# Public names


def test_the_public_names_are_listed_and_can_be_imported() -> None:
    assert dir(ieco_opt) == sorted(ieco_opt.__all__)
    assert len(set(ieco_opt.__all__)) == len(ieco_opt.__all__)
    commands = {"frontier", "solve", "plan", "fleet_frontier", "evaluate", "explain", "compare", "verify", "export"}
    assert commands | {"load_scenario", "load_result", "plot", "show_versions"} <= set(ieco_opt.__all__)
    for name in ieco_opt.__all__:
        value = getattr(ieco_opt, name)
        assert isinstance(value, ModuleType) if name == "errors" else callable(value)
        assert name[0].isupper() == isinstance(value, type)
    with pytest.raises(AttributeError, match="'ieco_opt' has no attribute 'frontiers'"):
        ieco_opt.frontiers  # type: ignore[attr-defined]  # noqa: B018


def test_the_public_names_stay_the_same_however_much_is_imported() -> None:
    code = (
        "import ieco_opt; before = dir(ieco_opt); namespace = {}; exec('from ieco_opt import *', namespace); "
        "import ieco_opt.cli.main, ieco_opt.verification.verify; "
        "print(before == dir(ieco_opt) == sorted(ieco_opt.__all__), set(ieco_opt.__all__) - set(namespace))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("True set()\n", "")


def test_old_names_warn_and_work(tmp_path: Path) -> None:
    with pytest.warns(FutureWarning, match=r"^ieco_opt\.load_fleet is now ieco_opt\.load_scenario$") as caught:
        fleet = ieco_opt.load_fleet(SCENARIOS / "fleet-six-models.yaml")  # type: ignore[attr-defined]
    assert [each.filename for each in caught] == [__file__]
    assert fleet == ieco_opt.load_scenario(SCENARIOS / "fleet-six-models.yaml")
    assert isinstance(fleet, ieco_opt.Fleet)
    plan: Any = result("plan")
    plan.to_json(tmp_path / "plan.json")
    with pytest.warns(FutureWarning, match=r"^ieco_opt\.verify_fleet is now ieco_opt\.verify$") as caught:
        verify_fleet = ieco_opt.verify_fleet  # type: ignore[attr-defined]
    assert [each.filename for each in caught] == [__file__]
    for given in (plan, tmp_path / "plan.json"):
        report = verify_fleet(given)
        assert (report.problems, report.plans, report.rows) == ([], 1, len(plan[0].instances))


def test_new_names_do_not_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ieco_opt.__all__:
            getattr(ieco_opt, name)


# Both kinds of scenarios


def test_scenarios_of_both_kinds_are_read_by_one_function() -> None:
    for path in sorted(SCENARIOS.glob("*.yaml")):
        scenario = ieco_opt.load_scenario(path)
        kind = "fleet" if re.search(r"^kind: fleet$", path.read_text("utf-8"), re.MULTILINE) else "deployment"
        assert scenario.kind == kind
        assert type(scenario) is {"fleet": ieco_opt.Fleet, "deployment": ieco_opt.Scenario}[kind]
    fleet = ieco_opt.load_scenario(SCENARIOS / "fleet-six-models.yaml", ["name=other"])
    assert fleet.name == "other"


@pytest.mark.parametrize("ending", ["lp", "mps"])
@pytest.mark.parametrize("kind", ["deployment", "fleet"])
def test_programs_of_both_kinds_are_exported(kind: str, ending: str, tmp_path: Path) -> None:
    scenario = ieco_opt.Scenario(**DRAFTED) if kind == "deployment" else ieco_opt.Fleet(**FLEET)
    written = ieco_opt.export(scenario, tmp_path / f"program.{ending}")
    text = (tmp_path / f"program.{ending}").read_text("utf-8")
    assert [path.name for path in tmp_path.iterdir()] == [f"program.{ending}"]
    assert written.variables > 1
    assert written.constraints > 1
    marks = {"lp": ("s.t.", "bounds", "end"), "mps": ("ROWS", "COLUMNS", "RHS", "ENDATA")}[ending]
    assert all(re.search(rf"^{re.escape(mark)}$", text, re.MULTILINE) for mark in marks)


def test_an_objective_is_for_programs_of_deployments(tmp_path: Path) -> None:
    path = tmp_path / "program.lp"
    with pytest.raises(ieco_opt.ScenarioError, match="objective is for deployments"):
        ieco_opt.export(ieco_opt.Fleet(**FLEET), path, objective="cheapest")
    assert not path.exists()
    ieco_opt.export(ieco_opt.Scenario(**DRAFTED), path, objective="fastest")
    fastest = path.read_text("utf-8")
    ieco_opt.export(ieco_opt.Scenario(**DRAFTED), path)
    assert path.read_text("utf-8") == fastest
    ieco_opt.export(ieco_opt.Scenario(**DRAFTED), path, objective="cheapest")
    assert path.read_text("utf-8") != fastest


OF_DEPLOYMENTS: dict[str, Callable[[Any], object]] = {
    "solve": ieco_opt.solve,
    "frontier": ieco_opt.frontier,
    "compare": ieco_opt.compare,
}
OF_FLEETS: dict[str, Callable[[Any], object]] = {"plan": ieco_opt.plan, "fleet_frontier": ieco_opt.fleet_frontier}


def only_fault(function: Callable[[Any], object], scenario: object) -> tuple[str, str]:
    with pytest.raises(ieco_opt.ScenarioError) as caught:
        function(scenario)
    (fault,) = caught.value.faults
    return fault.field, fault.message


@pytest.mark.parametrize("name", OF_DEPLOYMENTS)
def test_fleets_are_refused_where_a_deployment_is_expected(name: str) -> None:
    expected = f"expected a deployment for {name} (plan and fleet_frontier take fleets)"
    assert only_fault(OF_DEPLOYMENTS[name], ieco_opt.Fleet(**FLEET)) == ("kind", f"found a fleet, {expected}")
    assert only_fault(OF_DEPLOYMENTS[name], "a.yaml") == ("kind", f"found 'a.yaml', {expected}")


def test_what_can_be_explained_is_said() -> None:
    expected = "expected a scenario, the result of a plan or alternatives"
    assert only_fault(ieco_opt.explain, "a.yaml") == ("scenario", f"found 'a.yaml', {expected}")


@pytest.mark.parametrize("name", OF_FLEETS)
def test_deployments_are_refused_where_a_fleet_is_expected(name: str) -> None:
    expected = f"expected a fleet for {name} (solve and frontier take deployments)"
    assert only_fault(OF_FLEETS[name], ieco_opt.Scenario(**DRAFTED)) == ("kind", f"found a deployment, {expected}")
    assert only_fault(OF_FLEETS[name], None) == ("kind", f"found nothing, {expected}")


# Versions


def test_versions_are_returned_and_not_printed(capfd: pytest.CaptureFixture[str]) -> None:
    shown = ieco_opt.show_versions()
    assert capfd.readouterr() == ("", "")
    assert shown["highspy"] == metadata.version("highspy")
    assert shown["solver"] == "highs"
    assert shown["python"] == ".".join(map(str, sys.version_info[:3]))
    lines = repr(shown).splitlines()
    assert [line.split(maxsplit=1) for line in lines] == [[name, str(version)] for name, version in shown.items()]
    answer: Answer = result("frontier")
    for name in ("ieco_opt", "pyomo", "highspy", "python", "solver", "model"):
        assert shown[name] == getattr(answer.versions, name)


def test_what_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    original = metadata.version

    def version(name: str) -> str:
        if name == "matplotlib":
            raise metadata.PackageNotFoundError(name)
        return original(name)

    monkeypatch.setattr(metadata, "version", version)
    assert ieco_opt.show_versions()["matplotlib"] == "not installed"
    assert re.search(r"^matplotlib +not installed$", repr(ieco_opt.show_versions()), re.MULTILINE)
