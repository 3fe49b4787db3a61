"""README, CONTRIBUTING and docs: commands and names exist, links lead somewhere; test_blocks.py runs them."""

from __future__ import annotations

import ast
import re
import runpy
import tomllib
from pathlib import Path

import click
import pytest
from packaging.version import Version
from page_blocks import FENCE, INLINE, commands
from places import ROOT, TESTS

import ieco_opt
from ieco_opt.cli.exit_status import ExitStatus
from ieco_opt.cli.main import cli
from ieco_opt.documents.yaml_document import parse_trusted
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.guarantee import AnswerStatus, GuaranteeKind
from ieco_opt.results.instances import InstanceRow
from ieco_opt.results.parallelism import Row
from ieco_opt.results.plan import NodeRow, PoolSummary, WorkloadSummary

README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").rglob("*.md"))
BENCHMARKS = ROOT / "benchmarks" / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", BENCHMARKS, *DOCS]
PACKAGE = ROOT / "ieco_opt"

MOST_WORDS = 700

# Words that the fields of optimisation and of serving have others for; names in code are another matter.
BANNED = re.compile(
    r"\b(dear(er|est)?|claim(s|ed|ing)?|kinds|rent(s|ed|ing)?|stock|clash(es)?|regimes?|census|undominated|setups?"
    r"|beat(s|en)?|least change|concessions?|menu|shelf)\b",
    re.IGNORECASE,
)
LINK = re.compile(r"\]\(([^()\s]+)\)")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def prose(text: str) -> str:
    """A page without its code, line for line."""
    without_blocks = FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)
    return INLINE.sub("", re.sub(r"^ {4}.*$", "", without_blocks, flags=re.MULTILINE))


@each_page
def test_commands_exist_and_take_their_options(page: Path) -> None:
    for command in commands(page.read_text("utf-8")):
        words = list(command.words)
        called: click.Command | None = cli
        while words and isinstance(called, click.Group) and not words[0].startswith("-"):
            called = called.get_command(click.Context(called), words.pop(0))
        assert called is not None, command
        # Without arguments it is the name of a command.
        if words and not isinstance(called, click.Group) and "[" not in words[0]:
            called.make_context(called.name, words)


@pytest.mark.parametrize(
    "script", sorted([*ROOT.glob("benchmarks/*.py"), *ROOT.glob("examples/*.py")]), ids=lambda path: path.name
)
def test_names_that_benchmarks_and_examples_import_exist(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(script.parent)
    runpy.run_path(str(script))


def test_the_page_of_benchmarks_has_a_row_for_every_script() -> None:
    rows = re.findall(r"^\| \[(\S+)\]\(\1\) \| (?:run by \[|`)", BENCHMARKS.read_text("utf-8"), re.MULTILINE)
    scripts = [path.name for path in BENCHMARKS.parent.iterdir() if path.suffix in (".py", ".sh")]
    assert sorted(rows) == sorted(scripts)


def test_the_readme_is_short() -> None:
    assert len(README.read_text("utf-8").split()) < MOST_WORDS


def test_the_readme_holds_the_one_test_command_that_ci_reads() -> None:
    lines = README.read_text("utf-8").splitlines()
    assert len([line for line in lines if re.match(r"python3 -m venv .*pytest", line)]) == 1


def slugs(page: Path) -> set[str]:
    """Anchors of the headings of a page, as GitHub makes them."""
    text = FENCE.sub("", page.read_text("utf-8"))
    headings = re.findall(r"^#+ +(.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    missing = []
    for link in LINK.findall(FENCE.sub("", page.read_text("utf-8"))):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if "://" not in link and not (target.exists() and (not anchor or anchor in slugs(target))):
            missing.append(link)
    assert missing == []


@each_page
def test_words_are_those_of_the_field(page: Path) -> None:
    text = prose(page.read_text("utf-8"))
    assert [
        f"line {at}: {match[0]}" for at, line in enumerate(text.splitlines(), 1) for match in BANNED.finditer(line)
    ] == []


def test_words_in_code_are_not_prose() -> None:
    text = "The word `regime` and\n\n```text\na clash\n```\n\nthe regime"
    assert [match[0] for match in BANNED.finditer(prose(text))] == ["regime"]


@each_page
def test_files_and_functions_that_pages_name_exist(page: Path) -> None:
    sources = "\n".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    wrong = []
    for name in INLINE.findall(FENCE.sub("", page.read_text("utf-8"))):
        if re.fullmatch(r"define_[a-z_]+", name) and f"def {name}(" not in sources:
            wrong.append(name)
        places = (ROOT, PACKAGE, TESTS)
        if re.fullmatch(r"[a-z0-9_./]+\.(py|yaml)", name) and not any((place / name).exists() for place in places):
            wrong.append(name)
    assert wrong == []


def test_the_page_of_the_proof_names_every_family_of_constraints() -> None:
    tables = re.findall(r"^\| (`.*?) \|", (ROOT / "docs" / "proof.md").read_text("utf-8"), re.MULTILINE)
    named = {name.split("[")[0] for cell in tables for name in INLINE.findall(cell)}
    fleet = PACKAGE / "fleet" / "program"
    programs = [
        PACKAGE / "programs" / "deployment.py",
        fleet / "loads.py",
        fleet / "exclusion.py",
        *fleet.glob("p*.py"),
    ]
    code = "\n".join(path.read_text("utf-8") for path in programs)
    defined = set(re.findall(r"model\.(\w+) = pyo\.(?:Constraint|ConstraintList|Block)\(", code))
    defined |= set(re.findall(r"columns\.put\(\s*\"(\w+)\"", code))
    assert len(defined) > 20
    assert named == defined


def first_cells(page: Path) -> str:
    return "\n".join(re.findall(r"^\| (.*?) \|", page.read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize("record", [Deployment, InstanceRow, NodeRow, WorkloadSummary, PoolSummary])
def test_the_page_of_results_names_every_column(record: type[Row]) -> None:
    cells = set(INLINE.findall(first_cells(ROOT / "docs" / "results.md")))
    columns = {name for name in record.columns() if not name.startswith("draft_") or name == "draft_tokens"}
    assert columns - cells == set()


def test_the_page_of_results_names_every_status() -> None:
    cells = first_cells(ROOT / "docs" / "results.md").splitlines()
    assert {f"`{value}`" for value in (*AnswerStatus, *GuaranteeKind)} - set(cells) == set()
    assert {str(int(value)) for value in ExitStatus} - set(cells) == set()


def test_the_layout_lists_every_folder_in_the_order_of_imports() -> None:
    architecture = ast.parse((TESTS / "test_architecture.py").read_text("utf-8"))
    order = next(
        ast.literal_eval(node.value)
        for node in architecture.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ORDER"
    )
    cells = first_cells(ROOT / "CONTRIBUTING.md").splitlines()
    listed = [name.removesuffix("/").removesuffix(".py") for cell in cells for name in INLINE.findall(cell)]
    found = [name for name in listed if name in order]
    assert found == [name for name in order if name in found]
    assert {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"} - set(
        found
    ) == set()


def test_the_citation_is_of_the_last_release() -> None:
    """The tag makes the version; what has no tag is a later version than the last release."""
    citation = parse_trusted((ROOT / "CITATION.cff").read_text("utf-8"))
    written = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    released = re.findall(r"^## (\d\S*)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert (citation["version"], citation["license"]) == (released[0], written["project"]["license"])
    assert Version(written["tool"]["setuptools_scm"]["fallback_version"]) > Version(released[0])


def test_the_page_of_python_names_everything_public() -> None:
    page = (ROOT / "docs" / "reference" / "python.md").read_text("utf-8")
    named = set(re.findall(r"^\.\. auto(?:function|class):: (\w+)$", page, re.MULTILINE))
    errors = {name for name in ieco_opt.__all__ if name == "errors" or name.endswith("Error")}
    assert named == set(ieco_opt.__all__) - errors
    assert ".. automodule:: ieco_opt.errors" in page
