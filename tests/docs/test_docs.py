"""README, CONTRIBUTING and docs: commands run and print what is quoted, links lead somewhere, names exist."""

from __future__ import annotations

import ast
import os
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from packaging.version import Version
from places import ROOT, SCENARIOS, TESTS

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
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS]
PACKAGE = ROOT / "ieco_opt"

MOST_WORDS = 700
LONGEST_S = 300

# Words that the fields of optimisation and of serving have others for; names in code are another matter.
BANNED = re.compile(
    r"\b(dear(er|est)?|claim(s|ed|ing)?|kinds|rent(s|ed|ing)?|stock|clash(es)?|regimes?|census|undominated|setups?"
    r"|beat(s|en)?|least change|concessions?|menu|shelf)\b",
    re.IGNORECASE,
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^()\s]+)\)")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


@dataclass(frozen=True)
class Quoted:
    """A command that a page tells to run, and what the page says that it prints, if it does."""

    words: tuple[str, ...]
    output: str | None = None

    def __str__(self) -> str:
        return " ".join(self.words)


def prose(text: str) -> str:
    """A page without its code, line for line."""
    without_blocks = FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)
    return INLINE.sub("", re.sub(r"^ {4}.*$", "", without_blocks, flags=re.MULTILINE))


def shell_commands(line: str) -> Iterator[tuple[str, ...]]:
    """Calls of ieco-opt in a line of shell; none in a line with a placeholder for a command."""
    for part in re.split(r"&&|;", line):
        words = tuple(shlex.split(part, comments=True))
        if words and words[0].removeprefix(".venv/bin/") == "ieco-opt" and "COMMAND" not in words:
            yield words[1:]


def commands(text: str) -> Iterator[Quoted]:
    """Commands of a page; what a block ``text`` holds is the output of the last command before it."""
    last: Quoted | None = None
    for match in re.finditer(rf"{FENCE.pattern}|{INLINE.pattern}", text, re.MULTILINE | re.DOTALL):
        language, block, inline = match.groups()
        if language == "text" and last is not None:
            yield Quoted(last.words, block)
            last = None
        for line in block.splitlines() if language == "sh" else [inline] if inline else []:
            for words in shell_commands(line):
                last = Quoted(words)
                yield last


def runnable(page: Path) -> list[Quoted]:
    """Commands of a page that work on what is shipped; one that is told twice is run once, with its output."""
    found = {}
    for command in commands(page.read_text("utf-8")):
        if len(command.words) > 1 and (command.output is not None or command.words not in found):
            found[command.words] = command
    return list(found.values())


def quoted(pages: list[Path]) -> list[Quoted]:
    return [command for page in pages for command in runnable(page) if command.output is not None]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to write to, with the shipped scenarios in it."""
    (tmp_path / "scenarios").symlink_to(SCENARIOS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(command: Quoted) -> subprocess.CompletedProcess[str]:
    """Run a command in the folder of the test, after whatever command of the README writes a file that it reads."""
    for writer in runnable(README):
        if "--out" in writer.words and writer.words[writer.words.index("--out") + 1] in command.words[1:2]:
            run(writer)
    words = [sys.executable, "-m", "ieco_opt", *command.words]
    environment = os.environ | {"COLUMNS": "110", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        words, capture_output=True, text=True, check=False, timeout=LONGEST_S, env=environment, stdin=subprocess.DEVNULL
    )


def comparable(text: str) -> str:
    """Text with seconds and line breaks made alike; rows of heuristics (their name, ``7/7`` ...) end in seconds."""
    text = re.sub(r"^(\S+ +\d+/\d+ .*) \d+\.\d+$", r"\1 _", text, flags=re.MULTILINE)
    return " ".join(re.sub(r"\d+\.\d+ s\b", "_ s", text).split())


def not_printed(command: Quoted, printed: str) -> list[str]:
    """Lines that a page quotes and the command does not print."""
    assert command.output is not None
    # What a cheaper plan would miss is looked for during some seconds: a slow machine finds less of it.
    lines = [line for line in command.output.splitlines() if not line.startswith("demand of ")]
    return [line for line in lines if line.strip() != "..." and comparable(line) not in comparable(printed)]


@pytest.mark.parametrize("command", runnable(README), ids=str)
def test_commands_of_the_readme_run_and_print_what_it_quotes(command: Quoted, folder: Path) -> None:
    done = run(command)
    assert done.returncode == 0, done.stderr
    assert command.output is None or not_printed(command, done.stdout) == []
    for option in ("--out", "--plot"):
        if option in command.words:
            assert (folder / command.words[command.words.index(option) + 1]).stat().st_size


@pytest.mark.parametrize("command", quoted(DOCS), ids=str)
def test_commands_print_what_docs_quote(command: Quoted, folder: Path) -> None:
    done = run(command)
    assert not_printed(command, done.stdout + done.stderr) == []
    assert done.returncode in (0, 3)


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


def python_blocks(page: Path) -> str:
    return "\n".join(block for language, block in FENCE.findall(page.read_text("utf-8")) if language == "python")


@pytest.mark.parametrize("page", [page for page in PAGES if python_blocks(page)], ids=lambda page: page.name)
def test_python_of_pages_runs(page: Path, folder: Path) -> None:
    script = folder / "block.py"
    script.write_text(python_blocks(page), "utf-8")
    runpy.run_path(str(script))


@pytest.mark.parametrize(
    "script", sorted([*ROOT.glob("benchmarks/*.py"), *ROOT.glob("examples/*.py")]), ids=lambda path: path.name
)
def test_names_that_benchmarks_and_examples_import_exist(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(script.parent)
    runpy.run_path(str(script))


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
