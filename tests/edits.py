"""Random edits of scenarios, results, tables and options, as a user makes them by mistake or on purpose."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import yaml
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from own_profiles import own_profile

Path = tuple[str | int, ...]

NUMBERS: SearchStrategy[Any] = st.one_of(
    st.sampled_from([0, 1, 2, 3, 4, 7, 8, 16, 64, 100, 1000, 10**6, 10**12, -1, 0.5, 0.95, 1.5, 1e-9, 1e9, 1e300]),
    st.sampled_from([float("nan"), float("inf"), -float("inf"), -0.0, 2**63, 10**40]),
    st.floats(allow_nan=False, width=32),
    st.integers(-5, 5000),
)
TEXTS: SearchStrategy[str] = st.one_of(
    st.sampled_from(["", " ", "x", "H100", "MI300X", "Llama-3.1-8B", "fp8", "int4", "auto", "node", "gpu", "chat"]),
    st.sampled_from(["=1+1", "\x1b[31m", "a\nb", "../x.csv", "/dev/null", "/etc", "nowhere.csv", "モデル", "x" * 300]),
    st.sampled_from(["cost", "power", "gpus", "frontier", "paper", "prefill", "decode", "disaggregated", "1d", "2d"]),
    st.text(max_size=8),
)
SCALARS: SearchStrategy[Any] = st.one_of(NUMBERS, TEXTS, st.booleans(), st.none())
VALUES: SearchStrategy[Any] = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=4),
    st.dictionaries(st.sampled_from(["min", "max", "name", "like", "x", "max_cost"]), SCALARS, max_size=3),
)


def seldom(of: int) -> SearchStrategy[bool]:
    """True once in so many draws; Hypothesis likes the ends of a range, so it is a number in the middle that counts."""
    return st.integers(0, of - 1).map(lambda number: number == of // 2)


def paths_of(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every place within a document but the document itself."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield (*path, key)
        yield from paths_of(each, (*path, key))


FACTORS = st.sampled_from([0.0, 0.01, 0.1, 0.5, 0.999999, 1.000001, 2.0, 10.0, 100.0])
LIKELY: dict[str, SearchStrategy[Any]] = {
    "limits": st.dictionaries(
        st.sampled_from(["min_speed", "max_cost", "min_throughput", "max_throughput", "max_power_kw"]),
        st.floats(0.01, 1000.0),
        max_size=3,
    ),
    "design_space": st.dictionaries(
        st.sampled_from(["tensor_parallel", "stage_ranks", "pipeline_parallel", "attention_data_parallel"]),
        st.lists(st.integers(1, 16), min_size=1, max_size=4, unique=True),
        max_size=3,
    ),
    "speculation": st.fixed_dictionaries(
        {
            "draft_model": st.sampled_from(["Llama-3.2-1B", "Llama-3.1-8B"]),
            "acceptance": st.floats(0.05, 1.0),
            "max_draft_tokens": st.integers(2, 4),
        }
    ),
    "weights": st.one_of(
        st.lists(st.sampled_from(["fp8", "bf16", "int4", "fp4", "mxfp4"]), min_size=1, max_size=3, unique=True),
        st.sampled_from(["fp8", [{"attention": "fp8", "rest": "int4"}], [{"experts": "mxfp4"}], [{"rest": "fp7"}]]),
    ),
    "kv_cache": st.sampled_from(["fp8", ["bf16"], ["bf16", "fp8"], ["fp4"]]),
    "engine": st.sampled_from(
        [
            *("any", "none", "vllm", "sglang", "trtllm", "tgi", "mine.yaml", own_profile()),
            *(["any", own_profile()], ["vllm", own_profile(port=0)], [own_profile(), own_profile()]),
        ]
    ).map(copy.deepcopy),
    "memory_reserve_gb": st.one_of(st.just("auto"), st.floats(0.0, 100.0)),
    "redundant_experts": st.sampled_from(["auto", [0], [0, 8], [-1]]),
    "accelerators": st.lists(st.sampled_from(["H100", "MI300X", "L40S", "TPU-v5e"]), min_size=1, max_size=2),
    "memory_utilization": st.floats(0.01, 1.0),
    "headroom": st.floats(0.0, 3.0),
    "min_instances": st.integers(1, 9),
    "max_instances": st.integers(1, 9),
    "max_time_to_first_token_s": st.floats(0.001, 10.0),
    "slices": st.integers(1, 3),
    "serving": st.sampled_from([["colocated"], ["disaggregated"], ["colocated", "disaggregated"]]),
    "node_size": st.integers(1, 16),
    "rented_by": st.sampled_from(["node", "gpu"]),
    "owned_gpus": st.integers(0, 64),
    "gpus": st.integers(1, 64),
    "max_gpus": st.integers(1, 64),
    "objective": st.sampled_from(["cost", "power", "gpus", "frontier"]),
    "batch": st.sampled_from([[1], [3, 5, 1000], {"min": 1, "max": 2000}, {"min": 7, "max": 7}]),
    "status": st.sampled_from(["optimal", "feasible", "stopped", "infeasible"]),
    "phase": st.sampled_from(["colocated", "prefill", "decode"]),
}
"""Values of fields by their names that mostly make sense."""


@st.composite
def edited(draw: DrawFn, documents: SearchStrategy[Any], most: int = 3) -> Any:
    """Give a document with up to ``most`` edits, one document of four with wild ones."""
    document = copy.deepcopy(draw(documents))
    change = _wild_edit if draw(seldom(4)) else _likely_edit
    for _ in range(draw(st.integers(0, most))):
        places = list(paths_of(document))
        if places:
            path = draw(st.sampled_from(places))
            inside = document
            for key in path[:-1]:
                inside = inside[key]
            change(draw, inside, path[-1])
    return document


def _likely_edit(draw: DrawFn, inside: Any, key: str | int) -> None:
    """Scale a number, or give a field that makes sense, or leave one out."""
    here = inside[key]
    if isinstance(here, int | float) and not isinstance(here, bool):
        factor = draw(FACTORS)
        inside[key] = max(1, round(here * factor)) if isinstance(here, int) else here * factor
    elif key in LIKELY and draw(st.booleans()):
        inside[key] = draw(LIKELY[str(key)])
    elif isinstance(inside, dict):
        name = draw(st.sampled_from(sorted(LIKELY)))
        if name in inside or draw(st.booleans()):
            inside[name] = draw(LIKELY[name])
    elif len(inside) > 1:
        del inside[key]


def _wild_edit(draw: DrawFn, inside: Any, key: str | int) -> None:
    """Give a value of any type, leave something out, write it twice, or invent a field."""
    kind = draw(st.sampled_from(["value", "out", "double", "new"]))
    if kind == "out":
        del inside[key]
    elif kind == "double" and isinstance(inside, list):
        inside.append(copy.deepcopy(inside[key]))
    elif kind == "new" and isinstance(inside, dict):
        inside[draw(st.one_of(st.sampled_from(sorted(LIKELY)), TEXTS))] = draw(VALUES)
    else:
        inside[key] = draw(VALUES)


@st.composite
def scenario_texts(draw: DrawFn, mappings: list[dict[str, Any]]) -> str | bytes:
    """Give the text of a scenario file: YAML or JSON of an edited mapping, seldom with broken characters in it."""
    mapping = draw(edited(st.sampled_from(mappings)))
    text = json.dumps(mapping) if draw(seldom(5)) else yaml.safe_dump(mapping, sort_keys=False, allow_unicode=True)
    if not draw(seldom(12)):
        return text
    at = draw(st.integers(0, len(text)))
    junk = draw(st.sampled_from(["\x00", "\t", "- ", "{", "&a *a", "!!python/none", "\ufeff", "'", ": :", "\r"]))
    broken = text[:at] + junk + text[at + draw(st.integers(0, 3)) :]
    return broken.encode("utf-16") if draw(seldom(10)) else broken


@st.composite
def overrides(draw: DrawFn, mapping: dict[str, Any]) -> list[str]:
    """Give options ``--set``, most of them of fields that there are."""
    found: list[str] = []
    for _ in range(draw(st.sampled_from([0, 0, 0, 0, 0, 1, 1, 2]))):
        path = draw(st.sampled_from(list(paths_of(mapping))))
        if draw(st.booleans()):
            limit = draw(
                st.sampled_from(["limits.min_speed", "limits.max_cost", "limits.max_gpus", "memory_utilization"])
            )
            found += ["--set", f"{limit}={draw(st.floats(0.01, 100.0))}"]
            continue
        name = draw(
            st.sampled_from([_dotted(path, "[{}]"), _dotted(path, ".{}"), "limits.max_gpus", "limits.x", "", "a..b"])
        )
        value = draw(st.one_of(SCALARS.map(str), st.sampled_from(["[1, 2]", "{a: 1}", "[", "null", "1e3", "0x10"])))
        found += ["--set", name if draw(seldom(10)) else f"{name}={value}"]
    return found


def _dotted(path: Path, index: str) -> str:
    text = ""
    for key in path:
        text += index.format(key) if isinstance(key, int) else f".{key}" if text else str(key)
    return text
