"""Passes with a calibration profile: the model against the oracle, which is written from the document alone."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from oracle import Setup, calibrated
from oracle.common import Components
from oracle.deployable import Load
from oracle.precision import Precision, UnpublishedError, label
from oracle.servers import as_run, most_experts, sharers
from random_models import own_model, weights
from random_profiles import random_profile

from ieco_opt import catalog
from ieco_opt.catalog import Collection
from ieco_opt.catalog.calibration import calibration_from_mapping
from ieco_opt.catalog.precision import Precision as ModelPrecision
from ieco_opt.catalog.types import Accelerator, Model
from ieco_opt.engines.spread import EXCHANGES, Spread
from ieco_opt.performance.architecture import architecture
from ieco_opt.performance.calibrated import calibrated_pass
from ieco_opt.performance.degrees import Degrees
from ieco_opt.performance.traffic import Traffic, decode_traffic, prefill_traffic

PASSES = 400
BATCHES = np.array([1.0, 2.0, 7.0, 32.0, 100.0, 1000.0, 20_000.0])


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
    rng = random.Random(number)
    model = catalog.model_from_mapping(own_model(rng), Collection.REAL)
    assert isinstance(model, Model)
    accelerator = catalog.accelerator(rng.choice(catalog.accelerator_names()))
    entry = rng.choice(weights(rng, [model]))
    kv_cache = rng.choice(("bf16", "fp8")) if accelerator.flops_8bit is not None else "bf16"
    load, traffic = loads(rng)
    return Drawn(
        model, entry, Precision(label(entry), kv_cache), accelerator, setup_of(rng, model), load, traffic,
        random_profile(rng),
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
