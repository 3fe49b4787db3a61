"""Which layers are measured for a model, how many fit, and rows that `calibrate` and `validate` read."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import ieco_opt
from ieco_opt import catalog
from ieco_opt.calibration.measurements import measurements_of
from ieco_opt.calibration.pricing import group_rows
from ieco_opt.catalog.precision import Precision, parsed
from ieco_opt.catalog.types import Model
from ieco_opt.errors import ScenarioError
from ieco_opt.performance.architecture import architecture
from ieco_opt.probing.decode_shapes import (
    LayerKind,
    fits,
    fitting_layers,
    head_bytes,
    layer_kinds,
    row_of,
    whole_step_s,
)


def model(name: str) -> Model:
    found = catalog.model(name)
    assert isinstance(found, Model)
    return found


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Llama-3.1-8B", [(32, 1, None)]),
        ("gpt-oss-120b", [(18, 1, 128), (18, 1, None)]),
        # Three dense layers, and 58 of routed experts beside a shared one.
        ("DeepSeek-R1", [(3, 1, None), (58, 2, None)]),
    ],
)
def test_layers_that_are_alike_are_one_kind(name: str, expected: list[tuple[int, int, int | None]]) -> None:
    kinds = layer_kinds(model(name))
    assert [
        (each.layers, len(each.feed_forward), getattr(each.attention, "window", None)) for each in kinds
    ] == expected


@pytest.mark.parametrize("name", ["Llama-3.1-8B", "gpt-oss-120b", "DeepSeek-R1", "Qwen3-0.6B"])
def test_weights_and_cache_are_those_of_the_catalog(name: str) -> None:
    of = model(name)
    kinds = layer_kinds(of)
    layers = sum(each.layers * each.weight_bytes(of.width) for each in kinds)
    matrices = 1 if of.tied_embeddings else 2
    # Norms and biases are left out.
    assert layers + matrices * head_bytes(of) == pytest.approx(2 * catalog.total_params(of), rel=2e-3)
    context = 128
    cache = sum(each.layers * each.cache_bytes(3, context) for each in kinds)
    assert cache == pytest.approx(3 * context * catalog.cache_bytes_per_token(of))


def test_a_window_bounds_what_is_cached() -> None:
    windowed, full = layer_kinds(model("gpt-oss-120b"))
    assert (windowed.cached(8000), full.cached(8000), windowed.cached(100)) == (128, 8000, 100)
    assert windowed.cache_bytes(2, 8000) * 8000 == full.cache_bytes(2, 8000) * 128


def test_layers_of_other_kinds_are_refused() -> None:
    recurrent = next(
        name
        for name in catalog.model_names()
        if any(block.attention.__class__.__name__ == "RecurrentAttention" for block in model(name).blocks)
    )
    with pytest.raises(ScenarioError, match="expected grouped-query or latent attention in every layer"):
        layer_kinds(model(recurrent))


def test_as_many_layers_are_measured_as_fit_with_the_largest_cache() -> None:
    llama = model("Llama-3.1-8B")
    [kind] = layer_kinds(llama)
    one = kind.weight_bytes(llama.width)
    free = head_bytes(llama) + 5.5 * one + 5 * kind.cache_bytes(4, 1000)
    assert fitting_layers(llama, kind, free, [(1, 1000), (4, 1000)], None) == 5
    assert fitting_layers(llama, kind, free, [(1, 1000)], 3) == 3
    assert fitting_layers(llama, kind, 1e15, [(1, 1000)], None) == 32
    assert fitting_layers(llama, kind, head_bytes(llama) + 0.9 * one, [(1, 10)], None) == 0
    assert fits(llama, [kind], free, 4, 1000)
    assert not fits(llama, [kind], free, 64, 100_000)


def test_the_time_of_a_layer_counts_for_all_of_its_kind() -> None:
    head, windowed, full = 2e-4, 5e-5, 8e-5
    stacks = [(18, 6, head + 6 * windowed), (18, 4, head + 4 * full)]
    assert whole_step_s(head, stacks) == pytest.approx(head + 18 * windowed + 18 * full)
    assert whole_step_s(head, [(32, 32, 9e-3)]) == pytest.approx(9e-3)
    # Times scatter: no layers are quicker than none.
    assert whole_step_s(head, [(32, 1, 0.5 * head)]) == head


def _row(of: Model, accelerator: str, seconds: float, batch: int = 4, **measured: int) -> dict[str, object]:
    kinds = layer_kinds(of)
    counts: dict[LayerKind, int] = {each: measured.get("layers", each.layers) for each in kinds}
    return row_of(of, accelerator, batch, 1000, seconds, counts)


def test_a_row_says_how_many_layers_were_measured() -> None:
    whole, part = (_row(model("Llama-3.1-8B"), "H100-SXM", 1e-2, **given) for given in ({}, {"layers": 3}))
    assert (whole["layers_measured"], whole["note"]) == (32, "")
    assert (part["layers_measured"], part["layers"]) == (3, 32)
    assert part["note"] == "3 of 32 layers measured, the time of the others scaled"


def test_validate_and_calibrate_read_the_rows(tmp_path: Path) -> None:
    llama = model("Llama-3.1-8B")
    rows = pd.DataFrame([_row(llama, "H100-SXM", 6e-3 + 1e-5 * batch, batch) for batch in range(1, 13)])
    rows.to_csv(tmp_path / "rows.csv", index=False)
    [group] = group_rows(measurements_of(rows)).groups
    in_16_bits = architecture(llama, Precision(parsed("bf16"), "bf16"), catalog.accelerator("H100-SXM"))
    assert (group.architecture, group.engine) == (in_16_bits, "probe")
    # A step at so many cached tokens, with no prompt beside it.
    assert group.traffic.prompts == 0.0
    assert float(group.traffic.cached_from[0]) == 1000.0
    checked = ieco_opt.validate(tmp_path / "rows.csv", profile="hopper-2026-07")
    assert checked.left_out == {}
    predicted = checked.to_dataframe()["predicted_time_per_output_token_s"]
    assert predicted.notna().all()
    moved = ieco_opt.calibrate(tmp_path / "rows.csv")
    assert len(moved.rows) == 12
