"""The probe on this machine's CPU, with small sizes; without torch these tests are skipped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import ieco_opt
from ieco_opt import catalog
from ieco_opt.catalog.profiles import read_calibration
from ieco_opt.catalog.types import Model
from ieco_opt.cli.main import main
from ieco_opt.errors import ScenarioError
from ieco_opt.probing import decode_model, kernels
from ieco_opt.probing.all_reduces import measured_all_reduces
from ieco_opt.probing.decode import decoded
from ieco_opt.probing.decode_model import Layers, Weights, step_of
from ieco_opt.probing.decode_shapes import layer_kinds
from ieco_opt.probing.devices import Machine, machine_of
from ieco_opt.probing.sizes import Sizes
from ieco_opt.probing.timings import BYTES

torch: Any = pytest.importorskip(
    "torch", reason="torch is not installed: pip install 'ieco_opt[probe]', which takes gigabytes"
)

SMALL = Sizes(
    copy_bytes=(2**16, 2**18),
    widths=(64, 128),
    rotation_bytes=2**15,
    decode_rows=(1, 16, 32),
    prefill_rows=(64,),
    message_bytes=(2**12, 2**14, 2**16, 2**18),
    launches=20,
)

DENSE = {"kind": "grouped_query", "query_heads": 8, "kv_heads": 2, "head_width": 16}
LATENT = {
    "kind": "latent",
    "query_heads": 4,
    "kv_width": 32,
    "query_width": 48,
    "nope_head_width": 16,
    "rope_head_width": 8,
    "value_head_width": 16,
}


def model(attention: list[tuple[int, dict[str, object]]], feed_forward: list[dict[str, object]]) -> Model:
    made = catalog.model_from_mapping(
        {
            "name": "tiny",
            "layers": sum(layers for layers, _ in attention),
            "width": 64,
            "vocabulary": 300,
            "tied_embeddings": True,
            "blocks": [{"layers": layers, "attention": each} for layers, each in attention],
            "feed_forward": feed_forward,
        }
    )
    assert isinstance(made, Model)
    return made


MODELS = {
    "dense": model([(3, DENSE)], [{"layers": 3, "width": 128}]),
    "windowed": model([(1, {**DENSE, "window": 8}), (2, DENSE)], [{"layers": 3, "width": 128, "up": 1}]),
    "routed": model(
        [(3, LATENT)],
        [
            {"layers": 1, "width": 128},
            {"layers": 2, "width": 32, "experts": 8, "active": 2},
            {"layers": 2, "width": 48, "shared": True},
        ],
    ),
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """One thread, which leaves the others of this machine alone."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def machine() -> Machine:
    return machine_of("cpu", None)


def call(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as exit_:
        main(["probe", "--device", "cpu", *map(str, arguments)])
    return int(exit_.value.code or 0)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small sizes in place of the CPU's usual ones."""
    monkeypatch.setattr("ieco_opt.probing.probe.sizes_of", lambda *_: SMALL)


def test_the_machine_says_that_it_is_a_cpu(machine: Machine) -> None:
    assert machine.device.name.startswith("CPU-")
    assert machine.device.memory_bytes == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert machine.device.count == 1
    if not torch.cuda.is_available():
        assert machine_of(None, 3).device.kind == "cpu"
        with pytest.raises(ScenarioError, match="sees no card here; expected cpu"):
            machine_of("cuda", None)


@pytest.mark.usefixtures("small")
def test_entry_and_prior_of_the_cpu_are_read_by_a_scenario(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert call("--seconds", "0.5", "--out", tmp_path / "card.yaml", "--profile-out", tmp_path / "mine.yaml") == 0
    out, err = capfd.readouterr()
    assert "is no accelerator: all figures are those of the CPU" in err
    assert "no card of the catalog" in out
    card = catalog.accelerator_from_file(tmp_path / "card.yaml")
    assert card.hbm_bytes == machine_of("cpu", None).device.memory_bytes
    # Far apart enough for any machine: a fault of units or of counting is a factor of a thousand.
    assert 1e8 < card.hbm_bytes_per_s < 1e13
    assert 1e9 <= card.flops_16bit < 1e14
    assert 1e-8 < card.kernel_launch_s < 1e-3
    prior = read_calibration(tmp_path / "mine.yaml")
    assert prior.accelerators == (card.name,)
    (tmp_path / "scenario.yaml").write_text(
        "version: 2\nkind: deployment\nname: own\nmodel: Qwen3-0.6B\nweights: [bf16]\nengine: none\n"
        "accelerators: [card.yaml]\nprofile: mine.yaml\n"
        "workload: {context_tokens: 100, output_tokens: 100}\n"
        "design_space: {tensor_parallel: [1], pipeline_parallel: [1], batch: [1, 4]}\n",
        "utf-8",
    )
    with pytest.raises(ScenarioError, match="no price is known"):
        ieco_opt.frontier(ieco_opt.load_scenario(tmp_path / "scenario.yaml"))
    text = (tmp_path / "card.yaml").read_text("utf-8")
    (tmp_path / "card.yaml").write_text(f"usd_per_gpu_hour: 1\n{text}", "utf-8")
    front = ieco_opt.frontier(ieco_opt.load_scenario(tmp_path / "scenario.yaml"))
    assert front[0].accelerator == card.name


def test_a_precision_that_torch_refuses_is_left_out_and_said(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise RuntimeError("not on this device\nand more")

    monkeypatch.setitem(kernels._MULTIPLIED, "fp8", refused)
    notes: list[str] = []
    found = list(kernels.measured_matrices(machine, SMALL, 0.3, notes))
    assert {each.precision for each in found} <= set(BYTES) - {"fp8"}
    assert {(each.phase, each.rows) for each in found if each.precision == "bf16"} >= {("decode", 1), ("prefill", 64)}
    assert "fp8 matrices were not measured: not on this device" in notes


def test_measuring_ends_when_its_time_is_up(machine: Machine) -> None:
    notes: list[str] = []
    found = list(kernels.measured_matrices(machine, SMALL, 0.0, notes))
    assert {each.width for each in found} == {SMALL.widths[0]}
    assert "bf16 matrices: 4 of 8 were measured, then the time was up" in notes


def test_all_reduces_are_measured_among_processes() -> None:
    machine = machine_of("cpu", 3)
    notes: list[str] = []
    found = measured_all_reduces(machine, SMALL, 0.02, notes)
    assert [(each.ranks, each.message_bytes) for each in found] == [
        (ranks, float(size)) for ranks in (2, 3) for size in SMALL.message_bytes
    ]
    assert all(1e-6 < each.seconds < 10.0 for each in found)
    assert notes == []


def test_processes_that_fail_leave_a_note(machine: Machine) -> None:
    broken = replace(machine, device=replace(machine.device, kind="none", count=2))
    notes: list[str] = []
    assert measured_all_reduces(broken, SMALL, 0.02, notes) == ()
    [note] = notes
    assert note.startswith("all-reduces were not measured: ")
    assert measured_all_reduces(machine, SMALL, 0.02, notes) == ()
    assert len(notes) == 1


@pytest.mark.parametrize("name", MODELS)
def test_a_step_gives_a_token_for_each_sequence(machine: Machine, name: str) -> None:
    weights = Weights(machine)
    shape = MODELS[name]
    for kind in layer_kinds(shape):
        layers = Layers(weights, shape, kind, 2).parts(5, 20)
        head = weights.of(shape.vocabulary, shape.width)
        tokens = step_of(weights, shape, head, layers, 5)()
        assert tokens.shape == (5,)
        assert int(tokens.min()) >= 0
        assert int(tokens.max()) < shape.vocabulary


@pytest.mark.parametrize("name", MODELS)
def test_layers_hold_the_weights_and_the_cache_that_were_counted(machine: Machine, name: str) -> None:
    made: list[Any] = []

    class Counting(Weights):
        def of(self, *shape: int) -> Any:
            made.append(super().of(*shape))
            return made[-1]

    shape = MODELS[name]
    for kind in layer_kinds(shape):
        made.clear()
        layers = Layers(Counting(machine), shape, kind, 2)
        assert sum(each.nbytes for each in made) == 2 * kind.weight_bytes(shape.width)
        made.clear()
        layers.parts(3, 20)
        assert sum(each.nbytes for each in made) == 2 * kind.cache_bytes(3, 20)


def test_grouped_query_attention_is_that_of_each_head(machine: Machine) -> None:
    weights, kind = Weights(machine), layer_kinds(MODELS["dense"])[0]
    attention, batch, cached = kind.attention, 3, 12
    assert isinstance(attention, catalog.model("Llama-3.1-8B").blocks[0].attention.__class__)  # type: ignore[union-attr]
    into, out = weights.of(64, 12 * 16) * 10, weights.of(8 * 16, 64)
    kept: list[Any] = []

    class Keeping(Weights):
        def of(self, *shape: int) -> Any:
            kept.append(super().of(*shape) * 50)
            return kept[-1]

    given = torch.randn(batch, 64).to(torch.bfloat16)
    found = decode_model._grouped_query(Keeping(machine), attention, (into, out), batch, cached)(given)
    keys, values = (each.double() for each in kept)
    queries = decode_model._turned(torch, (given @ into)[:, : 8 * 16].view(batch, 8, 16)).double()
    heads = []
    for head in range(8):
        group = head // 4
        scores = torch.einsum("bd,bsd->bs", queries[:, head], keys[:, group]) / 4.0
        heads.append(torch.einsum("bs,bsd->bd", scores.softmax(dim=-1), values[:, group]))
    expected = torch.cat(heads, dim=-1).to(torch.bfloat16) @ out
    assert torch.allclose(found.double(), expected.double(), rtol=0.05, atol=0.02)
    # The token that is new stands last in the cache.
    fresh = (given @ into)[:, 10 * 16 :].view(batch, 2, 16)
    assert torch.equal(kept[1][:, :, -1], fresh)


def test_routed_experts_are_those_of_each_token(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    block = layer_kinds(MODELS["routed"])[1].feed_forward[0]
    assert (block.experts, block.active) == (8, 2)
    given = torch.randn(6, 64).to(torch.bfloat16)
    kept: list[Any] = []

    class Keeping(Weights):
        def of(self, *shape: int) -> Any:
            kept.append(super().of(*shape) * 10)
            return kept[-1]

    found = decode_model._block(Keeping(machine), block, 64)(given)
    router, into, out = kept
    scores, chosen = (given @ router).topk(2, dim=-1)
    shares = scores.softmax(dim=-1).double()
    for row in range(6):
        expected = torch.zeros(64, dtype=torch.float64)
        for slot in range(2):
            expert = int(chosen[row, slot])
            gate, up = (given[row].double() @ into[expert].double()).chunk(2)
            inner = torch.nn.functional.silu(gate) * up
            expected += shares[row, slot] * (inner @ out[expert].double())
        assert torch.allclose(found[row].double(), expected, rtol=0.1, atol=0.05)
    # Torch without products over groups goes through the experts one by one.
    monkeypatch.delattr(torch.nn.functional, "grouped_mm", raising=False)
    monkeypatch.delattr(torch, "_grouped_mm", raising=False)
    again = iter(kept)

    class Again(Weights):
        def of(self, *shape: int) -> Any:
            return next(again).view(shape)

    one_by_one = decode_model._block(Again(machine), block, 64)(given)
    assert torch.allclose(one_by_one.double(), found.double(), rtol=0.05, atol=0.05)


def test_fewer_layers_are_scaled_to_all(machine: Machine) -> None:
    deep = model([(40, DENSE)], [{"layers": 40, "width": 128}])
    result = decoded(machine, deep, batches=(2,), contexts=(16,), layers=10, seconds=1.0)
    row = result.rows.iloc[0]
    assert (row["layers_measured"], row["layers"]) == (10, 40)
    assert "10 of 40 layers were measured, and their time scaled to all" in result.notes
    whole = decoded(machine, deep, batches=(2,), contexts=(16,), seconds=1.0).rows.iloc[0]
    # Ten layers alone are a quarter of it; the machine is shared with other work.
    assert row["time_per_output_token_s"] == pytest.approx(whole["time_per_output_token_s"], rel=0.6)


def test_decode_writes_rows_that_validate_reads(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 300,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "max_position_embeddings": 4096,
    }
    (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
    given = ("--batches", "1,3", "--contexts", "10,20", "--seconds", "0.5", "--accelerator", "H100")
    assert call("--decode", tmp_path / "config.json", "--out", tmp_path / "rows.csv", *given) == 0
    out, err = capfd.readouterr()
    assert "batch  context" in out
    assert f"{tmp_path.name} is no model of the catalog" in err
    rows = pd.read_csv(tmp_path / "rows.csv")
    assert rows[["batch", "prompt_tokens"]].to_numpy().tolist() == [[1, 10], [1, 20], [3, 10], [3, 20]]
    assert rows["accelerator"].unique().tolist() == ["H100-SXM"]
    assert (rows["time_per_output_token_s"] > 0.0).all()
    # The same rows of a model that the catalog has are priced.
    result = ieco_opt.validate(rows.assign(model="Llama-3.1-8B"))
    assert result.left_out == {}
    assert result.to_dataframe()["predicted_time_per_output_token_s"].notna().all()


def test_a_batch_that_does_not_fit_is_left_out_and_a_model_that_does_not_is_refused(machine: Machine) -> None:
    result = decoded(machine, MODELS["dense"], batches=(1, 10_000_000), contexts=(1000,), seconds=0.1)
    assert result.rows["batch"].tolist() == [1]
    assert "batch 10000000 with 1,000 tokens does not fit" in result.notes
    with pytest.raises(ScenarioError, match="not one layer fits"):
        decoded(machine, MODELS["dense"], batches=(10_000_000,), contexts=(1000,), seconds=0.1)


def test_an_interrupt_ends_all_processes_and_writes_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ieco_opt", "probe", "--device", "cpu", "--cards", "2", "--seconds", "0.1"]
    with subprocess.Popen(
        [*command, "--out", str(tmp_path / "card.yaml")],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "all-reduces" in line:
                break
        time.sleep(1.0)
        os.killpg(process.pid, signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(60) == 4
    assert rest == "interrupted before anything was found\n"
    assert list(tmp_path.iterdir()) == []
