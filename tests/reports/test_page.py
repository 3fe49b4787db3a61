"""The page of results: complete, escaped, small, and allowed to do nothing but what it brings along."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hostile_results import HOSTILE, hostile, large_frontier
from places import ROOT, SCENARIOS
from saved_results import DRAFTED, KINDS, result

import ieco_opt
from ieco_opt.cli.main import cli
from ieco_opt.errors import ScenarioError
from ieco_opt.reports.page import page
from ieco_opt.reports.page.deployments import points_of, visible_times
from ieco_opt.reports.page.markup import Markup, code, data, joined, tag
from ieco_opt.reports.page.points import Curve, facts_of
from ieco_opt.reports.text.frontier import columns_of
from ieco_opt.results.encoding import to_json
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.plan import FleetResult

MOST_BYTES = 2_000_000
VENDORED = resources.files("ieco_opt.reports.page") / "vendored"

ELEMENTS = frozenset(
    {
        *(
            "a",
            "aside",
            "body",
            "button",
            "caption",
            "code",
            "dd",
            "details",
            "div",
            "dl",
            "dt",
            "figcaption",
            "figure",
        ),
        *(
            "footer",
            "h1",
            "h2",
            "h3",
            "head",
            "header",
            "html",
            "input",
            "li",
            "main",
            "meta",
            "nav",
            "p",
            "path",
            "pre",
        ),
        *("script", "section", "span", "style", "summary", "svg", "table", "tbody", "td", "text", "th", "thead"),
        *("title", "tr", "ul"),
    }
)
"""Elements that pages are made of; what a name smuggles in is not among them, or too many."""


class Read(HTMLParser):
    """A page as a browser takes it apart."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.sources: list[tuple[str, dict[str, str | None], str]] = []
        self.texts: list[str] = []
        self.tables: list[dict[str, Any]] = []
        self.in_table = ""
        self.ended = 0
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element, and where in a table it is."""
        self.elements.append((tag, dict(attrs)))
        if tag == "table":
            self.tables.append({"caption": "", "heads": [], "rows": []})
        elif tag == "tr" and self.tables:
            self.tables[-1]["rows"].append([])
        elif tag == "td":
            self.tables[-1]["rows"][-1].append("")
        elif tag == "th":
            self.tables[-1]["heads"].append("")
        self.in_table = tag if tag in ("caption", "th", "td") else self.in_table

    def handle_endtag(self, tag: str) -> None:
        """Note where a table goes on."""
        if tag in ("caption", "table", "thead"):
            self.in_table = ""
        if tag in ("script", "style"):
            # What follows is not theirs.
            self.ended = len(self.elements)

    def handle_data(self, data: str) -> None:
        """Note text, and whose it is."""
        tag, attributes = self.elements[-1] if self.elements else ("", {})
        if tag in ("script", "style") and self.ended < len(self.elements):
            self.sources.append((tag, attributes, data))
            return
        self.texts.append(data)
        if self.in_table == "td":
            self.tables[-1]["rows"][-1][-1] += data
        elif self.in_table == "th":
            self.tables[-1]["heads"][-1] += data
        elif self.in_table == "caption":
            self.tables[-1]["caption"] += data

    def table(self, caption: str) -> list[list[str]]:
        """Rows of the table that is called so, without its head."""
        found = [each for each in self.tables if each["caption"] == caption]
        assert len(found) == 1, [each["caption"] for each in self.tables]
        return [row for row in found[0]["rows"] if row]

    def blocks(self) -> Iterator[tuple[str | None, Any]]:
        """Data for the page's script, with the ids of the blocks."""
        for _, attributes, text in self.sources:
            if attributes.get("type") == "application/json":
                yield attributes.get("id"), json.loads(text)


def frontier() -> Frontier:
    found = result("frontier")
    assert isinstance(found, Frontier)
    return found


def plan() -> FleetResult:
    found = result("plan")
    assert isinstance(found, FleetResult)
    return found


# Completeness


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_result_has_a_page_that_names_it_and_its_proof(kind: str) -> None:
    answer = result(kind)
    read = Read(page([answer]))
    words = " ".join(read.texts)
    assert answer.scenario.name in words
    assert {"stopped": "NOT PROVEN", "infeasible": "no deployment meets"}.get(kind, "proven") in words
    assert {name for name, _ in read.elements} <= ELEMENTS


def test_the_table_has_every_point_with_the_figures_of_the_terminal() -> None:
    found = frontier()
    rows = Read(page([found])).table("Every point of the frontier")
    columns = columns_of(found.deployments, found.deployments, energy=False)
    assert rows == [[str(at + 1), *(column.cells[at] for column in columns)] for at in range(len(found))]


def test_figures_of_the_table_are_those_of_the_record() -> None:
    found = frontier()
    rows = Read(page([found])).table("Every point of the frontier")
    for item, row in zip(found, rows, strict=True):
        assert float(row[1]) == pytest.approx(item.speed_tokens_per_s, rel=1e-3)
        assert float(row[2]) == pytest.approx(item.cost_usd_per_mtok, rel=1e-3)
        assert int(row[3]) == item.gpus
        assert item.parallelism.short() in row


def test_several_frontiers_are_in_one_table_and_one_chart() -> None:
    one, other = frontier(), result("preferred")
    read = Read(page([one, other]))
    rows = read.table("Every point of every frontier")
    assert [row[0] for row in rows] == ["small"] * len(one) + ["small-experts"]
    assert [name for name, attributes in read.elements if attributes.get("data-points") == "deployments"].count(
        "figure"
    ) == 3


def test_drawn_points_are_those_of_the_record() -> None:
    found = frontier()
    block = dict(Read(page([found])).blocks())["deployments"]
    columns = block["columns"]
    for at, item in enumerate(found):
        assert columns["x"][at] == pytest.approx(item.speed_tokens_per_s, rel=1e-5)
        assert columns["c"][at] == pytest.approx(item.cost_usd_per_mtok, rel=1e-5)
        assert columns["g"][at] == pytest.approx(item.throughput_tokens_per_s / item.gpus, rel=1e-5)
        assert columns["mw"][at] == pytest.approx(item.weights_gb, rel=1e-3)
        stacked = sum(columns[name][at] for name in ("k", "w", "mv", "av"))
        assert stacked == pytest.approx(1e3 * item.latency_s, rel=1e-3)
        assert columns["p"][at] == int(item.status == "optimal")


@pytest.mark.parametrize("kind", ["frontier", "preferred", "comparison"])
def test_parts_that_are_not_hidden_add_up_to_the_time_per_output_token(kind: str) -> None:
    answer: Any = result(kind)
    assert answer.deployments
    for item in answer.deployments:
        parts = visible_times(item)
        assert sum(parts.values()) == pytest.approx(item.latency_s, rel=1e-9)
        assert min(parts.values()) >= 0.0


def test_facts_come_out_of_their_packing_as_they_went_in() -> None:
    found = frontier()
    points = points_of("some", [(Curve("one"), found.deployments)])
    block = dict(Read(points.block()).blocks())["some"]
    for fact in block["facts"]:
        middles = fact.get("cells") or [None if at is None else fact["words"][at] for at in fact["at"]]
        texts = [None if each is None else fact["before"] + each + fact["after"] for each in middles]
        assert texts == list(points.facts[fact["name"]])
    assert points.facts["cost"][0] == f"${found[0].cost_usd_per_mtok:.4g} per million output tokens"


def test_what_is_said_twice_under_one_name_stands_together() -> None:
    told = [[("cost", "$1"), ("cost", "$2")], [("speed", "3")]]
    assert facts_of(told) == {"cost": ["$1; $2", None], "speed": [None, "3"]}


def test_prompts_are_priced_on_the_page_where_they_are() -> None:
    priced = large_frontier(3, 1)
    facts = points_of("some", [(Curve("one"), priced.deployments)]).facts
    assert facts["request"] == [f"${item.usd_per_request:.3g} per request" for item in priced]
    assert "request" not in points_of("some", [(Curve("one"), frontier().deployments)]).facts


def test_the_page_of_a_plan_has_every_instance_pool_workload_and_node() -> None:
    found = plan()
    read = Read(page([found]))
    instances = next(each for each in read.tables if each["caption"].startswith("Instances"))
    assert [row[0] for row in instances["rows"] if row] == [row.workload for row in found[0].instances]
    assert [row[0] for row in read.table("Pools")] == [row.pool for row in found[0].pools]
    assert [row[0] for row in read.table("Workloads, in requests/s")] == [row.workload for row in found[0].workloads]
    nodes = [row for each in read.tables if each["caption"].startswith("Nodes of") for row in each["rows"] if row]
    assert sum(int(row[1]) for row in nodes) == sum(row.nodes for row in found[0].pools)
    drawn = dict(read.blocks())["plan-1-pools"]["columns"]
    for pool in found[0].pools:
        gpus = [gpus for name, gpus in zip(drawn["b"], drawn["u"], strict=True) if name == pool.pool]
        assert sum(gpus) == pool.capacity_gpus
    assert list(dict.fromkeys(drawn["b"])) == [pool.pool for pool in found[0].pools]


def test_a_limit_that_the_plan_takes_in_full_binds() -> None:
    found = plan()
    asked = found.scenario.limits.model_copy(update={"max_usd_per_hour": found[0].usd_per_hour, "max_gpus": 10_000})
    limited = replace(found, scenario=found.scenario.model_copy(update={"limits": asked}))
    rows = {row[0]: row for row in Read(page([limited])).table("Requirements and limits, the tightest first")}
    assert rows["hourly cost"][3:] == ["100.0 %", "binds"]
    assert rows["GPUs"][4] == "slack"


def test_commands_are_those_that_launch_prints() -> None:
    scenario = ieco_opt.Scenario(**DRAFTED)
    found = ieco_opt.frontier(scenario, delta=0.3)
    rows = Read(page([found], files=["front.json"])).table("Commands that start the points")
    assert [row[0] for row in rows] == [str(at) for at in range(1, len(found) + 1)]
    for number, row in enumerate(rows, 1):
        words = found.launch(point=number).argv
        assert all(word in row[1].replace("'", "") for word in words if " " not in word and "{" not in word)


def test_what_the_page_leaves_out_is_said_with_the_command_that_prints_it() -> None:
    found = large_frontier(100, 1)
    text = " ".join(Read(page([found], files=["-front file.json"])).texts)
    assert "ieco-opt launch './-front file.json' --point N" in text
    assert "40 points left out" in text


# What names may do


@pytest.mark.parametrize("kind", KINDS)
def test_names_stay_text(kind: str) -> None:
    read = Read(page([hostile(kind)], files=[f"{HOSTILE}.json"]))
    scripts = [attributes for name, attributes in read.elements if name == "script"]
    own = [attributes for attributes in scripts if attributes == {}]
    assert len(own) in (1, 3)
    assert all(each.get("type") == "application/json" for each in scripts if each != {})
    assert {name for name, _ in read.elements} <= ELEMENTS
    assert not [attributes for _, attributes in read.elements if any(name.startswith("on") for name in attributes)]
    assert HOSTILE in " ".join(read.texts)


def test_whatever_is_no_markup_is_escaped() -> None:
    # What turns the direction of writing is spelled out.
    assert tag("p", "a\u202eb") == "<p>a\\u202eb</p>"
    assert tag("p", "<b>", title='"><b>') == '<p title="&quot;&gt;&lt;b&gt;">&lt;b&gt;</p>'
    assert joined("<", Markup("<i>"), None) == "&lt;<i>"
    assert tag("input", hidden=True, value=None, class_="a") == '<input hidden class="a">'


def test_data_cannot_end_its_block() -> None:
    block = data({"name": HOSTILE}, id="x")
    assert re.findall(r"<[^>]*>", block) == ['<script type="application/json" id="x">', "</script>"]
    assert dict(Read(block).blocks()) == {"x": {"name": HOSTILE}}


def test_a_script_that_would_end_its_element_is_refused() -> None:
    with pytest.raises(ValueError, match="script"):
        code("'</script>'")


# What the page may do


@pytest.mark.parametrize("kind", ["frontier", "plan", "infeasible"])
def test_the_policy_allows_the_scripts_and_the_style_of_the_page_and_nothing_else(kind: str) -> None:
    text = page([result(kind)])
    read = Read(text)
    policies = [each["content"] for name, each in read.elements if name == "meta" and "http-equiv" in each]
    assert len(policies) == 1
    rules = dict(rule.split(" ", 1) for rule in str(policies[0]).split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    allowed = {"script": rules["script-src"].split(), "style": rules["style-src"].split()}
    found: dict[str, list[str]] = {"script": [], "style": []}
    for element, attributes, source in read.sources:
        if attributes.get("type") != "application/json":
            digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
            found[element].append(f"'sha256-{digest}'")
    assert found == allowed
    assert "unsafe" not in str(policies[0])
    # The policy stands before all that it is about.
    assert text.index("Content-Security-Policy") < min(text.index("<style"), text.index("<script"))


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_loaded_from_elsewhere_and_no_style_stands_in_an_element(kind: str) -> None:
    for _, attributes in Read(page([result(kind)])).elements:
        assert "style" not in attributes
        assert "src" not in attributes
        assert str(attributes.get("href", "#")).startswith("#")


def test_the_script_of_the_charts_is_the_one_whose_packages_are_named() -> None:
    about = json.loads((VENDORED / "packages.json").read_text("utf-8"))
    script = (VENDORED / about["script"]).read_bytes()
    assert hashlib.sha256(script).hexdigest() == about["sha256"]
    pinned = json.loads((ROOT / ".ci" / "charts" / "package-lock.json").read_text("utf-8"))["packages"]
    licences = (VENDORED / "LICENSES.txt").read_text("utf-8")
    notice = " ".join(Read(page([frontier()])).texts)
    for each in about["packages"]:
        assert pinned[f"node_modules/{each['name']}"]["version"] == each["version"]
        assert f"{each['name']} {each['version']} ({each['licence']})" in notice
        assert re.search(rf"^(.*, )?{re.escape(each['name'])}(,|$)", licences, re.MULTILINE)
    assert {"vega-lite", "vega-interpreter", "vega-view"} <= {each["name"] for each in about["packages"]}
    assert licences.strip() in notice


def test_twenty_frontiers_of_a_hundred_points_stay_below_two_megabytes() -> None:
    frontiers = [large_frontier(100, seed) for seed in range(20)]
    text = page(frontiers, files=[f"results/front-{seed}.json" for seed in range(20)])
    assert len(text.encode()) < MOST_BYTES
    assert len(Read(text).table("Every point of every frontier")) == 2000


def test_equal_results_give_equal_bytes() -> None:
    assert page([frontier(), plan()]) == page([frontier(), plan()])


# Files and the command


def run(*words: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["report", *map(str, words)], standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done.return_value or 0, done.stderr


def saved(kind: str, folder: Path) -> Path:
    file = folder / f"{kind}.json"
    file.write_text(to_json(result(kind)), encoding="utf-8")
    return file


def test_results_and_folders_are_put_on_one_page(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / "plan.json").write_text(to_json(plan()), encoding="utf-8")
    status, said = run(saved("frontier", tmp_path), folder, saved("comparison", tmp_path), "--out", tmp_path / "a.html")
    assert (status, said) == (0, f"written: {tmp_path / 'a.html'}\n")
    read = Read((tmp_path / "a.html").read_text("utf-8"))
    assert [row[1] for row in read.table("Results on this page")] == [
        "speed against cost",
        "least cost",
        "heuristics against the exact frontier",
    ]
    assert f"ieco-opt verify {folder}" in read.texts


def test_the_function_returns_the_page_and_writes_it(tmp_path: Path) -> None:
    file = tmp_path / "one.html"
    assert ieco_opt.report(frontier(), file) == file.read_text("utf-8") == ieco_opt.report([frontier()])


def small_scenario(folder: Path, **changed: Any) -> Path:
    file = folder / "small.yaml"
    ending = json.dumps({"kind": "deployment"} | DRAFTED | changed)
    file.write_text(ending, encoding="utf-8")
    return file


def test_scenarios_are_solved_first(tmp_path: Path) -> None:
    scenario = small_scenario(tmp_path, name="asked here")
    assert run(scenario, "--out", tmp_path / "a.html", "--quiet") == (0, "")
    assert "asked here" in (tmp_path / "a.html").read_text("utf-8")


def test_of_what_is_infeasible_the_page_says_why(tmp_path: Path) -> None:
    scenario = small_scenario(tmp_path, limits={"min_speed": 50_000})
    status, said = run(scenario, saved("frontier", tmp_path), "--out", tmp_path / "a.html")
    assert status == 3
    assert said.startswith(f"{scenario}: proven infeasible")
    rows = Read((tmp_path / "a.html").read_text("utf-8")).table(
        "Limits that no deployment meets together: without any one of them some would"
    )
    assert rows[0][:2] == ["limits.min_speed", "50000 tokens/s for each request"]


def test_of_a_fleet_that_no_plan_serves_the_page_says_what_would_do(tmp_path: Path) -> None:
    pool = {"name": "h200", "accelerator": "H200-SXM", "gpus": 4, "rented_by": "gpu"}
    chat = {"name": "chat", "model": "Llama-3.1-70B", "prompt_tokens": 4000, "output_tokens": 1000, "engine": "vllm"}
    chat |= {"weights": ["bf16"], "requests_per_s": 0.1, "min_speed": 100, "design_space": {"pipeline_parallel": [1]}}
    fleet = {"version": 2, "kind": "fleet", "name": "<b>tight</b>", "pools": [pool], "workloads": [chat]}
    path = tmp_path / "fleet.json"
    path.write_text(json.dumps(fleet))
    status, said = run(path, "--out", tmp_path / "a.html")
    assert status == 3
    assert said.endswith("a.html\n")
    written = (tmp_path / "a.html").read_text("utf-8")
    assert "<b>" not in written
    words = " ".join(Read(written).texts)
    assert "Not possible: <b>tight</b>" in words
    assert "no configuration that fits on its pools meets min_speed 100" in words
    assert re.search(r"Change one TPOT to 1[0-9.]+ ms", words)
    # Beside a result that has an answer, and of several workloads without the changes of one question.
    fleet["workloads"] = [chat, chat | {"name": "more"}]
    path.write_text(json.dumps(fleet))
    assert run(path, saved("frontier", tmp_path), "--out", tmp_path / "a.html")[0] == 3
    words = " ".join(Read((tmp_path / "a.html").read_text("utf-8")).texts)
    assert "chat, more on 4 GPUs of h200" in words
    assert "Change one" not in words


def test_a_stopped_search_says_so(tmp_path: Path) -> None:
    assert run(saved("stopped", tmp_path), "--out", tmp_path / "a.html")[0] == 4
    assert "NOT PROVEN" in (tmp_path / "a.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("out", "expected"),
    [
        ("page.pdf", "found the ending '.pdf', expected one of .html"),
        ("missing/page.html", "does not exist, expected an existing one"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_solved(
    out: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ieco_opt.api.frontier", lambda *_, **__: pytest.fail("solved"))
    with pytest.raises(ScenarioError, match=expected):
        run(SCENARIOS / "gpt-oss-120b.yaml", "--out", tmp_path / out)


def test_faults_of_all_files_are_said_before_anything_is_solved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ieco_opt.api.frontier", lambda *_, **__: pytest.fail("solved"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.json").write_text('{"format": "ieco_opt result", "format_version": 2}', encoding="utf-8")
    wrong = [tmp_path / name for name in ("missing.json", "empty", "bad.json", "missing.yaml")]
    with pytest.raises(ScenarioError) as caught:
        run(small_scenario(tmp_path), *wrong, "--out", tmp_path / "a.html")
    assert {fault.file for fault in caught.value.faults} == set(map(str, wrong))
    assert not (tmp_path / "a.html").exists()


def test_parts_of_a_plan_that_do_not_fit_together_are_shown_as_they_are() -> None:
    found = plan()
    served = tuple(row for row in found[0].instances if row.parallelism is not None)
    first = replace(found[0], instances=served, nodes=(), pools=found[0].pools[:1], workloads=())
    read = Read(page([replace(found, plans=(first,))]))
    assert len(read.table("Pools")) == 1
    assert "no command: nodes: found no node of instance" in " ".join(read.texts)


def test_a_point_on_an_accelerator_that_the_scenario_lacks_has_no_command() -> None:
    found = frontier()
    strange = replace(found, deployments=(replace(found[0], accelerator="another"), *found.deployments[1:]))
    told = "no command: deployments[0].accelerator: found 'another', expected an accelerator of the scenario"
    assert told in " ".join(Read(page([strange])).texts)


def test_a_limit_that_there_is_not_is_refused_with_the_place_in_the_file(tmp_path: Path) -> None:
    values = json.loads(to_json(result("infeasible")))
    values["infeasible_subset"]["members"][0]["limit"] = "nope"
    file = tmp_path / "edited.json"
    file.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"edited\.json: infeasible_subset\.members: found 'nope', expected one of"):
        run(file, "--out", tmp_path / "a.html")


def test_a_page_of_nothing_is_refused() -> None:
    with pytest.raises(ScenarioError, match="found no result"):
        page([])
