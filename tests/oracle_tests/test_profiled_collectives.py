"""The oracle's collectives with a calibration profile by hand: what all-reduces and exchanges take inside a server."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from oracle import Setup, calibrated
from oracle.common import Components, protocol_lines
from oracle.deployable import Load
from oracle.heads import mtp
from oracle.serving import Decoding, Request, Service, Speculation, price
from random_profiles import KINDS, pass_profile
from small_chip import CHIP, DENSE

from ieco_opt.catalog.types import Accelerator, FeedForward, Model

Mapping = dict[str, Any]

EXACT = 1e-12
OLD = replace(CHIP, name="old", flops_8bit=None)
"""Without arithmetic in 8 bits."""
# Every layer routes each token to two of four experts.
ROUTED = replace(DENSE, name="routed", feed_forward=(FeedForward(layers=5, width=16, experts=4, active=2),))
BYTES = 8 * 2
"""Of a token's activations."""
ALONE: Mapping = {
    "name": "alone",
    "step_s": 0.0,
    "layer_s": 0.0,
    "layer_kernels": dict.fromkeys(("experts", "latent_attention", "quantised_experts", "weight_only_experts"), 0.0),
    **{name: dict.fromkeys(KINDS, 1.0) for name in ("linear_share", "expert_share", "decode_share", "prefill_share")},
    **dict.fromkeys(("cache_share", "attention_share", "prefill_attention_share"), 1.0),
    "all_reduce": [
        {"ranks": 2, "seconds": 1e-5, "bytes_per_s": 1e6},
        {"ranks": 2, "seconds": 3e-5, "bytes_per_s": 4e6},
    ],
    "all_gather": {"seconds": 7e-5, "bandwidth_share": 0.25},
    "all_to_all": {"seconds": 5e-5, "bandwidth_share": 0.5},
}
SHARED = ALONE | {"all_reduce_share": 0.5}
QUANTISED = ALONE | {"quantised_exchange": 3.0}
DECODING = Load(1.0, 1.0, 1.0, 1.0)
PROMPT = Load(6.0, 0.0, 0.0, 0.0, 1.0, 6.0, 0.0)
# Seconds a byte among two ranks of one node at the full bandwidth, without the 1 / 2 of an exchange.
INSIDE = (2 - 1) / (2 * 1e6)


def over(ranks: int, *, pipeline: int = 1, sigma: int = 1, exchange: str = "all_to_all") -> Setup:
    """So many ranks of a stage, with an expert on each."""
    return Setup(ranks, "1d", pipeline, ranks, sigma, exchange=exchange)


def passed(
    profile: Mapping,
    setup: Setup,
    model: Model = DENSE,
    *,
    weights: str = "bf16",
    card: Accelerator = CHIP,
    batch: float = 6.0,
    load: Load = DECODING,
) -> Components:
    """Time one pass."""
    return calibrated.evaluate(model, card, setup, weights, np.array([batch]), load, profile)


# --- all-reduces ------------------------------------------------------------------------------------------------------


def test_bytes_of_a_measured_all_reduce_move_at_the_share_and_its_seconds_stay() -> None:
    assert calibrated.all_reduce_lines(CHIP, ALONE, 2, 1) == [(1e-5, 1e-6), (3e-5, 0.25e-6)]
    assert calibrated.all_reduce_lines(CHIP, SHARED, 2, 1) == [(1e-5, 2e-6), (3e-5, 0.5e-6)]
    one, two = (passed(each, over(2), batch=1.0) for each in (ALONE, SHARED))
    # A message of 16 bytes: the first kernel takes 26 us alone, the second 34; at half the bandwidth 42 and 38.
    assert one.attention_allreduce_s == pytest.approx(5 * 26e-6, rel=EXACT)
    assert one.feed_forward_allreduce_s == pytest.approx(5 * 26e-6, rel=EXACT)
    assert two.attention_allreduce_s == pytest.approx(5 * 38e-6, rel=EXACT)
    assert two.feed_forward_allreduce_s == pytest.approx(5 * 38e-6, rel=EXACT)


def test_no_all_reduce_among_one_rank_takes_any_time() -> None:
    assert passed(SHARED, over(1)).network_s == 0


@pytest.mark.parametrize(("ranks", "nodes"), [(2, 1), (2, 2), (4, 2), (32, 16)])
def test_bytes_of_the_published_protocols_move_at_the_share_too(ranks: int, nodes: int) -> None:
    published = protocol_lines(CHIP, ranks, nodes, all_reduce=True)
    without = SHARED | {"all_reduce": []}
    # Twice of a number, and one over a half of it, are the same to the last bit.
    expected = [(seconds, 2 * per_byte) for seconds, per_byte in published]
    assert calibrated.all_reduce_lines(CHIP, without, ranks, nodes) == expected
    del without["all_reduce"]
    assert calibrated.all_reduce_lines(CHIP, without, ranks, nodes) == expected


def test_beyond_the_kernels_the_slower_of_both_moves_at_the_share() -> None:
    slow = [
        {"ranks": 2, "seconds": 2e-5, "bytes_per_s": 4e5},
        {"ranks": 2, "seconds": 5e-5, "bytes_per_s": 1e5},
    ]
    # Four ranks on two nodes, over which bytes leave a node: 1 / (4 * 1e5) seconds for each, over the factors of the
    # protocols 0.5, 0.95 and 1, which start at 18, 33.5 and 112 us. Of two kernels the first stands for the missing
    # one, before itself: it is slower in the first's seconds, and the second kernel in the third's seconds a byte.
    between = 2.5e-6
    alone = [(20e-6, between / 0.5), (33.5e-6, between / 0.95), (112e-6, 1e-5)]
    expected = [(seconds, per_byte / 0.5) for seconds, per_byte in alone]
    lines = calibrated.all_reduce_lines(CHIP, SHARED | {"all_reduce": slow}, 4, 2)
    assert np.array(lines) == pytest.approx(np.array(expected), rel=EXACT)


def test_all_reduces_of_prompts_move_at_the_share_of_the_best_line() -> None:
    # Six tokens of 16 bytes, twice in each of five layers, at 4e6 bytes/s alone and at half of it in a server.
    alone, shared = (passed(each, over(2), batch=1.0, load=PROMPT).prompt_s for each in (ALONE, SHARED))
    moved = 5 * 2 * 6 * BYTES / 4e6
    assert shared - alone == pytest.approx(moved, rel=EXACT)
    still = replace(CHIP, flops_16bit=float("inf"))
    assert passed(SHARED, over(2), batch=1.0, load=PROMPT, card=still).prompt_s == pytest.approx(2 * moved, rel=EXACT)


@pytest.mark.parametrize("load", [DECODING, PROMPT])
def test_transfers_take_the_published_protocols_as_they_are(load: Load) -> None:
    both = SHARED | {"quantised_exchange": 3.0}
    setup = over(1, pipeline=5)
    plain, changed = (passed(each, setup, ROUTED, weights="fp8", load=load) for each in (ALONE, both))
    assert plain.pipeline_transfer_s == changed.pipeline_transfer_s
    assert plain.prompt_s == changed.prompt_s
    if load is DECODING:
        # One sequence, from node to node: 1 / (2 * 1e5) seconds a byte, halved, over the factor of the protocol.
        seconds = 5e-6 + 6.8e-6 + 6 / 5 * BYTES * 2.5e-6 / 0.5
        other = 8.5e-6 + 14e-6 + 6 / 5 * BYTES * 2.5e-6 / 0.95
        assert changed.pipeline_transfer_s == pytest.approx(4 * min(seconds, other), rel=EXACT)


# --- exchanges of experts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "card", "times"),
    [
        *[("fp8", CHIP, 3), ("int8", CHIP, 3), ("mxfp8", CHIP, 3), ("experts=fp8,rest=bf16", CHIP, 3)],
        *[("fp8", OLD, 1), ("int8", OLD, 1), ("experts=bf16,rest=fp8", CHIP, 1), ("bf16", CHIP, 1)],
        *[("nvfp4", CHIP, 1), ("mxfp4", CHIP, 1), ("int4", CHIP, 1), ("awq", CHIP, 1)],
    ],
)
def test_an_exchange_takes_longer_where_tokens_are_quantised(weights: str, card: Accelerator, times: int) -> None:
    # To the experts and back in five layers. Six tokens go to the two ranks of their experts, of two ranks.
    send = 5e-5 + 6 * BYTES * INSIDE / 2 / 0.5
    sent = passed(QUANTISED, over(2), ROUTED, weights=weights, card=card)
    assert sent.expert_all_to_all_s == pytest.approx(5 * 2 * times * send, rel=EXACT)
    # Or every rank of two groups gets the tokens of all six sequences.
    gather = 7e-5 + 6 * BYTES * INSIDE / 2 / 0.25
    gathered = passed(QUANTISED, over(2, sigma=2, exchange="all_gather"), ROUTED, weights=weights, card=card)
    assert gathered.expert_all_to_all_s == pytest.approx(5 * 2 * times * gather, rel=EXACT)


def test_a_factor_of_exchanges_may_be_below_one() -> None:
    for given, times in (({"quantised_exchange": 0.5}, 0.5), ({"quantised_exchange": 1.0}, 1.0), ({}, 1.0)):
        one = passed(ALONE | given, over(2), ROUTED, weights="fp8")
        assert one.expert_all_to_all_s == pytest.approx(10 * times * (5e-5 + 6 * BYTES * INSIDE), rel=EXACT)


@pytest.mark.parametrize(("exchange", "share"), [("all_to_all", 0.5), ("all_gather", 0.25)])
@pytest.mark.parametrize(("weights", "card", "times"), [("fp8", CHIP, 3), ("fp8", OLD, 1), ("bf16", CHIP, 1)])
def test_exchanges_of_prompts_take_longer_too(
    exchange: str, share: float, weights: str, card: Accelerator, times: int
) -> None:
    setup = over(2, sigma=2, exchange=exchange)
    alone, longer = (
        passed(each, setup, ROUTED, weights=weights, card=card, batch=1.0, load=PROMPT).prompt_s
        for each in (ALONE, QUANTISED)
    )
    # Six tokens, in bytes alone.
    once = 5 * 2 * 6 * BYTES * INSIDE / 2 / share
    assert longer - alone == pytest.approx((times - 1) * once, rel=1e-10, abs=1e-15)


def test_quantised_tokens_change_exchanges_alone_and_shared_bandwidth_all_reduces_alone() -> None:
    setup, at = over(4, sigma=2), {"weights": "fp8"}
    plain, longer, shared = (passed(each, setup, ROUTED, **at) for each in (ALONE, QUANTISED, SHARED))  # type: ignore[arg-type]
    reduced = {"attention_allreduce_s", "feed_forward_allreduce_s"}
    for name in Components.__dataclass_fields__:
        assert (getattr(longer, name) == getattr(plain, name)) == (name != "expert_all_to_all_s"), name
        assert (getattr(shared, name) == getattr(plain, name)) == (name not in reduced or getattr(plain, name) == 0), (
            name
        )
    assert plain.attention_allreduce_s > 0


def test_a_dense_model_exchanges_nothing() -> None:
    assert passed(QUANTISED, over(2), weights="fp8").network_s == passed(ALONE, over(2), weights="fp8").network_s


def test_a_draft_quantises_tokens_for_experts_of_its_own_class() -> None:
    """What counts is the class of the experts that the pass runs, not that of the model that is drafted for."""
    # The model's experts of NVFP4 are of 16 bits in its MTP layer; those of FP8 stay so.
    parted = replace(ROUTED, recipes={"fp8": {"experts": "nvfp4", "rest": "fp8"}})
    own = replace(ROUTED, recipes={"fp8": {"experts": "fp8", "rest": "bf16"}})
    other = replace(ROUTED, recipes={"fp8": {"experts": "bf16", "rest": "fp8"}})
    once = 2 * (5e-5 + 6 * BYTES * INSIDE)
    for model, layers, times in (
        *[(parted, 5, 1), (mtp(parted), 1, 1)],
        *[(ROUTED, 5, 3), (mtp(ROUTED), 1, 3)],
        *[(own, 5, 3), (other, 5, 1)],
    ):
        one = passed(QUANTISED, over(2), model, weights="fp8")
        assert one.expert_all_to_all_s == pytest.approx(layers * times * once, rel=EXACT)
        without = passed(QUANTISED, over(2), model, weights="fp8", card=OLD)
        assert without.expert_all_to_all_s == pytest.approx(layers * once, rel=EXACT)


@pytest.mark.parametrize(("experts", "of_draft"), [("fp8", "fp8"), ("fp8", "bf16"), ("bf16", "fp8"), ("bf16", "bf16")])
def test_a_round_quantises_tokens_in_the_passes_of_either_model(experts: str, of_draft: str) -> None:
    main, draft = (replace(ROUTED, recipes={"fp8": {"experts": each, "rest": "fp8"}}) for each in (experts, of_draft))
    speculation = Speculation(draft, 0.5, 2)
    given: Mapping = {"model": main, "accelerator": CHIP, "weights": ("fp8",), "request": Request(10, 20)}
    decoding = Decoding(over(2), 2, speculation.expected_tokens(2))
    alone, longer = (
        price(
            Service(**given, engine="none", speculation=speculation, profile=each),
            "decode",
            "fp8",
            over(2),
            4,
            decoding,
        )
        for each in (ALONE, QUANTISED)
    )
    # The model verifies two tokens of each of four sequences, the draft proposes one; 1.5 come of a round. As many of
    # the 20 tokens of an answer bring 0.75 of the 10 of a prompt, which the draft takes in on its own, in bytes alone.
    verifying = 10 * (5e-5 + 8 * BYTES * INSIDE) * 2 * (experts == "fp8")
    drafting = 10 * (5e-5 + 4 * (1 + 0.75) * BYTES * INSIDE) * 2 * (of_draft == "fp8")
    assert longer.latency_s - alone.latency_s == pytest.approx((verifying + drafting) / 1.5, rel=1e-9, abs=1e-15)


# --- random profiles --------------------------------------------------------------------------------------------------


def test_a_profile_without_the_fields_has_one_of_each() -> None:
    for seed in range(50):
        drawn = pass_profile(random.Random(seed))  # noqa: S311 - chance, not secrets
        without = {
            name: value for name, value in drawn.items() if name not in {"all_reduce_share", "quantised_exchange"}
        }
        ones = without | {"all_reduce_share": 1.0, "quantised_exchange": 1.0}
        setup = over(4, sigma=2)
        one, other = (passed(each, setup, ROUTED, weights="fp8") for each in (without, ones))
        assert one.latency_s == other.latency_s


def test_random_profiles_have_either_field_or_leave_it_out() -> None:
    found = [pass_profile(random.Random(seed)) for seed in range(200)]  # noqa: S311 - chance, not secrets
    for name, least, most in (("all_reduce_share", 1e-3, 1.0), ("quantised_exchange", 0.3, 3.0)):
        values = [each[name] for each in found if name in each]
        assert 100 < len(values) < 180
        assert all(least <= each <= most for each in values)
