"""Thresholds of what a server keeps for itself, each from both sides (docs/performance-model.md)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ieco_opt import catalog
from ieco_opt.catalog.precision import Precision
from ieco_opt.catalog.types import Accelerator
from ieco_opt.engines.spread import Spread
from ieco_opt.performance.architecture import architecture
from ieco_opt.performance.degrees import Degrees
from ieco_opt.performance.reserve import Engine, ServerMemory, chunk_tokens, reserve_bytes

GIB, MIB = 2.0**30, 2.0**20
WORDS = {"Llama-3.1-8B": 128_256, "Mixtral-8x7B": 32_000}


def card(gib: float, name: str = "one") -> Accelerator:
    return replace(catalog.accelerator("H100-SXM"), name=name, hbm_bytes=gib * GIB)


def degrees(ranks: int, stages: int = 1, groups: int = 1) -> Degrees:
    one = np.ones(1)
    experts = np.array([1.0])
    return Degrees(
        *(ranks * one, stages * one, experts, groups * one, np.zeros(1, dtype=bool), 0.0 * one),
        Spread.over_all(ranks * one),
    )


def kept(
    engine: Engine, accelerator: Accelerator, of: Degrees, model: str = "Llama-3.1-8B", used: float = 1.0
) -> float:
    shape = architecture(catalog.model(model), Precision("bf16", "bf16"), accelerator)
    (found,) = reserve_bytes(engine, shape, accelerator, of, used)
    return float(found)


def below(gib: float) -> float:
    """The largest number below."""
    return float(np.nextafter(gib, 0.0))


@pytest.mark.parametrize("engine", ["vllm", "trtllm"])
@pytest.mark.parametrize(
    ("accelerator", "sequences", "chunk"),
    [
        (card(below(70)), 256, 2048),
        (card(70), 1024, 8192),
        (card(70.5), 1024, 8192),
        (card(159), 1024, 8192),
        (card(160), 1024, 8192),
        (card(70, "my A100"), 256, 2048),
        (card(below(160), "A100 of much memory"), 256, 2048),
        (card(160, "A100 of much memory"), 1024, 8192),
        (card(160.5, "A100 of much memory"), 1024, 8192),
    ],
    ids=lambda each: f"{each.name} {each.hbm_bytes / GIB:.2f}" if isinstance(each, Accelerator) else str(each),
)
def test_large_accelerators_of_vllm(engine: Engine, accelerator: Accelerator, sequences: int, chunk: int) -> None:
    assert chunk_tokens(engine, accelerator) == chunk
    expected = 0.9 * GIB + 33 * sequences * 128_256
    assert kept(engine, accelerator, degrees(1)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("ranks", "stages", "talk"), [(1, 1, 0.0), (2, 1, 1.3), (1, 2, 1.3)])
@pytest.mark.parametrize(("model", "experts"), [("Llama-3.1-8B", 0.0), ("Mixtral-8x7B", 1.0)])
def test_parts_of_the_reserve_of_vllm(ranks: int, stages: int, talk: float, model: str, experts: float) -> None:
    expected = (0.9 + talk + experts) * GIB + 33 * 1024 * WORDS[model]
    assert kept("vllm", card(80), degrees(ranks, stages), model) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("gib", "chunk", "few", "wide"),
    [
        (below(20), 2048, 8, 8),
        (20, 4096, 48, 160),
        (below(35), 4096, 48, 160),
        (35, 4096, 32, 160),
        (below(60), 4096, 32, 160),
        (60, 8192, 256, 512),
        (below(160), 8192, 256, 512),
        (160, 16384, 512, 512),
        (288, 16384, 512, 512),
    ],
)
def test_what_sglang_keeps_on_accelerators_of_every_size(gib: float, chunk: int, few: int, wide: int) -> None:
    accelerator = card(gib)
    assert chunk_tokens("sglang", accelerator) == chunk
    # Ranks of a stage decide on the graph, and not GPUs; three ranks are still few.
    for ranks, stages, graph in ((1, 1, few), (3, 1, few), (3, 2, few), (4, 1, wide), (8, 2, wide)):
        for groups in (1, 2):
            grouped = 0.0 if groups == 1 else graph * (4.5 if graph > 300 else 3.0)
            mebibytes = 512 + 1.5 * chunk + 128 * ranks * stages + 2 * graph + grouped
            found = kept("sglang", accelerator, degrees(ranks, stages, groups))
            assert found == pytest.approx(mebibytes * MIB, rel=1e-12), (ranks, stages, groups)


def test_what_the_utilisation_leaves_free_is_part_of_what_sglang_keeps() -> None:
    whole = kept("sglang", card(80), degrees(1))
    assert kept("sglang", card(80), degrees(1), used=0.9) == pytest.approx(whole - 8 * GIB, rel=1e-12)
    assert kept("sglang", card(80), degrees(1), used=0.5) == 0.0
    # All other servers count within the share that they may use.
    for engine in ("vllm", "trtllm"):
        assert kept(engine, card(80), degrees(1), used=0.5) == kept(engine, card(80), degrees(1))
    assert kept("none", card(80), degrees(1)) == 0.0


def test_only_sglang_counts_the_whole_memory_and_not_where_the_reserve_is_given() -> None:
    counts = {engine: ServerMemory(0.9, engine).counts_whole_memory for engine in ("none", "vllm", "sglang", "trtllm")}
    assert counts == {"none": False, "vllm": False, "sglang": True, "trtllm": False}
    given = ServerMemory(0.9, "sglang", 0.0)
    shape = architecture(catalog.model("Llama-3.1-8B"), Precision("bf16", "bf16"), card(80))
    assert not given.counts_whole_memory
    assert given.reserve(shape, card(80), degrees(4)).tolist() == [0.0]
    assert given.usable_bytes(card(80)) == pytest.approx(72 * GIB, rel=1e-12)
