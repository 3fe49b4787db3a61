"""Families that are priced together have the prices of each alone, to the last bit, whatever differs between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest

from ieco_opt.design_space import setups
from ieco_opt.design_space.building import FamilyRequest, build_alike, build_families
from ieco_opt.design_space.families import DecodeContext, Family
from ieco_opt.design_space.from_scenario import family_request
from ieco_opt.design_space.side_by_side import plain_alternatives, timed
from ieco_opt.performance.rows import split_rows, stack_rows
from ieco_opt.performance.traffic import prefill_traffic
from ieco_opt.scenario import load_scenario_mapping, resolve

LENGTHS = ((200, 900), (9000, 100), (40000, 400), (1, 1))

SCENARIOS: tuple[dict[str, Any], ...] = (
    {"model": "Llama-3.1-8B", "weights": ["bf16"], "accelerators": ["L40S"]},
    {"model": "DeepSeek-V2-Lite", "weights": ["fp8"], "accelerators": ["H100-SXM"]},
    {"model": "gpt-oss-120b", "weights": ["mxfp4"], "accelerators": ["MI300X"], "engine": "none"},
    {
        "model": "Llama-3.1-8B",
        "weights": ["fp8"],
        "accelerators": ["H200-SXM"],
        "engine": "vllm",
        "speculation": {"draft_model": "Llama-3.2-1B", "acceptance": 0.7, "max_draft_tokens": 2},
    },
)


def _arrays(table: Any) -> Iterator[np.ndarray[Any, Any]]:
    for item in fields(table):
        column = getattr(table, item.name)
        if isinstance(column, np.ndarray):
            yield column
        elif is_dataclass(column):
            yield from _arrays(column)


def _same(one: Any, other: Any) -> bool:
    pairs = zip(_arrays(one), _arrays(other), strict=True)
    return all(mine.dtype == theirs.dtype and np.array_equal(mine, theirs, equal_nan=True) for mine, theirs in pairs)


def _requests(scenario: dict[str, Any], *, colocated: bool) -> tuple[list[FamilyRequest], Any, Any]:
    """Requests of several lengths, with the accelerator and precision of a scenario."""
    whole = {"version": 2, "kind": "deployment", "workload": {"prompt_tokens": 9000, "output_tokens": 100}}
    resolved = resolve(load_scenario_mapping(whole | scenario))
    contexts = [DecodeContext.of_requests(*each, 0.25, colocated=colocated) for each in LENGTHS]
    asked = [replace(family_request(resolved), context=each) for each in contexts]
    return asked, (0, resolved.accelerators[0]), (0, resolved.precisions[0])


@pytest.mark.parametrize("colocated", [True, False])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: f"{each['model']} on {each['accelerators'][0]}")
def test_what_is_built_and_priced_together_is_what_is_alone(scenario: dict[str, Any], colocated: bool) -> None:
    requests, accelerator, precision = _requests(scenario, colocated=colocated)
    together = build_alike(requests, accelerator, precision)
    alone = [build_families(each, accelerator, precision) for each in requests]
    assert [reasons for _, reasons in together] == [reasons for _, reasons in alone]
    families: list[Family] = [family for found, _ in together for family in found]
    for family, own in zip(families, (family for found, _ in alone for family in found), strict=True):
        assert _same(family.setups, own.setups)
        assert (family.context, family.engine, family.engine_index) == (own.context, own.engine, own.engine_index)
        assert (family.drafts is None) == (own.drafts is None)
        if family.drafts is not None:
            assert _same(family.drafts, own.drafts)
    assert len({int(family.setups.batch_max.sum()) for family in families}) > 1
    for family, priced in zip(families, plain_alternatives(families), strict=True):
        assert _same(priced, family.alternatives(np.arange(len(family.setups)), 0))
    traffics = [prefill_traffic(family.context.prompt_tokens, family.context.prefix_tokens) for family in families]
    for family, traffic, time in zip(families, traffics, timed(families, traffics), strict=True):
        assert _same(time, family.timed(np.arange(len(family.setups)), traffic))


def test_tables_are_split_as_they_were_put_together() -> None:
    (request, *_), accelerator, precision = _requests(SCENARIOS[0], colocated=True)
    (family, *_), _ = build_families(request, accelerator, precision)
    counts = [3, 0, 1]
    parts = [family.alternatives(np.arange(count), 0) for count in counts]
    together = stack_rows(parts)
    assert len(together) == 4
    # No setup has a draft: one zero in memory stands for all of theirs.
    assert not any(together.draft.kernel_s.strides)
    assert all(_same(one, other) for one, other in zip(split_rows(together, counts), parts, strict=True))


@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm"])
def test_accelerators_share_what_a_server_starts_only_where_it_asks_the_same(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = ["H100-SXM", "H200-SXM", "B200-SXM", "GB200-NVL72"] + ([] if engine == "trtllm" else ["MI300X"])
    # Of B200 and GB200 the hosts alone differ: 10 GPUs are equal parts of two hosts of 8, and not of three of 4.
    degrees = {"stage_ranks": [1, 2, 4, 8], "pipeline_parallel": [1, 2, 3, 5], "attention_data_parallel": [1, 2]}
    named = {"model": "Llama-3.1-8B", "weights": ["fp8"], "accelerators": cards, "engine": engine}
    scenario: dict[str, Any] = named | {"design_space": degrees}
    (request, *_), _, precision = _requests(scenario, colocated=True)
    whole = {"version": 2, "kind": "deployment", "workload": {"prompt_tokens": 9000, "output_tokens": 100}}
    accelerators = resolve(load_scenario_mapping(whole | scenario)).accelerators
    shared = [build_families(request, (0, card), precision) for card in accelerators]
    for card, (families, reasons) in zip(accelerators, shared, strict=True):
        # Nothing is known of any other accelerator.
        monkeypatch.setattr(setups, "_started", setups._Known())
        own, own_reasons = build_families(request, (0, card), precision)
        assert own_reasons == reasons
        assert all(_same(one.setups, other.setups) for one, other in zip(families, own, strict=True))
