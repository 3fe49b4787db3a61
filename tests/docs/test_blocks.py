"""Blocks of README and docs run, in the order of their page and in one folder, and print what the page quotes."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest
from page_blocks import File, NotRun, Python, Quoted, Shell, Step, steps
from places import DATA, ROOT, SCENARIOS

from ieco_opt.cli.main import main

README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

SLOW = {
    "compare scenarios/llama-3.3-70b-h100.yaml --plot compare.png --out compare.json": "all heuristics: 245 s of CPU",
    "compare scenarios/gpt-oss-120b.yaml --heuristic nsga2 --heuristic random --budget 2000 --seed 3 --complete": (
        "a complete frontier: 62 s"
    ),
}
"""Commands of pages that only ``-m slow`` runs, with the reason; nothing else of their pages reads what they write."""

INSTALLS = "python3 -m venv"
"""Begins the README's lines that install: `.ci/run` runs one of them, and nothing runs without the other."""


def to_run(page: Path) -> list[Step]:
    """Steps of a page that run here: of commands between words those whose output is quoted, and all of the README."""
    return [
        step
        for step in steps(page.read_text("utf-8"))
        if not isinstance(step, Quoted)
        or (len(step.words) > 1 and (not step.inline or step.output is not None or page == README))
    ]


def slow(step: Step) -> bool:
    return isinstance(step, Quoted) and str(step) in SLOW


FOLLOWED = {page: to_run(page) for page in PAGES}
FOLLOWED = {page: found for page, found in FOLLOWED.items() if any(isinstance(step, Quoted | Python) for step in found)}


def comparable(text: str) -> str:
    """Text with seconds and line breaks made alike; rows of heuristics (their name, ``7/7`` ...) end in seconds."""
    text = re.sub(r"^(\S+ +\d+/\d+ .*) \d+\.\d+$", r"\1 _", text, flags=re.MULTILINE)
    return " ".join(re.sub(r"\d+\.\d+ s\b", "_ s", text).split())


def not_printed(quoted: str, printed: str) -> list[str]:
    """Lines that a page quotes and its command does not print; a line that ends in ``...`` is quoted to there."""
    # What a cheaper plan would miss is looked for during some seconds: a slow machine finds less of it.
    lines = [line for line in quoted.splitlines() if not line.startswith("demand of ")]
    return [line for line in lines if comparable(line.removesuffix("...")) not in comparable(printed)]


@dataclass
class Answers:
    """What commands on shipped scenarios printed and wrote: several pages begin with the same one."""

    folder: Path
    said: dict[tuple[str, ...], tuple[str, int]] = field(default_factory=dict)
    files: dict[tuple[str, ...], dict[str, Path]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    return Answers(tmp_path_factory.mktemp("answers"))


@dataclass
class Session:
    """What a reader does who follows a page from its top in a folder with the shipped scenarios."""

    folder: Path
    capsys: pytest.CaptureFixture[str]
    answers: Answers
    module: ModuleType

    def follow(self, step: Step) -> list[str]:
        """Do a step; what is wrong with it is returned."""
        if isinstance(step, File):
            file = self.folder / step.name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(step.text, "utf-8")
        elif isinstance(step, Python):
            exec(compile(step.text, "block of Python", "exec"), vars(self.module))  # noqa: S102
            self.capsys.readouterr()
        elif isinstance(step, Quoted):
            return self.check(step)
        return []

    def check(self, command: Quoted) -> list[str]:
        """Run a command; what it says or writes otherwise than the page is returned."""
        words = command.words
        printed, status = self.answered(words)
        if command.target is not None:
            (self.folder / command.target).write_text(printed, "utf-8")
        missing = not_printed(command.output or "", printed)
        wrong = [f"{command}: does not print: {line}" for line in missing]
        # What is refused is refused with the lines that the page quotes.
        if status not in (0, 3) and not (command.output and "error:" in command.output):
            wrong.append(f"{command}: ended with {status}: {printed[-300:]}")
        written = [self.folder / name for name in _written(words)] if status == 0 else []
        return wrong + [f"{command}: writes no {file.name}" for file in written if not file.exists()]

    def answered(self, words: tuple[str, ...]) -> tuple[str, int]:
        """What a command prints, and its exit status."""
        kept = self.answers.said.get(words)
        if kept is not None:
            for name, file in self.answers.files[words].items():
                shutil.copy(file, self.folder / name)
            return kept
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        # Nothing is written to both: what a page quotes of either is looked for in all.
        answer = "".join(self.capsys.readouterr()), int(ended.value.code or 0)
        if words[1].startswith("scenarios/"):
            self.answers.said[words], self.answers.files[words] = answer, {}
            for number, name in enumerate(_written(words)):
                copy = self.answers.folder / f"{len(self.answers.said)}-{number}"
                self.answers.files[words][name] = Path(shutil.copy(self.folder / name, copy))
        return answer


def _written(words: Sequence[str]) -> list[str]:
    return [words[words.index(option) + 1] for option in ("--out", "--plot") if option in words]


@pytest.fixture
def session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answers: Answers
) -> Session:
    (tmp_path / "scenarios").symlink_to(SCENARIOS)
    # What AIConfigurator wrote.
    (tmp_path / "results").symlink_to(DATA / "aiconfigurator")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "110")
    # Classes of a page look their module up by its name.
    module = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)
    return Session(tmp_path, capsys, answers, module)


@pytest.mark.parametrize("page", FOLLOWED, ids=lambda page: page.stem)
def test_blocks_run_and_print_what_the_page_quotes(page: Path, session: Session) -> None:
    wrong = [each for step in FOLLOWED[page] if not slow(step) for each in session.follow(step)]
    assert wrong == []


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page, found in FOLLOWED.items() if any(map(slow, found))], ids=str)
def test_slow_blocks_run(page: Path, session: Session) -> None:
    assert [each for step in FOLLOWED[page] if slow(step) for each in session.follow(step)] == []


def test_every_block_of_commands_runs_or_says_why_not(capsys: pytest.CaptureFixture[str]) -> None:
    found = [(page, step) for page in PAGES for step in steps(page.read_text("utf-8"))]
    others = [f"{page.name}: {step.line}" for page, step in found if isinstance(step, Shell)]
    assert [line for line in others if INSTALLS not in line] == []
    assert set(SLOW) <= {str(step) for _, step in found}
    reasons = [f"{page.name}: {step.reason}" for page, step in found if isinstance(step, NotRun)]
    with capsys.disabled():
        print(f"\n{len(reasons)} blocks of pages are not run, {len(SLOW)} commands only with -m slow")
    assert all(reasons)


def test_a_page_that_quotes_what_is_not_printed_is_noticed(session: Session) -> None:
    page = "```sh\nieco-opt terms TTFT\n```\n\n```text\ntime to first token\nno such line\n```\n"
    wrong = [each for step in steps(page) for each in session.follow(step)]
    assert wrong == ["terms TTFT: does not print: no such line"]
