"""Passes with a calibration profile: the model against the oracle, which is written from the document alone."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from oracle import Setup, calibrated, cards, deployable
from oracle.common import Components
from oracle.deployable import Load
from oracle.precision import Precision, label
from oracle.servers import as_run, most_experts, sharers
from pydantic import ValidationError
from random_models import own_model, weights
from random_profiles import MOST_RANKS, kernels, pass_profile

from ieco_opt import catalog
from ieco_opt.catalog import Collection, profiles
from ieco_opt.catalog.calibration import Calibration, calibration_from_mapping
from ieco_opt.catalog.precision import Precision as ModelPrecision
from ieco_opt.catalog.types import Accelerator, Model, Topology
from ieco_opt.engines.spread import EXCHANGES, Spread
from ieco_opt.performance.architecture import architecture
from ieco_opt.performance.calibrated import calibrated_pass
from ieco_opt.performance.degrees import Degrees
from ieco_opt.performance.measured_collectives import all_reduce_lines
from ieco_opt.performance.traffic import Traffic, decode_traffic, prefill_traffic

PASSES, BLOCK = 600, 50
TOLERANCE = 1e-9
BATCHES = np.array([1.0, 2.0, 7.0, 32.0, 100.0, 1000.0, 20_000.0])
"""Sequences of a group in a micro-batch."""
MANY_BATCHES = np.unique(np.concatenate([np.arange(1, 300), np.geomspace(300, 200_000, 300).astype(int)])).astype(float)
PARTS = (
    *("kernel_s", "attention_allreduce_s", "feed_forward_allreduce_s", "expert_all_to_all_s", "pipeline_transfer_s"),
    *("network_s", "memory_s", "arithmetic_s", "latency_s"),
)
RANKS = np.arange(2, 513).astype(float)
HOPPER: Any = calibrated.profile_of("hopper-2026-07", catalog.accelerator("H100-SXM"))
P90 = HOPPER["fitted_on"]["p90_error"]
MESSAGES = np.geomspace(1e3, 1e9, 25)
SWITCHED = [
    each for each in map(catalog.accelerator, catalog.accelerator_names()) if each.topology is Topology.SWITCHED
]
TABLES = 40


@dataclass(frozen=True)
class Drawn:
    """One pass, as the oracle and as the model are told of it."""

    model: Model
    entry: Any
    precision: Precision
    accelerator: Accelerator
    setup: Setup
    load: Load
    traffic: Traffic
    profile: dict[str, Any]

    def by_the_oracle(self) -> Components:
        """Price the pass by the document."""
        batch = BATCHES * self.setup.pipeline * self.setup.sigma
        known = (self.model, self.accelerator, self.setup, self.precision)
        return calibrated.evaluate(*known, batch, self.load, self.profile)

    def by_the_model(self) -> Any:
        """Price the pass by the model."""
        shape = architecture(self.model, ModelPrecision(self.entry, self.precision.kv_cache), self.accelerator)
        given = calibration_from_mapping(self.profile)
        return calibrated_pass(shape, self.accelerator, given, degrees_of(self.setup), self.traffic)


def degrees_of(setup: Setup) -> Degrees:
    """Degrees of the model for one setup of the oracle."""

    def one(value: float) -> Any:
        return np.array([float(value)])

    copies = sharers(setup)
    exchange = np.array([EXCHANGES.index(setup.exchange or "none")])  # type: ignore[arg-type]
    return Degrees(
        one(setup.stage_ranks),
        one(setup.pipeline),
        one(setup.expert),
        one(setup.sigma),
        np.array([setup.layout == "2d"]),
        one(setup.redundant),
        Spread(one(copies.dense), one(copies.shared), one(copies.embedding), one(copies.head), exchange),
    )


def drawn(number: int) -> Drawn:
    """Draw a pass, by its number."""
    rng = random.Random(number)  # noqa: S311
    model = catalog.model_from_mapping(own_model(rng), Collection.REAL)
    assert isinstance(model, Model)
    accelerator = catalog.accelerator(rng.choice(catalog.accelerator_names()))
    entry = rng.choice(weights(rng, [model]))
    kv_cache = rng.choice(("bf16", "fp8")) if accelerator.flops_8bit is not None else "bf16"
    load, traffic = loads(rng)
    return Drawn(
        model,
        entry,
        Precision(label(entry), kv_cache),
        accelerator,
        setup_of(rng, model),
        load,
        traffic,
        pass_profile(rng),
    )


def setup_of(rng: random.Random, model: Model) -> Setup:
    """Draw degrees and a server that runs them, whether or not it would accept them."""
    ranks = rng.choice((1, 2, 3, 4, 8, 8, 8, 16, 24, 32, 64, 128))
    sigma = rng.choice([each for each in (1, 1, 2, 3, 4, 8) if ranks % each == 0])
    experts = most_experts(model)
    expert = rng.choice([each for each in range(1, experts + 1) if ranks % each == 0])
    redundant = -experts % expert + expert * rng.choice((0, 0, 1)) if experts > 1 else 0
    pipeline = rng.choice((1, 1, 2, 3))
    engine = rng.choice(("none", "vllm", "sglang", "trtllm"))
    layout = rng.choice(("1d", "1d", "2d")) if engine == "none" else "1d"
    exchanges = ("all_to_all", "all_to_all" if engine == "none" else "none" if sigma == 1 else "all_gather")
    exchange = rng.choice(exchanges)
    return as_run(model, Setup(ranks, layout, pipeline, expert, sigma, redundant, engine, exchange))


def loads(rng: random.Random) -> tuple[Load, Traffic]:
    """Draw what a pass does: decoding or verifying, with or without prompts, or a prompt alone."""
    context, answer = rng.choice((1.0, 500.0, 2000.0, 30_000.0)), rng.choice((0.0, 1.0, 300.0, 5000.0))
    found = rng.choice((0.0, 0.0, 0.3, 0.9)) * context
    phase = rng.choice(("decode", "decode", "colocated", "colocated", "prefill"))
    if phase == "prefill":
        new = context - found
        return Load(new, 0.0, 0.0, 0.0, 1.0, context, found), prefill_traffic(context, found)
    generated = float(rng.choice((1, 1, 1, 2, 5)))
    alone = decode_traffic(generated, context, context + answer)
    if phase == "decode":
        return Load(generated, context, context + answer, generated), alone
    prompts = rng.choice((0.001, 0.03, 1.0))
    carried = generated + prompts * (context - found)
    load = Load(carried, context, context + answer, generated, prompts, context, found)
    return load, alone.with_prompts(prompts, context, found)


def told(parts: Components, name: str) -> Any:
    """A part of a pass as tables tell it: attention over the cache counts as memory, prompts as compute."""
    beside = {"memory_s": parts.attention_s, "arithmetic_s": parts.prompt_s}
    return getattr(parts, name) + beside.get(name, 0.0)


def faults(case: Drawn) -> list[str]:
    """Say which parts of a pass are not those of the oracle."""
    batch = BATCHES * case.setup.pipeline * case.setup.sigma
    expected, time = case.by_the_oracle(), case.by_the_model()
    parts, found = time.components(batch[None, :]), []
    for name in PARTS:
        ours = np.broadcast_to(parts[name] if isinstance(parts, dict) else getattr(parts, name), (1, batch.size))[0]
        theirs = np.broadcast_to(told(expected, name), batch.shape)
        if not np.allclose(ours, theirs, rtol=TOLERANCE, atol=0):
            found.append(f"{name} is {ours.tolist()}, expected {theirs.tolist()}")
    if not np.allclose(time.latency_s(batch[None, :])[0], expected.latency_s, rtol=TOLERANCE, atol=0):
        found.append("latency_s is not that of the components")
    return found


@pytest.mark.parametrize("first", range(0, PASSES, BLOCK))
def test_passes_agree_with_the_oracle(first: int) -> None:
    for number in range(first, first + BLOCK):
        case = drawn(number)
        assert not faults(case), f"pass {number}: {case.setup} on {case.accelerator.name}"


def test_the_passes_that_are_drawn_decide_every_term() -> None:
    """Each constant of a profile changes some pass that is drawn."""
    deciding: set[str] = set()
    for number in range(120):
        case = drawn(number)
        before = case.by_the_oracle().latency_s
        for name, changed in changes(case.profile):
            after = replace(case, profile=changed).by_the_oracle().latency_s
            if not np.allclose(before, after, rtol=TOLERANCE, atol=0):
                deciding.add(name)
    assert deciding == {name for name, _ in changes(drawn(0).profile)}


def changes(profile: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """A profile with one of its constants changed, for each of them."""
    found: list[tuple[str, dict[str, Any]]] = []
    for name, value in profile.items():
        if isinstance(value, dict):
            found += [
                (f"{name}.{key}", profile | {name: value | {key: 1.5 * part + 0.1}}) for key, part in value.items()
            ]
        elif isinstance(value, float):
            found.append((name, profile | {name: 1.5 * value + 0.1}))
    for key in ("seconds", "bytes_per_s"):
        slower = [each | {key: 1.5 * each[key]} for each in profile["all_reduce"]]
        found.append((f"all_reduce.{key}", profile | {"all_reduce": slower}))
    return found


@pytest.mark.parametrize(
    "accelerator", list(map(catalog.accelerator, catalog.accelerator_names())), ids=lambda each: each.name
)
def test_auto_is_the_profile_that_the_catalog_finds(accelerator: Accelerator) -> None:
    expected = profiles.calibration_of(accelerator)
    found = calibrated.profile_of("auto", accelerator)
    assert (found and found["name"]) == (expected and expected.name)
    if found is not None:
        assert calibrated.profile_of(found["name"], accelerator) == found
        case = replace(drawn(0), accelerator=accelerator, profile=dict(found))
        assert not faults(case)


def test_published_constants_are_those_of_the_paper() -> None:
    case = drawn(1)
    assert calibrated.profile_of("paper-constants", case.accelerator) is None
    at = (case.model, case.accelerator, case.setup, case.precision, BATCHES, case.load)
    assert calibrated.evaluate(*at, None).latency_s.tolist() == deployable.evaluate(*at).latency_s.tolist()
    assert calibrated.profile_of(case.profile, case.accelerator) is case.profile


def test_a_profile_that_is_left_out_is_that_of_each_accelerator() -> None:
    for accelerator in map(catalog.accelerator, catalog.accelerator_names()):
        assert calibrated.profile_of(None, accelerator) == calibrated.profile_of("auto", accelerator)


@pytest.mark.parametrize(
    ("given", "name", "error"),
    [
        *[("auto", "H100-SXM", P90), ("auto", "A100-SXM-80GB", 0.3), ("auto", "TPU-v4", 0.3)],
        *[(None, "H200-SXM", P90), ("paper-constants", "H100-SXM", 0.3), ("hopper-2026-07", "B200-SXM", 0.3)],
        *[({"accelerators": ["H100-SXM"]}, "H100-SXM", 0.3), ({"fitted_on": {"p90_error": 0.1}}, "H100-SXM", 0.3)],
        ({"accelerators": ["H100-SXM"], "fitted_on": {"p90_error": 0.1}}, "H100-SXM", 0.1),
    ],
)
def test_expected_errors(given: Any, name: str, error: float) -> None:
    accelerator = catalog.accelerator(name)
    assert calibrated.error_of("profile", given, accelerator) == error
    assert calibrated.error_of(0.07, given, accelerator) == 0.07
    assert calibrated.error_of(None, given, accelerator) == 0.0


def test_a_card_that_a_mapping_describes_takes_the_profile_of_what_it_starts_from() -> None:
    cheap = cards.read({"like": "h100", "name": "mine", "usd_per_gpu_hour": 1.0, "power": {"usd_per_kwh": 0.1}})
    other = cards.read({"like": "H100-SXM", "name": "mine", "hbm_bytes": 9e10})
    alone = cards.read({"like": "TPU-v4", "name": "mine"})
    named = cards.read({"like": "H100-SXM", "name": "B200-SXM"})
    for card, name, error in (
        *[(cheap, "hopper-2026-07", P90), (other, "hopper-2026-07", 0.3), (alone, None, 0.3)],
        # Its own name comes first, whatever it starts from.
        (named, "blackwell-2026-07", calibrated.error_of("profile", "auto", catalog.accelerator("B200-SXM"))),
    ):
        found = calibrated.profile_of("auto", card)
        assert (found and found["name"]) == name
        assert calibrated.error_of("profile", "auto", card) == error
    mine: Any = {"name": "own", "like": ["mine"]}
    assert calibrated.profile_of([{"name": "theirs", "accelerators": ["H100-SXM"]}, mine], cheap) is mine


@pytest.mark.parametrize(
    ("engine", "model", "factor"),
    [
        *[("vllm", "gpt-oss-120b", 1.2 * 0.9), ("vllm", "DeepSeek-R1", 1.2), ("none", "gpt-oss-120b", 1.0)],
        *[("sglang", "gpt-oss-120b", 0.8), ("sglang", "DeepSeek-R1", 0.8 * 1.5), ("trtllm", "gpt-oss-120b", 1.1)],
        ("trtllm", "DeepSeek-R1", 1.0),
    ],
)
def test_factors_of_servers(engine: str, model: str, factor: float) -> None:
    profile = {
        "engines": {"vllm": 1.2, "dynamo-vllm": 3.0, "dynamo-sglang": 0.8, "dynamo-trt": 7.0},
        # A server may have factors of its models alone.
        "pairs": {
            "vllm": {"gpt-oss-120b": 0.9},
            "dynamo-sglang": {"DeepSeek-R1": 1.5},
            "trt": {"gpt-oss-120b": 1.1},
            "dynamo-trt": {"DeepSeek-R1": 2.0},
        },
    }
    assert calibrated.launch_factor(profile, engine, model) == pytest.approx(factor)
    assert calibrated.launch_factor(None, engine, model) == 1.0
    assert calibrated.launch_factor({}, engine, model) == 1.0


def test_a_start_of_no_seconds_still_moves_bytes() -> None:
    """Collectives of a profile may start at once, and take the time of their bytes then."""
    at_once = {"seconds": 0.0, "bandwidth_share": 0.5}
    table = [{"ranks": 1024, "seconds": 0.0, "bytes_per_s": 1e10}]
    for number in range(BLOCK):
        case = drawn(number)
        profile = case.profile | {"all_gather": at_once, "all_to_all": at_once, "all_reduce": table}
        assert not faults(replace(case, profile=profile)), f"pass {number}"


@pytest.mark.parametrize("first", range(0, PASSES, BLOCK))
def test_latency_never_falls_with_the_batch_and_that_per_sequence_never_rises(first: int) -> None:
    for number in range(first, first + BLOCK):
        case = drawn(number)
        batch = MANY_BATCHES * case.setup.pipeline * case.setup.sigma
        latency = case.by_the_model().latency_s(batch[None, :])[0]
        assert (np.diff(latency) >= -1e-12 * latency[1:]).all(), number
        per_sequence = latency / batch
        assert (np.diff(per_sequence) <= 1e-12 * per_sequence[1:]).all(), number


# --- all-reduces ------------------------------------------------------------------------------------------------------


def table_of(seed: int) -> Calibration:
    """A profile with kernels of all-reduces, by its number."""
    rng = random.Random(seed)  # noqa: S311
    return calibration_from_mapping(pass_profile(rng) | {"all_reduce": kernels(rng)})


@pytest.mark.parametrize("accelerator", SWITCHED, ids=lambda each: each.name)
def test_an_all_reduce_never_falls_with_the_ranks(accelerator: Accelerator) -> None:
    nodes = np.ceil(RANKS / accelerator.node_size)
    shipped = [each for each in profiles.calibrations() if each.all_reduce]
    for seed, profile in enumerate([*map(table_of, range(TABLES)), *shipped]):
        start, per_byte = all_reduce_lines(accelerator, profile.all_reduce, RANKS, nodes)
        assert start.shape == per_byte.shape == (RANKS.size, 3)
        seconds = (start[..., None] + per_byte[..., None] * MESSAGES).min(axis=1)
        falls = np.diff(seconds, axis=0) < -1e-12 * seconds[1:]
        assert not falls.any(), f"table {seed}: fewer seconds with {RANKS[1:][falls.any(axis=1)][0]:g} ranks"


@pytest.mark.parametrize("field", ["seconds", "bytes_per_s"])
def test_a_kernel_that_is_quicker_with_more_ranks_is_refused(field: str) -> None:
    for seed in range(TABLES):
        rng = random.Random(seed)  # noqa: S311
        table = [each for each in kernels(rng) if each["ranks"] < MOST_RANKS]
        table += [{"ranks": 2, "seconds": 1e-6, "bytes_per_s": 1e12}] * (not table)
        table += [{"ranks": MOST_RANKS, "seconds": 10.0, "bytes_per_s": 1e6}]
        counts = sorted({each["ranks"] for each in table})
        profile = pass_profile(rng) | {"all_reduce": table}
        calibration_from_mapping(profile)
        place = rng.randrange(1, len(counts))
        fewer = [each[field] for each in table if each["ranks"] == counts[place - 1]]
        (kernel, *_) = [each for each in table if each["ranks"] == counts[place]]
        best = min(fewer) if field == "seconds" else max(fewer)
        kernel[field] = math.nextafter(best, 0.0 if field == "seconds" else math.inf)
        with pytest.raises(ValidationError, match="quicker"):
            calibration_from_mapping(profile)
