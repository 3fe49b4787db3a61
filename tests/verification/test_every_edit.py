"""Every number, word and list of every kind of result is changed in turn, and `verify` sees it and names the field.

What it cannot see it says, in words: the few fields that only a solver or a heuristic could confirm stand below, each
with the words that `verify` has to find for it.
"""

from __future__ import annotations

import warnings
from fnmatch import fnmatch
from functools import cache

import pytest
from edited_results import RESULTS, Edit, Edits

from ieco_opt.results.answer import Answer
from ieco_opt.verification.verify import Scene, check

UNSEEN = {
    "*.cost_cap": "cost_cap",
    "confirmed": "confirmed",
    "plans.*.levels.*.bound": "bounds of plans",
    "found.*.plan.levels.*.bound": "bounds of plans",
    "found": "no plan is missing from the list",
    "plans.*.next_cheaper": "next_cheaper",
    "plans.*.next_cheaper.*.objective": "next_cheaper",
    "heuristics": "what they claim",
    "heuristics.*.evaluations": "how many they priced",
    "heuristics.*.proposals": "that heuristics propose just these",
    "heuristics.*.proposals.*.claimed_*": "what they claim",
    "heuristics.*.proposals.*.*_parallel": "that heuristics propose just these",
    "heuristics.*.proposals.*.tensor_layout": "that heuristics propose just these",
    "heuristics.*.proposals.*.draft_tokens": "that heuristics propose just these",
}
"""Fields of which some edit may pass, and the words with which `verify` then says that it did not check them."""

UNSEEN_OF_A_STOPPED_SEARCH = {
    "guarantee.open_regions*": "open_regions",
    "deployments.*.status": "a status less certain",
}

ASKED = (
    *("question.objective", "question.preference", "question.against", "question.delta", "budget.*"),
    *("within", "count", "differ", "differ.*"),
)
"""What was asked: another question may have the same answer."""

NAMES_A_ROW = (
    *(
        "*_parallel",
        "*redundant_experts",
        "*.stage_ranks",
        "*tensor_layout",
        "*.batch",
        "*.draft_tokens",
        "*.phase",
        "*.node_gpus",
    ),
    *("question.*", "heuristics.*.proposals*"),
)
"""Fields that say which configuration or row the others belong to: then it is the others that are wrong."""


NAMES_A_ROW_OF = {"precise": ("*.kv_cache",), "band": ("*.kv_cache",)}
"""Those of results whose scenario lists more than one."""


@cache
def answer(kind: str) -> Answer:
    return RESULTS[kind]()


def key(edit: Edit) -> str:
    return ".".join(part if isinstance(part, str) else "*" for part in edit.place)


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def without_order(edit: Edit) -> bool:
    """Whether only rows of one node change places, or alternatives that are as good: they have no order."""
    if edit.place[-1] == "found":
        return edit.now == edit.was[::-1] and len({each["excess"] for each in edit.was}) == 1
    swapped = edit.place[-1] == "nodes" and edit.now == edit.was[::-1]
    return swapped and len({(row["pool"], row["node"]) for row in edit.was}) == 1


@pytest.mark.parametrize("kind", RESULTS)
def test_every_edit_is_seen_and_named(kind: str) -> None:
    result = answer(kind)
    scene = Scene.of(result)
    report = check(result, scene)
    assert report.problems == []
    said = " ".join(report.unchecked)
    unseen = UNSEEN | (UNSEEN_OF_A_STOPPED_SEARCH if result.stopped else {})
    missed, unnamed, tried = [], [], 0
    reader = Edits(result)
    for edit in reader.all():
        tried += 1
        read, name = reader.read(edit), key(edit)
        found = read if isinstance(read, str) else "\n".join(check(read, scene).problems)
        if not found:
            words = [words for pattern, words in unseen.items() if fnmatch(name, pattern)]
            if not (words and words[0] in said) and not matches(name, ASKED) and not without_order(edit):
                missed.append(str(edit))
        elif str(next(part for part in reversed(edit.place) if isinstance(part, str))) not in found:
            unnamed += [] if matches(name, NAMES_A_ROW + NAMES_A_ROW_OF.get(kind, ())) else [f"{edit} ({found})"]
    assert tried > 50
    assert missed == []
    assert unnamed == []


def test_every_kind_is_here() -> None:
    kinds = {(result.question.kind, result.guarantee.kind.value) for result in map(answer, RESULTS)}
    assert kinds >= {
        *(("frontier", kind) for kind in ("covered", "complete", "sampled", "partial")),
        *((kind, "single") for kind in ("solve", "explain", "plan")),
        ("explain", "none"),
        ("compare", "covered"),
        ("alternatives", "single"),
        ("fleet_frontier", "covered"),
        ("fleet_frontier", "complete"),
    }
    assert {answer(kind).question.against for kind in RESULTS} == {None, "speed", "power", "gpus"}
    assert all(len(answer(f"plans by {against}").plans) == 3 for against in ("speed", "power", "GPUs"))  # type: ignore[attr-defined]
    modes = {row.phase for row in answer("disaggregated").plans[0].instances}  # type: ignore[attr-defined]
    assert modes == {"prefill", "decode", "colocated"}
    assert any(row.draft for row in answer("speculative").plans[0].instances)  # type: ignore[attr-defined]
    precise = answer("precise").deployments  # type: ignore[attr-defined]
    assert {(row.weights, row.kv_cache) for row in precise} == {("experts=mxfp4,rest=bf16", "fp8")}
    assert {row.parallelism.redundant_experts for row in precise} == {4}
    assert {row.parallelism.redundant_experts for row in answer("covered").deployments} == {0}  # type: ignore[attr-defined]


def test_a_cap_that_proves_too_much_is_seen() -> None:
    reader = Edits(answer("covered"))
    slower, faster = reader.values["deployments"][1], reader.values["deployments"][0]
    place = ("deployments", 1, "cost_cap")
    edit = Edit(place, slower["cost_cap"], faster["cost_usd_per_mtok"])
    read = reader.read(edit)
    assert isinstance(read, Answer)
    (problem,) = check(read, Scene.of(read)).problems
    assert problem.startswith(f"deployments[1]: bound: found {slower['bound']:.12g}, but there is ")


EXTREMES = (0, 0.0, 1, 1e308, 5e-324, 2**53, None)


ALONE = ("covered", "explained carbon", "compared", "priced plan")
"""Results that between them have every kind of record; the others are tried by the slow suite."""


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[] if kind in ALONE else [pytest.mark.slow]) for kind in RESULTS]
)
def test_no_number_is_too_much_for_it(kind: str) -> None:
    result = answer(kind)
    scene, reader, tried = Scene.of(result), Edits(result), set()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for edit in reader.all():
            if isinstance(edit.was, int | float) and key(edit) not in tried:
                tried.add(key(edit))
                for extreme in EXTREMES:
                    read = reader.read(Edit(edit.place, edit.was, extreme))
                    assert isinstance(read, str) or check(read, scene) is not None
    assert tried
