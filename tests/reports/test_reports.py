"""Reports: tables, files, plots and progress, on results that are put together by hand."""

from __future__ import annotations

import copy
import csv
import io
import itertools
import json
import math
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, get_args

import pandas as pd
import pytest
from drawings import drawn, pieces
from frontiers_by_hand import (
    CHEAP,
    FASTEST,
    FRONT,
    FRONTIER,
    MIDDLE,
    NOTHING,
    PARTIAL,
    PREFERRED,
    SAMPLED,
    SCENARIO,
    SINGLE,
    SINGLE_ANSWER,
    SPECULATING,
    degrees,
    deployment,
    frontier,
    many,
    partial,
)
from places import DATA
from promised_columns import DEPLOYMENT, OF_PROMPTS, PROMISED

from ieco_opt.errors import Fault, ScenarioError
from ieco_opt.reports import figures
from ieco_opt.reports.figures import style
from ieco_opt.reports.text import progress, render, several, wording
from ieco_opt.reports.text.grouping import MOST_FAMILIES, families_of
from ieco_opt.reports.text.table import MOST_ROWS
from ieco_opt.results.answer import Question
from ieco_opt.results.deployment import Bottleneck, Deployment
from ieco_opt.results.encoding import to_json
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.guarantee import Box, Guarantee, GuaranteeKind
from ieco_opt.results.parallelism import Parallelism
from ieco_opt.results.reading import from_json, load_result
from ieco_opt.results.tables import rows_to_dataframe
from ieco_opt.results.writing import check_ending, table_to_json, to_csv_text, write
from ieco_opt.scenario import Scenario, Workload
from ieco_opt.scenario.deployment import Limits
from ieco_opt.scenario.objective import usual_objective

# Tables


def test_the_table_reads_like_this() -> None:
    assert (
        render(FRONT, 80)
        == """\
decoding alone is priced (context_tokens); what prompts add is not known: give
workload.prompt_tokens
by hand: Llama-3.3-70B in fp8 on H100-SXM with vllm, 2,000 tokens of context and
500 of output
3 deployments, a (1 + 0.05)-approximate Pareto set: for every feasible
deployment one of these is at most 5 % more expensive and 5 % slower

tokens/s    cost  GPUs  layout       batch  verify  throughput     gap
   /user  $/Mtok                            tokens    tokens/s
  200.00  3.3333    16  TP2 DP4 PP2      4       5       1,600  proven
   80.00  0.7500     8  TP8          1,024       -         640  proven
   40.00  0.3000     1  TP1             64       -         320   2.5 %

not shown at this width: bottleneck, MFU, power, memory
layout: TP tensor, DP attention data, PP pipeline parallel degree; degrees left
out are 1
2 of 3 proven optimal, the others within 2.5 %; 7 solves in 2.2 s with HiGHS
1.16.0"""
    )


PRICED = dict(zip(Deployment.optional(), (0.125, 1.5, 6.0, 0.25, 0.0005, 10.8), strict=True))
"""What prompts add to a row."""
READING = SCENARIO.model_copy(
    update={"workload": Workload(prompt_tokens=2000, output_tokens=500, prefix_hit=0.25, requests_per_s=3)}
)


def test_prompts_have_columns_and_lines_of_their_own() -> None:
    priced = frontier(replace(MIDDLE, **PRICED), scenario=READING)
    title, table, *_ = render(priced, 140).split("\n\n")
    assert title.splitlines()[0] == (
        "by hand: Llama-3.3-70B in fp8 on H100-SXM with vllm, 2,000 tokens of prompt (25 % of it found) and 500 of "
        "output, at least 3 requests/s"
    )
    heads, units, row = table.splitlines()
    assert "throughput   TTFT  end to end  requests  bottleneck" in heads
    assert "tokens/s      s           s        /s" in units
    assert "       640  0.125        1.50      6.00  memory" in row
    card = render(frontier(replace(MIDDLE, **PRICED), scenario=READING, question=FASTEST, guarantee=SINGLE_ANSWER))
    assert card.startswith("by hand: the fastest deployment\n")
    for line in (
        "TTFT                      0.125 s (time to first token, +-60 %)",
        "end to end                1.5 s to the last token",
        "cost                      $0.75 per million output tokens, prompts included",
        "$0.25 per million tokens read and written, $0.0005 per request, $10.8",
        "requests                  6 requests/s at full batch",
    ):
        assert line in card, card
    assert "decoding alone" not in title + card
    assert tuple(priced.to_dataframe().columns) == Deployment.columns()
    assert priced[0].to_dict()["usd_per_hour"] == 10.8


def test_paper_says_that_it_prices_decoding_alone() -> None:
    paper = Scenario(fidelity="paper", model="Llama 3 8B", accelerators=["H100"], workload={"context_tokens": 1})
    assert render(frontier(MIDDLE, scenario=paper)).startswith("decoding alone is priced (fidelity paper)\n")


def test_an_objective_that_nobody_gave_is_told_with_its_reason() -> None:
    asked = SCENARIO.model_copy(update={"limits": Limits(min_speed=1)})
    objective, note = usual_objective(asked)
    answer = replace(SINGLE, scenario=asked, question=Question("solve", objective="cheapest"), notes=(note,))
    assert objective == "cheapest"
    assert render(answer).splitlines()[3] == "objective cheapest, since limits.min_speed is given (no --objective)"
    assert "objective" not in render(replace(answer, notes=()))


def test_a_wide_terminal_shows_every_column() -> None:
    table = render(FRONT, 120).split("\n\n")[1].splitlines()
    assert table == [
        "tokens/s    cost  GPUs  layout       batch  verify  throughput  bottleneck  MFU   power  memory     gap",
        "   /user  $/Mtok                            tokens    tokens/s                %      kW  GB/GPU",
        "  200.00  3.3333    16  TP2 DP4 PP2      4       5       1,600  network     6.2  11.200    18.0  proven",
        "   80.00  0.7500     8  TP8          1,024       -         640  memory      6.2   5.600    60.0  proven",
        "   40.00  0.3000     1  TP1             64       -         320  memory      6.2   0.700    18.0   2.5 %",
    ]


@pytest.mark.parametrize("width", [60, 66, 72, 80, 93, 110])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    for result in (FRONT, PARTIAL, NOTHING, SINGLE):
        assert max(map(len, render(result, width).splitlines())) <= width


def test_what_varies_becomes_a_column_and_leaves_the_title() -> None:
    other = replace(MIDDLE, accelerator="H200-SXM", weights="bf16")
    text = render(frontier(SPECULATING, other), 120)
    assert "Llama-3.3-70B with vllm, 2,000" in text.splitlines()[1]
    assert "accelerator  weights  layout" in text
    assert "H200-SXM     bf16     TP8 " in text


def test_engines_and_exchanges_that_vary_become_columns() -> None:
    other = replace(MIDDLE, engine="sglang", engines="sglang", exchange="all_to_all", parallelism=degrees(2, 4, 1, 8))
    alike = replace(other, speed_tokens_per_s=70.0, engine="trtllm", exchange="all_gather")
    text = render(frontier(SPECULATING, other, alike, CHEAP), 120)
    assert "Llama-3.3-70B in fp8 on H100-SXM, 2,000" in text.splitlines()[1]
    assert [line.split()[3:8] for line in text.split("\n\n")[1].splitlines()] == [
        ["engine", "layout", "exchange", "batch", "verify"],
        ["tokens/s", "%", "kW"],
        ["vllm", "TP2", "DP4", "PP2", "-"],
        ["sglang", "TP2", "DP4", "EP8", "all-to-all"],
        ["trtllm", "TP2", "DP4", "EP8", "all-gather"],
        ["vllm", "TP1", "-", "64", "-"],
    ]
    narrow = " ".join(render(frontier(SPECULATING, other, CHEAP), 40).split())
    assert "not shown at this width: engine, exchange, " in narrow
    assert wording.configuration(other) == "8 x H100-SXM, fp8, sglang, TP2 DP4 EP8, all-to-all, batch 1,024"


def test_the_equations_alone_know_no_engine() -> None:
    bare = replace(CHEAP, engine=None, engines=None)
    for result in (frontier(bare), frontier(bare, question=FASTEST, guarantee=SINGLE_ANSWER)):
        for text in (render(result, 120), repr(result)):
            assert "engine" not in text
            assert "vllm" not in text
            assert " with None" not in text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"engines": "sglang,trtllm,vllm"}, "engine                    vllm, also starts in sglang and trtllm"),
        ({"engines": "vllm"}, "engine                    vllm\n"),
        ({"exchange": "none"}, "exchange of experts       none, every rank has every token"),
        ({"exchange": "all_to_all"}, "exchange of experts       all-to-all"),
        ({"draft_model": None}, "speculation               verify width 5, draft model TP2 DP2 PP4 2d"),
    ],
)
def test_the_card_says_what_the_server_does(changes: dict[str, Any], expected: str) -> None:
    card = render(frontier(replace(SPECULATING, **changes), question=PREFERRED, guarantee=SINGLE_ANSWER), 80)
    assert expected in card
    assert ("exchange" in card) == ("exchange" in changes)


def test_an_unknown_power_is_a_dash() -> None:
    text = render(frontier(replace(MIDDLE, power_kw=None), CHEAP), 120)
    assert text.split("\n\n")[1].splitlines()[2].split()[-3] == "-"


def test_thinning_keeps_both_ends_and_says_what_is_left_out() -> None:
    lines = render(frontier(*many(100)), 80).splitlines()
    speeds = [float(line.split()[0]) for line in lines if "  TP8  " in line]
    assert len(speeds) == MOST_ROWS
    assert (speeds[0], speeds[-1]) == (1000.0, 901.0)
    assert {fast - slow for fast, slow in itertools.pairwise(speeds)} == {3.0, 4.0}
    assert "70 of 100 rows are left out; --out FILE or --format csv has them all" in lines
    assert "rows are left out" not in render(frontier(*many(MOST_ROWS)), 80)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"guarantee": Guarantee(GuaranteeKind.COMPLETE, coverage=0.0)},
            "the complete nondominated set: every feasible deployment is dominated or equalled by one of these",
        ),
        (
            {"guarantee": Guarantee(GuaranteeKind.COVERED, coverage=0.025)},
            "a (1 + 0.025)-approximate Pareto set: for every feasible deployment one of these is at most 2.5 % more "
            "expensive and 2.5 % slower",
        ),
        (
            {"deployments": (MIDDLE,)},
            "1 deployment, a (1 + 0.05)-approximate Pareto set: for every feasible deployment it",
        ),
        ({"guarantee": SAMPLED}, "3 deployments, each at most 2.5 % slower than the fastest at its cost"),
        ({"guarantee": SAMPLED, "deployments": (MIDDLE,)}, "1 deployment, each proven to be nondominated"),
        ({"guarantee": partial("time limit")}, "3 deployments found before the search ended"),
    ],
)
def test_guarantees_are_told_in_plain_words(changes: dict[str, Any], expected: str) -> None:
    assert expected in wording.guarantee(replace(FRONT, **changes))


@pytest.mark.parametrize("result", [PARTIAL, NOTHING, replace(PARTIAL, question=FASTEST, deployments=(CHEAP,))])
def test_the_first_line_of_a_partial_result_says_so(result: Frontier) -> None:
    assert render(result, 80).startswith(f"PARTIAL RESULT, NOT PROVEN: the search was stopped ({result.stopped})\n")
    assert "proven optimal:" not in render(result, 80)


def test_a_missing_bound_is_told() -> None:
    assert "open" in render(PARTIAL, 80)
    assert "1 of 2 proven optimal, the others without a bound" in render(PARTIAL, 100)
    stopped = replace(PARTIAL, question=FASTEST, deployments=PARTIAL.deployments[1:])
    assert "not proven: no bound was found" in render(stopped, 80)


def test_the_card_reads_like_this() -> None:
    assert (
        render(SINGLE, 80)
        == """\
decoding alone is priced (context_tokens); what prompts add is not known: give
workload.prompt_tokens
by hand: the preferred deployment (greatest speed^3 / cost)
Llama-3.3-70B in fp8 on H100-SXM with vllm, 2,000 tokens of context and 500 of
output

  speed                     200 output tokens/s/user
  TPOT                      5 ms (time per output token)
  cost                      $3.333 per million output tokens
  throughput                1,600 output tokens/s over all users

  GPUs                      16 x H100-SXM
  weights                   fp8
  cache                     bf16
  engine                    vllm, also starts in sglang
  tensor parallel           2 (1d layout)
  attention data parallel   4
  pipeline parallel         2
  expert parallel           1
  batch                     4 sequences in flight
  speculation               verify width 5, draft model Llama-3.1-8B TP2 DP2 PP4
                            2d

  memory per GPU            18 of 72 GB (25 %)
                            weights 12, cache 2, reserve 4, free 54
  room for the cache        123,456 tokens if every layer keeps all
  power                     11.2 kW (boards)
  FLOP utilization (MFU)    6.25 %

  time per output token, ms (memory and compute overlap)
    launch overhead            0.6250  12.5 %  ###
    network                    1.2500  25.0 %  ######
    memory                     3.1250  62.5 %  ###############
    compute                    0.1562   3.1 %  #

proven optimal: no feasible deployment is preferred to it (bound 200 tokens/s,
gap 0 %)
7 solves in 2.2 s with HiGHS 1.16.0"""
    )


@pytest.mark.parametrize("word", get_args(Bottleneck))
def test_bottlenecks_are_told_in_the_words_of_the_card(word: Bottleneck) -> None:
    text = render(frontier(replace(MIDDLE, bottleneck=word), CHEAP), 140)
    assert f"  {word}" in text.split("\n\n")[1].splitlines()[2]
    assert f"    {word}  " in render(SINGLE, 80)


def test_layouts_leave_out_what_is_one() -> None:
    assert degrees(4, data=2, pipeline=2, expert=8, layout="2d").short() == "TP4 DP2 PP2 EP8 2d"
    assert degrees(4, data=2).short() == "TP4 DP2"
    assert degrees(1).short() == "TP1"


def test_layouts_tell_copies_of_experts_beside_their_degree() -> None:
    assert Parallelism(1, 72, 1, 72, "1d", 32).short() == "TP1 DP72 EP72+32"
    assert Parallelism(4, 1, 2, 1, "2d", 3).short() == "TP4 PP2 EP1+3 2d"
    text = render(
        replace(SINGLE, deployments=(deployment(200.0, 3.0, parallelism=Parallelism(1, 8, 1, 8, "1d", 4)),)), 80
    )
    assert "  expert parallel           8, 4 redundant experts\n" in text


def test_caches_in_8_bits_are_told() -> None:
    fp8 = replace(CHEAP, kv_cache="fp8")
    one = render(replace(SINGLE, deployments=(fp8,)), 80)
    assert "in fp8 with a cache in fp8 on H100-SXM" in one
    assert "  cache                     fp8\n" in one
    assert "with a cache" not in render(SINGLE, 80)
    assert "  cache  " in render(frontier(MIDDLE, fp8), 140)
    assert "  cache  " not in render(frontier(MIDDLE, CHEAP), 140)


# Tables of pandas and CSV


def test_the_dataframe_has_all_columns_with_their_types_whatever_the_rows() -> None:
    table = rows_to_dataframe(Deployment, FRONT.deployments)
    # Nothing prices prompts here: the columns that say what they cost are in no table.
    assert tuple(table.columns) == DEPLOYMENT
    assert Deployment.columns() == (*DEPLOYMENT, *OF_PROMPTS)
    assert Deployment.optional() == OF_PROMPTS
    assert tuple(table.columns[: len(PROMISED)]) == PROMISED
    assert table["gpus"].tolist() == [16, 8, 1]
    assert {str(table[name].dtype) for name in ("gpus", "batch", "draft_tokens")} == {"int64"}
    assert str(table["draft_tensor_parallel"].dtype) == "Int64"
    assert table["draft_tensor_parallel"].tolist() == [2, pd.NA, pd.NA]
    assert {str(table[name].dtype) for name in PROMISED[10:16] if name != "expert_tensor_parallel"} == {"int64"}
    assert table["tensor_parallel"].tolist() == [2, 8, 1]
    assert table["stage_ranks"].tolist() == table["expert_tensor_parallel"].tolist() == [8, 8, 1]
    uneven = rows_to_dataframe(Deployment, [replace(MIDDLE, parallelism=degrees(8, expert=3))])
    assert uneven["expert_tensor_parallel"][0] is pd.NA
    assert math.isnan(table["cost_cap"][0])
    assert table["cost_cap"][1] == 0.8
    for other in ((), (replace(MIDDLE, weights=None, power_kw=None),)):
        assert rows_to_dataframe(Deployment, other).dtypes.equals(table.dtypes)
    assert rows_to_dataframe(Deployment, [replace(MIDDLE, weights=None)])["weights"][0] is pd.NA
    assert len(FRONT.to_dataframe()) == 3


def test_csv_keeps_every_digit(tmp_path: Path) -> None:
    awkward = replace(SPECULATING, latency_s=0.1 + 0.2, kernel_s=5e-324, network_s=1 / 3e6)
    write(frontier(awkward, CHEAP), tmp_path / "front.CSV")
    text = (tmp_path / "front.CSV").read_bytes().decode()
    assert text == to_csv_text(frontier(awkward, CHEAP))
    head, first, second = text.splitlines()
    assert head == ",".join(DEPLOYMENT)
    # The servers of one row are separated by commas.
    row, other = (dict(zip(DEPLOYMENT, next(csv.reader([line])), strict=True)) for line in (first, second))
    assert row["engines"] == other["engines"] == "sglang,vllm"
    for name in ("latency_s", "kernel_s", "network_s", "cost_usd_per_mtok"):
        assert float(row[name]) == getattr(awkward, name)
    assert (row["gpus"], row["draft_tensor_parallel"], other["draft_tensor_parallel"]) == ("16", "2", "")
    assert to_csv_text(NOTHING) == ",".join(DEPLOYMENT) + "\n"


def test_parquet_keeps_values_and_types(tmp_path: Path) -> None:
    FRONT.to_parquet(tmp_path / "front.parquet")
    back = pd.read_parquet(tmp_path / "front.parquet")
    pd.testing.assert_frame_equal(back, FRONT.to_dataframe())


def test_any_table_can_be_written_as_json() -> None:
    table = pd.DataFrame({"name": ["a", None], "x": [0.1 + 0.2, math.inf], "n": [1, 2]})
    rows = [{"name": "a", "x": 0.1 + 0.2, "n": 1}, {"name": None, "x": None, "n": 2}]
    assert json.loads(table_to_json(table)) == rows


# JSON


def no_constants(name: str) -> NoReturn:
    raise AssertionError(f"{name} is not JSON")


@pytest.mark.parametrize("result", [FRONT, PARTIAL, NOTHING, SINGLE], ids=["front", "partial", "nothing", "single"])
def test_json_comes_back_equal(result: Frontier) -> None:
    text = to_json(result)
    json.loads(text, parse_constant=no_constants)
    assert from_json(text) == result
    assert to_json(from_json(text)) == text


def test_json_holds_what_was_promised(tmp_path: Path) -> None:
    write(PARTIAL, tmp_path / "front.json")
    values = json.loads((tmp_path / "front.json").read_text("utf-8"))
    assert values["format"] == "ieco_opt result"
    assert values["format_version"] == 2
    assert values["scenario"] == PARTIAL.scenario.to_mapping()
    assert values["question"]["kind"] == "frontier"
    assert (values["guarantee"]["kind"], values["status"]) == ("partial", "stopped")
    assert values["guarantee"]["stopped"] == "time limit"
    assert tuple(values["deployments"][0]) == DEPLOYMENT
    assert values["deployments"][1]["bound"] is None
    everything = {"latency_lo_s": 0.0, "latency_hi_s": None, "cost_lo": 0.0, "cost_hi": None}
    assert values["guarantee"]["open_regions"][1] == everything
    assert values["versions"]["highspy"] == "1.16.0"
    assert values["solver"]["options"] == {"presolve_mode": 2, "mip_abs_gap": "inf", "mip_allow_restart": False}
    assert values["statistics"]["seconds"] == 2.25
    assert values["statistics"]["counts"]["rejected"] == {"does not fit": 17}
    assert load_result(tmp_path / "front.json") == PARTIAL


def faults_of(text: str) -> dict[str, Fault]:
    with pytest.raises(ScenarioError) as error:
        from_json(text, "front.json")
    assert all(fault.file == "front.json" for fault in error.value.faults)
    assert all("expected" in fault.message for fault in error.value.faults)
    return {fault.field: fault for fault in error.value.faults}


def set_at(values: Any, path: tuple[str | int, ...], value: object) -> str:
    values = copy.deepcopy(values)
    inner = values
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return json.dumps(values, indent=2)


VALUES = json.loads(to_json(FRONT))


@pytest.mark.parametrize(
    ("path", "value", "field", "message"),
    [
        (("format",), "other", "format", "found 'other', expected 'ieco_opt result'"),
        (("format_version",), 3, "format_version", "found 3, expected 2"),
        (("format_version",), True, "format_version", "found true, expected 2"),
        (("question",), "frontier", "question", "found 'frontier', expected one of frontier, solve, plan"),
        (("question", "kind"), "plot", "question.kind", "found 'plot', expected one of frontier, solve, plan"),
        (("question", "points"), 1, "question.points", "found 1, expected a number from 2 on or null"),
        (("question", "kind"), "solve", "question.objective", "found nothing, expected one of fastest, cheapest"),
        (("question", "objective"), "cost", "question.objective", "found 'cost', expected null with the kind frontier"),
        (("question", "preference"), 3.5, "question.preference", "found 3.5, expected null without the objective"),
        (("question", "against"), "gpus", "question.against", "found 'gpus', expected null with the kind frontier"),
        (("guarantee",), "certain", "guarantee", "found 'certain', expected a mapping"),
        (("guarantee", "kind"), "certain", "guarantee.kind", "found 'certain', expected one of complete, covered"),
        (("guarantee", "kind"), [], "guarantee.kind", "found an empty list, expected one of"),
        (
            ("guarantee",),
            {"kind": "single", "coverage": None, "stopped": None, "open_regions": []},
            "guarantee.kind",
            "found 'single', expected one of complete, covered, sampled, partial for the question 'frontier'",
        ),
        (
            ("guarantee", "coverage"),
            None,
            "guarantee.coverage",
            "found nothing, expected a number from 0 on with the kind covered",
        ),
        (
            ("guarantee", "stopped"),
            "time limit",
            "guarantee.stopped",
            "found 'time limit', expected null with the kind covered",
        ),
        (("status",), "fine", "status", "found 'fine', expected one of optimal, feasible, infeasible, stopped"),
        (("deployments",), {}, "deployments", "found a mapping, expected a list"),
        (("deployments", 1), 7, "deployments[1]", "found 7, expected a mapping"),
        (("deployments", 1, "batch"), 8.5, "deployments[1].batch", "found 8.5, expected an integer"),
        (("deployments", 1, "batch"), True, "deployments[1].batch", "found true, expected an integer"),
        (("deployments", 1, "batch"), 10**30, "deployments[1].batch", "expected a number up to 9007199254740992"),
        (("deployments", 0, "latency_s"), 0, "deployments[0].latency_s", "found 0, expected a number above 0"),
        (("deployments", 0, "mfu"), 10**400, "deployments[0].mfu", "expected a number"),
        (("deployments", 2, "status"), "sure", "deployments[2].status", "found 'sure', expected one of optimal"),
        (("deployments", 2, "colour"), "red", "deployments[2].colour", "unknown field, expected one of speed_tokens"),
        (("deployments", 2, "draft"), {}, "deployments[2].draft", "unknown field, expected perhaps draft_model"),
        (
            ("deployments", 0, "draft_tensor_layout"),
            "3d",
            "deployments[0].draft_tensor_layout",
            "found '3d', expected one of 1d, 2d",
        ),
        (
            ("deployments", 0, "expert_tensor_parallel"),
            None,
            "deployments[0].expert_tensor_parallel",
            "found nothing, expected 8, as the degrees say",
        ),
        (
            ("deployments", 1, "draft_stage_ranks"),
            8,
            "deployments[1].draft_stage_ranks",
            "found 8, expected null, as the degrees say",
        ),
        (
            ("guarantee", "open_regions"),
            [{"latency_lo_s": 1}],
            "guarantee.open_regions[0].cost_lo",
            "the field is missing, expected a number",
        ),
        (("versions", "pyomo"), 6, "versions.pyomo", "found 6, expected text"),
        (("versions",), {"pyomo": "6"}, "versions.model", "the field is missing, expected an integer"),
        (("statistics", "step_seconds"), ["1"], "statistics.step_seconds[0]", "found '1', expected a number"),
        (("statistics", "step_seconds"), 1, "statistics.step_seconds", "found 1, expected a list"),
        (
            ("statistics", "counts", "rejected"),
            {"a": "b"},
            "statistics.counts.rejected.a",
            "found 'b', expected an integer",
        ),
        (
            ("solver", "options"),
            {"a": None},
            "solver.options.a",
            "found nothing, expected true, false, a number or text",
        ),
        (("notes",), "text", "notes", "found 'text', expected a list"),
        (("notes",), [1], "notes[0]", "found 1, expected text"),
        (("scenario",), None, "scenario", "found nothing, expected a mapping"),
        (("scenario", "limits"), {"max_cost": -1}, "scenario.limits.max_cost", "found -1, expected"),
        (("surprise",), 1, "surprise", "unknown field, expected one of question, scenario"),
    ],
)
def test_a_wrong_field_is_named_with_its_line(
    path: tuple[str | int, ...], value: object, field: str, message: str
) -> None:
    text = set_at(VALUES, path, value)
    fault = faults_of(text)[field]
    assert message in fault.message
    assert fault.line is not None
    line = text.splitlines()[fault.line - 1].strip()
    name = field.rpartition(".")[2]
    if name[-1] == "]":
        assert line.removesuffix(",") == json.dumps(value[0] if isinstance(value, list) else value)
    elif "missing" in message:
        # The line of what it is missing from.
        assert line in ("{", '"versions": {')
    else:
        assert line.startswith(f'"{name}": ')


@pytest.mark.parametrize("path", sorted((DATA / "format1").glob("*.json")), ids=lambda path: path.stem)
def test_bottlenecks_of_format_1_are_read_as_todays_words(path: Path) -> None:
    old = re.findall(r'"bottleneck": "?(\w+)', path.read_text("utf-8"))
    new = re.findall(r'"bottleneck": "?([\w ]+)', to_json(load_result(path)))
    words = {"kernel": "launch overhead", "arithmetic": "compute"}
    assert new == [words.get(word, word) for word in old]


def paths_of(values: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    return [found for key, entry in items for found in ((*path, key), *paths_of(entry, (*path, key)))]


@pytest.mark.parametrize("wrong", [None, "x", -1, 0.5, [], {}, True, [[]], "\ud800"], ids=repr)
def test_whatever_stands_in_a_field_is_read_or_refused(wrong: object) -> None:
    for path in paths_of(VALUES):
        try:
            result = from_json(set_at(VALUES, path, wrong), "front.json")
        except ScenarioError:
            continue
        from_json(to_json(result))
        render(result, 80)


def test_every_field_missing_is_named() -> None:
    # Most results have no band, and those from before there were any do not say so.
    for name in VALUES.keys() - {"format", "format_version", "pessimistic"}:
        assert name in faults_of(json.dumps({key: VALUES[key] for key in VALUES if key != name}))
    without = {key: entry for key, entry in VALUES.items() if key not in ("format", "format_version")}
    assert {"format"} == faults_of(json.dumps(without)).keys()
    for name in DEPLOYMENT:
        row = {key: entry for key, entry in VALUES["deployments"][0].items() if key != name}
        assert faults_of(set_at(VALUES, ("deployments", 0), row)).keys() == {f"deployments[0].{name}"}


@pytest.mark.parametrize(
    "text",
    ["", "null", "3", "[]", "{}", '{"kind": "deployment"}', "[" * 100_000, "9" * 5000, "NaN", "not JSON", "\ufeff{}"],
    ids=lambda text: text[:20],
)
def test_foreign_text_is_refused(text: str) -> None:
    assert faults_of(text)


def test_cut_off_text_and_nan_are_refused() -> None:
    text, cost = to_json(FRONT), "cost_usd_per_mtok"
    for length in range(0, len(text) - 2, 97):
        assert "found no valid JSON" in faults_of(text[:length])[""].message
    (line,) = (at for at, each in enumerate(text.splitlines(), 1) if each == f'      "{cost}": 0.75,')
    nan, infinite = (text.replace(f'"{cost}": 0.75', f'"{cost}": {value}') for value in ("NaN", "1e999"))
    assert ("found NaN" in faults_of(nan)[""].message, faults_of(nan)[""].line) == (True, line)
    fault = faults_of(infinite)[f"deployments[1].{cost}"]
    assert ("found inf, expected a" in fault.message, fault.line) == (True, line)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe")
    for path in (tmp_path, tmp_path / "missing.json", tmp_path / "binary.json"):
        with pytest.raises(ScenarioError) as error:
            load_result(path)
        assert error.value.faults[0].file == str(path)


# Destinations


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("front.xlsx", "found the ending '.xlsx', expected one of .csv, .json, .parquet"),
        ("front", "found a name without an ending, expected one of"),
        ("no/such/folder.csv", "does not exist, expected an existing one"),
        ("taken.csv", "found a folder, expected a file name"),
    ],
)
def test_files_that_cannot_be_written_are_refused_beforehand(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "taken.csv").mkdir()
    with pytest.raises(ScenarioError, match=message) as error:
        check_ending(tmp_path / name)
    assert error.value.faults[0].file == str(tmp_path / name)
    with pytest.raises(ScenarioError):
        write(FRONT, tmp_path / name)


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="found 'xml', expected one of csv, json, parquet"):
        write(FRONT, tmp_path / "front.csv", "xml")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("library", "extra", "check", "name"),
    [("pyarrow", "parquet", check_ending, "a.parquet"), ("matplotlib", "plot", style.check_plot_ending, "a.svg")],
)
def test_a_missing_library_is_named_with_its_extra(
    library: str, extra: str, check: Callable[[Path], None], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    writers: tuple[Callable[[Path], None], ...] = (check, FRONT.to_parquet if extra == "parquet" else FRONT.plot)
    for writer in writers:
        with pytest.raises(ScenarioError) as error:
            writer(tmp_path / name)
        assert f"needs {library}" in str(error.value)
        assert f"pip install 'ieco_opt[{extra}]'" in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_half_way_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "front.csv"
    path.write_text("old")

    def full(_descriptor: int) -> NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ScenarioError, match=r"front\.csv: cannot be written \(No space left on device\)"):
        write(FRONT, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_files_keep_their_permissions_and_links(tmp_path: Path) -> None:
    target, link = tmp_path / "front.csv", tmp_path / "link.csv"
    previous = os.umask(0o022)
    try:
        write(FRONT, target)
    finally:
        os.umask(previous)
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    target.chmod(0o600)
    link.symlink_to(target)
    write(SINGLE, link)
    assert link.is_symlink()
    assert target.read_text() == to_csv_text(SINGLE)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    write(FRONT, Path(os.devnull), "csv")


# Plots


def axes_of(result: Frontier) -> Any:
    return figures.figure_of(result).axes[0]


def test_every_point_is_drawn_where_it_belongs() -> None:
    axes = axes_of(FRONT)
    assert sorted(drawn(axes)) == sorted((item.speed_tokens_per_s, item.cost_usd_per_mtok) for item in FRONT)
    assert len(drawn(axes_of(frontier(*many(200))))) == 200
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "log")
    assert "output tokens/s/user" in axes.get_xlabel()
    assert axes.get_ylabel() == "cost ($ per million output tokens), log scale"
    (low, high), (least, most) = axes.get_xlim(), axes.get_ylim()
    assert all(low < speed < high and least < cost < most for speed, cost in drawn(axes))


def test_between_neighbours_the_staircase_has_the_cost_of_the_faster() -> None:
    corners = [each for each, _ in pieces(axes_of(FRONT))]
    assert corners == [
        [(0.0, 0.3), (40.0, 0.3)],
        [(40.0, 0.3), (40.0, 0.75), (80.0, 0.75)],
        [(80.0, 0.75), (80.0, 10.0 / 3.0), (200.0, 10.0 / 3.0)],
    ]


def test_open_regions_are_shaded_within_the_axes() -> None:
    axes = axes_of(PARTIAL)
    first, everything = axes.patches
    assert (first.get_x(), first.get_y()) == pytest.approx((40.0, 0.3))
    assert (first.get_width(), first.get_height()) == pytest.approx((160.0, 10.0 / 3.0 - 0.3))
    assert (everything.get_x(), everything.get_width()) == (0.0, axes.get_xlim()[1])
    assert (everything.get_y(), everything.get_y() + everything.get_height()) == pytest.approx(axes.get_ylim())
    assert axes_of(FRONT).patches[:] == []


def test_legends_name_what_is_drawn_and_cover_none_of_it() -> None:
    other = replace(MIDDLE, accelerator="H200-SXM")
    axes = axes_of(replace(PARTIAL, deployments=(SPECULATING, other, CHEAP)))
    figure = axes.get_figure()
    texts = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert texts == ["TP1", "TP8", "TP2 DP4 PP2", "H100-SXM", "H200-SXM", "not proven", "left open"]
    figure.draw_without_rendering()
    boxes = [legend.get_window_extent() for legend in figure.legends]
    assert not any(box.overlaps(axes.bbox) for box in boxes)
    assert not boxes[0].overlaps(boxes[1])


def test_many_layouts_are_few_families_and_what_is_left_of_them() -> None:
    every = tuple(
        deployment(1000.0 - 10 * held.pipeline - held.tensor / 100, 1.0, parallelism=held, gpus=held.gpus)
        for held in (degrees(2**power, pipeline=stages) for power in range(10) for stages in range(1, 12))
    )
    for some in (every[:3], every[:8], every[:20], every):
        families = families_of(some)
        assert len(families) <= MOST_FAMILIES
        assert sorted(map(id, some)) == sorted(id(item) for family in families for item in family.members)
        assert [family.is_rest for family in families[:-1]] == [False] * (len(families) - 1)
        assert families[-1].is_rest == (len(some) > MOST_FAMILIES)
        for family in families[:-1]:
            assert {item.parallelism.short() for item in family.members} == {family.label}
    assert [family.label for family in families_of(every[:3])] == ["TP1", "TP1 PP2", "TP1 PP3"]
    assert families_of(every)[-1].label == f"{len(every) - MOST_FAMILIES + 1} other layouts"
    # Those with most points are kept.
    often = (*every, *[every[-1]] * 2)
    assert every[-1].parallelism.short() in [family.label for family in families_of(often)]
    assert len(drawn(axes_of(frontier(*every)))) == len(every)


@pytest.mark.parametrize("ending", ["png", "svg", "html"])
@pytest.mark.parametrize("result", [FRONT, NOTHING], ids=["front", "nothing"])
def test_equal_results_give_equal_pictures(result: Frontier, ending: str, tmp_path: Path) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    one, two = tmp_path / f"one.{ending}", tmp_path / f"two.{ending}"
    figures.save(result, one)
    with mpl.rc_context({"font.size": 30.0, "lines.linewidth": 9.0}):
        figures.save(result, two)
    assert one.read_bytes() == two.read_bytes()
    assert one.read_bytes().startswith({"png": b"\x89PNG", "svg": b"<?xml", "html": b"<!DOCTYPE html>"}[ending])
    assert dict(mpl.rcParams) == before


def test_a_page_needs_nothing_else_and_escapes_names(tmp_path: Path) -> None:
    scenario = FRONT.scenario.model_copy(update={"name": "<script>$x_1$ & \u6a21\u578b"})
    figures.save(replace(FRONT, scenario=scenario), tmp_path / "front.html")
    page = (tmp_path / "front.html").read_text("utf-8")
    assert "<title>&lt;script&gt;$x_1$ &amp; \u6a21\u578b</title>" in page
    assert "<script" not in page
    assert 'src="' not in page
    assert "TP2 DP4 PP2" in page
    assert page.count("<svg") == page.count("</svg>") == 1


@pytest.mark.parametrize("name", ["front.pdf", "front", "no/such/front.png"])
def test_plots_that_cannot_be_written_are_refused_beforehand(name: str, tmp_path: Path) -> None:
    for check in (style.check_plot_ending, FRONT.plot):
        with pytest.raises(ScenarioError):
            check(tmp_path / name)


def test_one_deployment_shows_where_its_time_goes() -> None:
    axes, memory = figures.figure_of(SINGLE).axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["launch overhead", "network", "memory", "compute"]
    bars = [(bar.get_x(), bar.get_width()) for bar in axes.patches]
    assert bars == [
        (0.0, pytest.approx(0.625)),
        (pytest.approx(0.625), pytest.approx(1.25)),
        # Memory and compute go on at the same time.
        (pytest.approx(1.875), pytest.approx(3.125)),
        (pytest.approx(1.875), pytest.approx(0.15625)),
    ]
    (told,) = (text.get_text() for text in axes.texts if "bottleneck" in text.get_text())
    assert told.split() == ["1.25", "ms,", "25", "%,", "bottleneck"]
    assert axes.get_xlim() == (0.0, pytest.approx(5.0))
    assert [bar.get_width() for bar in memory.patches] == [72.0, 18.0]


def test_a_frontier_of_one_deployment_is_no_dot_in_an_empty_plane() -> None:
    alone = frontier(SPECULATING)
    axes, memory = figures.figure_of(alone).axes
    assert [bar.get_width() for bar in axes.patches] == [
        bar.get_width() for bar in figures.figure_of(SINGLE).axes[0].patches
    ]
    assert [bar.get_width() for bar in memory.patches] == [72.0, 18.0]
    told = "\n".join(text.get_text() for text in axes.texts)
    assert "1 deployment, a (1 + 0.05)-approximate Pareto set" in told
    assert "vllm, TP2 DP4 PP2, batch 4, verify width 5; proven optimal" in told
    # What a stopped search left open is seen in a plane only.
    region = partial("time limit", Box(1 / 200, 1 / 40, 0.3, 10.0 / 3.0))
    assert drawn(axes_of(frontier(SPECULATING, guarantee=region))) == [(200.0, 10.0 / 3.0)]


@pytest.mark.parametrize(
    "unproven",
    [frontier(CHEAP, guarantee=partial("time limit")), frontier(CHEAP, question=FASTEST, guarantee=SINGLE_ANSWER)],
    ids=["frontier", "answer"],
)
def test_a_deployment_that_is_not_proven_has_hollow_bars(unproven: Frontier) -> None:
    from matplotlib.colors import to_rgba

    def fills(result: Frontier) -> list[bool]:
        return [bar.get_facecolor() == to_rgba("white") for bar in axes_of(result).patches]

    assert fills(unproven) == [True] * 4
    assert fills(SINGLE) == [False] * 4


def test_layouts_differ_in_shape_as_printed_in_grey() -> None:
    figure = figures.figure_of(FRONT)
    keys = [line for line in figure.legends[0].get_lines() if line.get_marker() != "None"]
    shapes = {line.get_marker() for line in keys if line.get_label() != "not proven"}
    assert len(shapes) == 3
    points = {line.get_marker() for line in figure.axes[0].lines if line.get_marker() != "None"}
    assert points == shapes
    # Also where engines differ, which are told by what is inside the points.
    other = replace(MIDDLE, engine="sglang")
    axes = axes_of(replace(FRONT, deployments=(SPECULATING, other, CHEAP)))
    assert {line.get_marker() for line in axes.lines if line.get_marker() != "None"} == shapes
    dots = [tuple(each.get_offsets()[0].tolist()) for each in axes.collections if each.get_gid() == "variant"]
    assert dots == [(80.0, 0.75)]
    assert legend_of(axes.get_figure())[-3:] == ["vllm", "sglang", "not proven"]


def test_the_curve_has_the_colour_of_the_layout_at_its_end() -> None:
    axes = axes_of(FRONT)
    colours = {
        (line.get_xdata()[0], line.get_ydata()[0]): line.get_markeredgecolor()
        if line.get_markerfacecolor() == "white"
        else line.get_markerfacecolor()
        for line in axes.lines
    }
    assert len(set(colours.values())) == 3
    for corners, colour in pieces(axes):
        assert colour == colours[corners[-1]].lower()


def test_a_long_name_makes_no_picture_wider() -> None:
    from matplotlib.figure import Figure

    def width(result: Frontier) -> float:
        figure: Figure = figures.figure_of(result)
        return float(figure.get_tightbbox().width)

    scenario = FRONT.scenario.model_copy(update={"name": "a-name-" * 40 + "end"})
    for result in (FRONT, SINGLE):
        named = replace(result, scenario=scenario)
        assert width(named) <= max(width(result), 7.2) + 0.1
        texts = [text.get_text() for text in axes_of(named).texts]
        assert any(text.startswith("a-name-") and text.endswith("end") for text in texts)


@pytest.mark.parametrize("span", [1.02, 1.3, 2.0, 2.6, 5.0, 9.0, 80.0, 1e4, 1e9, 1e14])
@pytest.mark.parametrize("low", [0.0871, 3.3, 1.0])
def test_logarithmic_axes_have_round_numbers_that_do_not_touch(span: float, low: float) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.0, 2.0))
    axes = figure.add_subplot()
    style.logarithmic(axes.xaxis, low, low * span, "speed")
    style.logarithmic(axes.yaxis, low, low * span, "$ a token")
    figure.draw_without_rendering()
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("speed, log scale", "$ a token, log scale")
    for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        assert limits == pytest.approx((low, low * span))
        shown = [
            label
            for tick, label in zip(axis.get_majorticklocs(), axis.get_ticklabels(), strict=True)
            if limits[0] <= tick <= limits[1]
        ]
        assert len(shown) > 1 or span == pytest.approx(2.6)
        assert shown
        if span < 1e9:
            boxes = [label.get_window_extent() for label in shown]
            assert not any(one.overlaps(two) for one, two in itertools.pairwise(boxes))


def test_an_answer_that_was_not_found_is_drawn_as_what_is_left_open() -> None:
    axes = axes_of(replace(NOTHING, question=FASTEST))
    assert len(axes.patches) == 1
    assert drawn(axes) == []


# Several results


SLOW = replace(
    FRONT,
    scenario=FRONT.scenario.model_copy(update={"name": "slow"}),
    deployments=tuple(replace(item, speed_tokens_per_s=item.speed_tokens_per_s / 3.0) for item in FRONT),
)


def legend_of(figure: Any) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_an_overlay_draws_every_point_in_the_colour_of_its_result() -> None:
    figure = figures.overlay([FRONT, SLOW])
    axes = figure.axes[0]
    assert sorted(drawn(axes)) == sorted(
        (item.speed_tokens_per_s, item.cost_usd_per_mtok) for result in (FRONT, SLOW) for item in result
    )
    by_line = {
        (line.get_xdata()[0], line.get_ydata()[0]): line.get_markeredgecolor()
        if line.get_markerfacecolor() == "white"
        else line.get_markerfacecolor()
        for line in axes.lines
        if line.get_marker() != "None"
    }
    colours = [
        {by_line[item.speed_tokens_per_s, item.cost_usd_per_mtok] for item in result} for result in (FRONT, SLOW)
    ]
    assert [len(each) for each in colours] == [1, 1]
    assert colours[0] != colours[1]
    # Lines are named at their ends, in their colours.
    assert legend_of(figure) == ["not proven"]
    names = {text.get_text(): text for text in axes.texts if text.get_gid() == "name"}
    assert set(names) == {"by hand", "slow"}
    for result, name, colour in zip((FRONT, SLOW), ("by hand", "slow"), colours, strict=True):
        fastest = max(result, key=lambda item: item.speed_tokens_per_s)
        assert names[name].xy == (fastest.speed_tokens_per_s, fastest.cost_usd_per_mtok)
        assert names[name].get_color() == style.darker(*colour)
    drawn_in = {colour for _, colour in pieces(axes)}
    assert drawn_in == {each.lower() for colour in colours for each in colour}
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts if text.get_text()]
    assert not [(one, two) for at, one in enumerate(boxes) for two in boxes[:at] if one.overlaps(two)]


def test_fifteen_results_have_colours_and_names_of_their_own() -> None:
    every = [replace(FRONT, scenario=FRONT.scenario.model_copy(update={"name": f"scenario {at}"})) for at in range(15)]
    figure = figures.overlay(every)
    keys = [(line.get_markerfacecolor(), line.get_marker()) for line in figure.legends[0].get_lines()][:15]
    assert len(set(keys)) == len({colour for colour, _ in keys}) == 15
    assert legend_of(figure)[:15] == [f"scenario {at}" for at in range(15)]


def test_results_of_one_name_are_told_apart_by_what_differs() -> None:
    def changed(**changes: Any) -> Frontier:
        return replace(FRONT, scenario=FRONT.scenario.model_copy(update=changes))

    assert several.labels([FRONT, SLOW]) == ["by hand", "slow"]
    assert several.labels([FRONT, changed(accelerators=("H200-SXM", "B200-SXM"))]) == [
        "H100-SXM",
        "H200-SXM or B200-SXM",
    ]
    assert several.labels([FRONT, changed(speculation=None)]) == ["speculation", "no speculation"]
    drafts = SCENARIO.speculation.model_copy(update={"acceptance": 0.5})  # type: ignore[union-attr]
    assert several.labels([FRONT, changed(speculation=drafts)]) == [
        "drafts of Llama-3.1-8B, acceptance 0.8, verify width up to 5",
        "drafts of Llama-3.1-8B, acceptance 0.5, verify width up to 5",
    ]
    assert several.labels([FRONT, changed(kv_cache=("bf16", "fp8"))]) == ["cache bf16", "cache bf16 or fp8"]
    engines = [FRONT, changed(engine=("none",)), changed(engine=("sglang", "vllm"))]
    engines.append(changed(engine=("any", {"engine": "mine"})))
    assert several.labels(engines) == ["any engine", "no engine", "sglang or vllm", "any engine or mine"]
    assert several.labels([FRONT, changed(memory_reserve_gb=0.0)]) == ["reserve auto", "reserve 0 GB"]
    assert several.labels([FRONT, changed(memory_utilization=0.95)]) == ["90 % of the memory", "95 % of the memory"]
    assert several.labels([FRONT, changed(limits=Limits(max_cost=2))]) == ["no limits", "max_cost 2"]
    assert several.labels([FRONT, SINGLE, SLOW]) == ["by hand", "by hand, preferred", "slow"]
    assert several.labels([FRONT, FRONT]) == ["by hand (1)", "by hand (2)"]
    assert several.heading([FRONT, changed(speculation=None)]) == (
        "by hand",
        ["Llama-3.3-70B, H100-SXM, fp8, 2,000 tokens of context and 500 of output"],
    )
    assert several.heading([FRONT, replace(SLOW, guarantee=partial("Ctrl-C"))]) == (
        "Cost against speed of 2 scenarios",
        [
            "Llama-3.3-70B, H100-SXM, fp8, 2,000 tokens of context and 500 of output",
            "slow: PARTIAL RESULT, NOT PROVEN: the search was stopped (Ctrl-C)",
        ],
    )


@pytest.mark.parametrize("result", [FRONT, PARTIAL, SINGLE], ids=["front", "partial", "single"])
def test_an_overlay_of_one_is_its_ordinary_picture(result: Frontier, tmp_path: Path) -> None:
    figures.save_overlay([result], tmp_path / "overlay.png")
    figures.save(result, tmp_path / "figure.png")
    assert (tmp_path / "overlay.png").read_bytes() == (tmp_path / "figure.png").read_bytes()


def test_a_page_of_several_results_holds_all_tables(tmp_path: Path) -> None:
    figures.save_overlay([FRONT, SLOW], tmp_path / "both.html")
    page = (tmp_path / "both.html").read_text("utf-8")
    assert "<title>Cost against speed of 2 scenarios</title>" in page
    assert "by hand: Llama" in page
    assert "slow: Llama" in page


@pytest.mark.parametrize("wrong", [[], [FRONT, "front"], [FRONT, FRONT.deployments]], ids=["none", "text", "tuple"])
def test_what_is_no_frontier_is_not_overlaid(wrong: Any) -> None:
    with pytest.raises(ScenarioError, match="expected frontiers of deployments"):
        figures.overlay(wrong)


def test_what_has_no_picture_is_refused() -> None:
    nothing: Any = FRONT.scenario
    with pytest.raises(ScenarioError, match="found Scenario, expected a frontier"):
        figures.figure_of(nothing)


def test_figures_stand_on_their_own(tmp_path: Path) -> None:
    code = (
        "import sys; from ieco_opt.results.reading import load_result; from ieco_opt.reports import figures; "
        f"figure = figures.figure_of(load_result({str(tmp_path / 'front.json')!r})); "
        "print(type(figure).__mro__[1].__module__, 'matplotlib.pyplot' in sys.modules)"
    )
    write(FRONT, tmp_path / "front.json")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "matplotlib.figure False\n"
    figure: Any = figures.save(FRONT, tmp_path / "front.svg")
    # A notebook shows it, and whoever saves it gets what stands beside its axes, too.
    assert figure._repr_svg_() == (tmp_path / "front.svg").read_text("utf-8")
    figure.savefig(tmp_path / "own.svg")
    assert "<!-- layout -->" in (tmp_path / "own.svg").read_text("utf-8")


# Progress and imports


class Terminal(io.StringIO):
    """Standard error that says it is a terminal."""

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return True


def test_progress_draws_on_a_terminal_when_it_is_told_something(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress.progress(True) as report:
        report.found(12, 3, 1.25)
        assert "12 points found, 3 gaps left, the widest 25 %" in terminal.getvalue()
        assert sys.stderr is terminal
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("enabled", "stream"), [(False, Terminal), (True, io.StringIO)])
def test_progress_is_silent_otherwise(
    enabled: bool, stream: type[io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = stream()
    monkeypatch.setattr(sys, "stderr", target)
    with progress.progress(enabled) as report:
        report.found(1, 1, 2.0)
        report.doing("pricing")
    assert target.getvalue() == ""


def test_heavy_libraries_are_imported_when_they_are_needed() -> None:
    modules = [
        "results.tables",
        "results.writing",
        "results.reading",
        "results.summary",
        "reports.text",
        "reports.text.frontier",
        "reports.figures",
        "reports.figures.style",
        "reports.figures.frontier",
        "reports.figures.deployment",
        "reports.text.progress",
    ]
    imports = "; ".join(f"import ieco_opt.{name}" for name in modules)
    heavy = "{'pandas', 'pyarrow', 'matplotlib', 'rich', 'pyomo'}"
    code = f"import sys; {imports}; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


TRUSTED: dict[str, Any] = {"profile": "hopper-2026-07", "in_range": True, "expected_error": 0.171}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([TRUSTED], "profile hopper-2026-07 (expected error 17 %); in the validated range"),
        ([TRUSTED | {"in_range": False}], "profile hopper-2026-07 (expected error 17 %); outside the validated range"),
        ([TRUSTED, TRUSTED], "profile hopper-2026-07 (expected error 17 %); all in the validated range"),
        (
            [TRUSTED, {"profile": "paper-constants", "in_range": False, "expected_error": 0.3}],
            "profile hopper-2026-07 (expected error 17 %), paper-constants (expected error 30 %);"
            " 1 of 2 rows outside the validated range",
        ),
        ([{}, {}], None),
    ],
)
def test_a_line_says_how_far_times_can_be_trusted(rows: list[dict[str, Any]], expected: str | None) -> None:
    found = [deployment(100.0 / (at + 1), 1.0 / (at + 1), **row) for at, row in enumerate(rows)]
    question = FRONTIER if len(found) > 1 else FASTEST
    lines = render(frontier(*found, question=question), 200).splitlines()
    assert [line for line in lines if line.startswith("profile ")] == ([] if expected is None else [expected])
