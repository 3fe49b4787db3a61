"""Words: one source for the command and the page, and every name in it exists."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from places import ROOT

from ieco_opt.cli.main import cli, main
from ieco_opt.errors import ScenarioError
from ieco_opt.glossary import SERVERS, Term, find, markdown, terms
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.instances import InstanceRow
from ieco_opt.results.json_schema import result_schema
from ieco_opt.results.plan import NodeRow, PoolSummary, WorkloadSummary
from ieco_opt.scenario import json_schema

ENGINES = ROOT / "ieco_opt" / "engines" / "data"
CODE = re.compile(r"`([^`]+)`")


def said(*words: str, status: int = 0) -> str:
    done = CliRunner().invoke(cli, ["terms", *words], standalone_mode=False, env={"COLUMNS": "80"})
    assert (done.exception is None) == (status == 0), done.exception
    return done.output


def names_in(schema: object) -> Iterator[str]:
    """Names of all properties and all words that a JSON Schema holds."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key in {"properties", "$defs"}:
                yield from value
            yield from names_in(value)
    elif isinstance(schema, list):
        for each in schema:
            yield from names_in(each)
    elif isinstance(schema, str):
        yield schema


def test_the_page_is_made_of_the_terms() -> None:
    assert (ROOT / "docs" / "glossary.md").read_text("utf-8") == markdown() == said("--format", "markdown")


def test_no_word_stands_for_two_terms() -> None:
    counted = Counter(name.casefold() for term in terms() for name in (term.term, *term.also))
    assert [name for name, times in counted.items() if times > 1] == []
    assert [term.term for term in terms() if term.group not in {"serving", "planning"}] == []


@pytest.mark.parametrize("term", terms(), ids=lambda term: term.term)
def test_a_term_is_found_by_each_of_its_words(term: Term) -> None:
    for word in (term.term, *term.also, term.term.upper(), term.term.replace(" ", "_")):
        assert find(word) == (term,), word


@pytest.mark.parametrize(
    ("word", "term"),
    [
        ("--tp-size", "TP"),
        ("tensor_parallel_size", "TP"),
        ("max_time_to_first_token_s", "TTFT"),
        ("tpot_ms", "TPOT"),
        ("--max-num-seqs", "batch"),
        ("moe_expert_parallel_size", "EP"),
        ("free_gpu_memory_fraction", "reserve"),
        ("owned_gpus", "owned GPUs"),
    ],
)
def test_a_term_is_found_by_what_it_is_called_elsewhere(word: str, term: str) -> None:
    assert term in [each.term for each in find(word)]
    assert f"{term}" in said(word)


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("tppot", "perhaps TPOT"),
        ("tensor-paralelism", "perhaps TP"),
        ("prefil", "perhaps prefill"),
        ("zzz", "a term that "),
    ],
)
def test_an_unknown_word_names_the_near_ones(word: str, near: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ScenarioError, match=f"expected {near}"):
        find(word)
    with pytest.raises(SystemExit) as left:
        main(["terms", word])
    out, err = capsys.readouterr()
    assert (left.value.code, out) == (2, "")
    assert f"error: WORD: found '{word}', expected {near}" in err


@pytest.mark.parametrize("server", SERVERS)
def test_flags_are_those_of_the_engine_profiles(server: str) -> None:
    profile = (ENGINES / f"{server}.yaml").read_text("utf-8")
    codes = [code for term in terms() for code in CODE.findall(term.flags.get(server, ""))]
    assert len(codes) > 8
    assert [code for code in codes if not re.search(rf"(?<![\w-]){re.escape(code)}:", profile)] == []


def test_servers_that_a_term_names_are_known() -> None:
    assert {server for term in terms() for server in term.flags} == set(SERVERS)


def test_fields_and_columns_that_a_term_names_exist() -> None:
    schemas = [json_schema(), json_schema("fleet"), result_schema()]
    records = (Deployment, InstanceRow, NodeRow, PoolSummary, WorkloadSummary)
    known = {name for schema in schemas for name in names_in(schema)} | {
        column for record in records for column in record.columns()
    }
    missing = []
    for term in terms():
        # Words of version 0.1 are those of no file that is written now, and those of code and catalog of no schema.
        now = re.sub(r"in (?:code|the catalog) `[^`]+`", "", term.here.split("format 1:")[0])
        for code in CODE.findall(now):
            parts = re.fullmatch(r"[a-z_]+(\[\])?(\.[a-z_]+)*", code)
            if parts and code.split(".")[-1] not in known:
                missing.append((term.term, code))
    assert missing == []


def test_the_list_has_a_term_a_line_and_fits() -> None:
    lines = said().splitlines()
    serving = [term for term in terms() if term.group == "serving"]
    assert 25 <= len(serving) <= 40
    entries = lines[: lines.index("")]
    assert [line.split("  ")[0] for line in entries if not line.startswith(" ")] == [term.term for term in serving]
    assert max(map(len, lines)) <= 80
    assert "`" not in said() + said("tp")


def test_json_has_the_whole_entry() -> None:
    (entry,) = json.loads(said("TP", "--format", "json"))
    assert entry["flags"]["sglang"] == "`--tp-size` (TP x DP)"
    assert entry["also"] == ["tensor parallelism", "tensor-parallel size"]
