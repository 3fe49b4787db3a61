"""What is written of known timings: an accelerator entry and a profile's prior."""

from __future__ import annotations

from dataclasses import replace

import pytest
from probed_machines import ARITHMETIC, CAPTURED_S, CARD, COPIES, LINES, PLAIN_S, READS, all_reduces, timings

from ieco_opt import catalog
from ieco_opt.catalog.calibration import Calibration
from ieco_opt.catalog.profiles import calibration
from ieco_opt.catalog.types import Accelerator
from ieco_opt.probing.card import card_mapping, known_card, peaks
from ieco_opt.probing.prior import KERNELS_OF_A_LAYER, base_of, prior
from ieco_opt.probing.timings import CopyTime, Device, LaunchTime, Timings

H100 = catalog.accelerator("H100-SXM")


def read(measured: Timings, card: Accelerator | None) -> Accelerator:
    return catalog.accelerator_from_mapping(card_mapping(measured, card))


def made(measured: Timings, card: Accelerator | None = H100, base: Calibration | None = None) -> Calibration:
    return prior(measured, card, base or base_of(measured, card), "card", "mine")


@pytest.mark.parametrize(
    ("name", "memory", "expected"),
    [
        ("NVIDIA H100 80GB HBM3", 8.45e10, "H100-SXM"),
        ("AMD Instinct MI300X", 2.06e11, "MI300X"),
        # Cards of one name are told apart by their memory.
        ("NVIDIA H20", 1.5e11, "H20-141GB"),
        ("NVIDIA H20", 1.02e11, "H20-96GB"),
        ("NVIDIA Rubin X", 3e11, None),
    ],
)
def test_a_card_is_told_by_its_name_and_memory(name: str, memory: float, expected: str | None) -> None:
    found = known_card(replace(CARD, name=name, memory_bytes=memory))
    assert (found and found.name) == expected


def test_a_cpu_is_no_card_whatever_it_is_called() -> None:
    assert known_card(replace(CARD, kind="cpu")) is None


def test_rates_are_recovered_without_what_a_launch_takes() -> None:
    measured = timings()
    assert measured.copy_bytes_per_s == pytest.approx(COPIES)
    for precision in ("bf16", "fp8"):
        assert measured.read_bytes_per_s(precision) == pytest.approx(READS, rel=1e-6)
        assert measured.flop_per_s(precision, "prefill") == pytest.approx(ARITHMETIC[precision], rel=0.03)
    assert replace(measured, matrices=()).read_bytes_per_s("bf16") is None
    assert replace(measured, matrices=()).flop_per_s("bf16") is None


def test_decoding_counts_the_arithmetic_of_its_most_rows() -> None:
    measured = timings()
    most = max(each.rows for each in measured.matrices if each.phase == "decode")
    few = [each for each in measured.matrices if each.phase == "decode" and each.rows < most]
    best = measured.flop_per_s("bf16", "decode")
    assert best is not None
    assert best < measured.flop_per_s("bf16", "prefill")  # type: ignore[operator]
    hasty = tuple(replace(each, seconds=each.seconds / 1e4) if each in few else each for each in measured.matrices)
    assert replace(measured, matrices=hasty).flop_per_s("bf16", "decode") == best


def test_a_known_card_keeps_its_peaks_and_gets_what_was_measured() -> None:
    card = read(timings(all_reduces=all_reduces()), H100)
    assert card.name == "H100-SXM"
    assert card.hbm_bytes == CARD.memory_bytes
    assert (card.hbm_bytes_per_s, card.flops_16bit, card.flops_8bit) == (3.35e12, 9.89e14, 1.979e15)
    assert card.memory_cap == pytest.approx(COPIES / 3.35e12, rel=1e-3)
    assert card.arithmetic_cap == pytest.approx(6e14 / 9.89e14, rel=0.02)
    assert card.kernel_launch_s == pytest.approx(PLAIN_S)
    # Half of what a link carries one way: a ring of n carries 2 (n - 1) / n bytes for each byte of the message.
    assert card.intra_node_bytes_per_s == pytest.approx(LINES[8][1] * 7 / 8, rel=0.01)
    assert card.usd_per_gpu_hour == H100.usd_per_gpu_hour
    assert card.sources["hbm_bytes"] == "measured on NVIDIA H100 80GB HBM3: total_memory"
    assert card.sources["power_w"] == H100.sources["power_w"]


def test_a_peak_that_was_surpassed_is_raised() -> None:
    quick = timings(copies=(CopyTime(4e12, 1.0),))
    card = read(quick, H100)
    assert card.hbm_bytes_per_s == 4e12
    assert card.memory_cap == 1.0
    assert card.flops_16bit == H100.flops_16bit
    assert peaks(quick, H100).raised == {"hbm_bytes_per_s"}


def test_reads_count_few_rows_alone_and_raise_no_known_peak() -> None:
    measured = timings()
    many = tuple(replace(each, seconds=each.seconds / 1e3) if each.rows > 16 else each for each in measured.matrices)
    assert replace(measured, matrices=many).read_bytes_per_s("bf16") == pytest.approx(READS, rel=1e-6)
    few = tuple(replace(each, seconds=each.seconds / 2) if each.rows <= 16 else each for each in measured.matrices)
    quick = replace(measured, matrices=few)
    assert quick.read_bytes_per_s("bf16") == pytest.approx(2 * READS, rel=1e-6)
    # The slope of a few times scatters: a known peak stays, and the share is at most one.
    assert peaks(quick, H100).hbm_bytes_per_s == 3.35e12
    assert made(quick, H100, calibration("blackwell-2026-07")).linear_share.bf16 == 1.0
    assert peaks(quick, None).hbm_bytes_per_s == pytest.approx(2 * READS, rel=1e-6)


def test_an_unknown_card_is_described_completely() -> None:
    device = replace(CARD, name="NVIDIA Rubin X", count=4)
    card = read(timings(device), None)
    assert card.name == "NVIDIA-Rubin-X"
    assert card.vendor == "nvidia"
    assert card.node_size == 4
    assert card.hbm_bytes_per_s == COPIES
    assert card.flops_16bit == pytest.approx(6e14, rel=0.03)
    assert card.flops_8bit == pytest.approx(1.1e15, rel=0.03)
    assert (card.memory_cap, card.arithmetic_cap) == (1.0, 1.0)
    assert card.usd_per_gpu_hour is None
    assert card.sources["inter_node_bytes_per_s"].startswith("assumed")


def test_a_device_without_8_bits_has_none() -> None:
    measured = timings(replace(CARD, name="CPU-x", kind="cpu", vendor=None, memory_bytes=2e10))
    only = tuple(each for each in measured.matrices if each.precision == "bf16")
    card = read(replace(measured, matrices=only), None)
    assert card.flops_8bit is None
    assert (
        made(replace(measured, matrices=only), None).linear_share.fp8 == calibration("hopper-2026-07").linear_share.fp8
    )


def test_shares_are_measured_over_peak() -> None:
    # A base that was fitted on other cards gives way.
    found = made(timings(), H100, calibration("blackwell-2026-07"))
    assert found.linear_share.bf16 == pytest.approx(READS / 3.35e12, rel=1e-3)
    assert found.linear_share.fp8 == pytest.approx(READS / 3.35e12, rel=1e-3)
    assert found.prefill_share.bf16 == pytest.approx(6e14 / 9.89e14, rel=0.03)
    assert found.prefill_share.fp8 == pytest.approx(1.1e15 / 1.979e15, rel=0.03)
    base = calibration("blackwell-2026-07")
    assert found.linear_share.fp4 == base.linear_share.fp4
    assert found.cache_share == base.cache_share
    assert "bf16, fp8 measured on" in found.sources["linear_share"]
    assert found.sources["cache_share"] == "assumed: as in blackwell-2026-07"


def test_shares_that_were_fitted_on_this_card_stay_where_they_are_less() -> None:
    base = calibration("hopper-2026-07")
    found = made(timings())
    assert base.linear_share.bf16 > READS / 3.35e12 > 0.7
    assert found.linear_share.bf16 == pytest.approx(READS / 3.35e12, rel=1e-3)
    assert base.prefill_share.bf16 < 0.6 < 6e14 / 9.89e14
    assert found.prefill_share.bf16 == base.prefill_share.bf16


def test_launches_of_a_layer_are_the_bases_or_ten_captured_ones() -> None:
    base = calibration("hopper-2026-07")
    assert made(timings()).layer_s == base.layer_s > KERNELS_OF_A_LAYER * CAPTURED_S
    slow = timings(launch=LaunchTime(2e-5, 9e-6))
    assert made(slow).layer_s == pytest.approx(KERNELS_OF_A_LAYER * 9e-6)
    assert made(timings(launch=LaunchTime(2e-5, None))).layer_s == pytest.approx(KERNELS_OF_A_LAYER * 2e-5)


def test_measured_all_reduces_replace_the_bases() -> None:
    found = made(timings(all_reduces=all_reduces()))
    assert {each.ranks: (each.seconds, each.bytes_per_s) for each in found.all_reduce} == {
        ranks: pytest.approx(line, rel=1e-3) for ranks, line in LINES.items()
    }
    assert made(timings()).all_reduce == calibration("hopper-2026-07").all_reduce


def test_all_reduces_of_more_ranks_than_cards_stay_the_bases_but_no_quicker() -> None:
    slow = {2: (5e-6, 2.0e11), 4: (7e-6, 1.0e11)}
    found = made(timings(all_reduces=all_reduces(slow)))
    eight = [each for each in found.all_reduce if each.ranks == 8]
    assert [(each.seconds, each.bytes_per_s) for each in eight] == [
        (pytest.approx(7e-6, rel=1e-3), 4.3e10),
        (9e-6, pytest.approx(1e11, rel=1e-3)),
    ]


def test_a_prior_has_no_measured_servers_behind_it() -> None:
    found = made(timings())
    assert found.fitted_on is None
    assert (found.name, found.accelerators, found.like) == ("mine", ("card",), ())


@pytest.mark.parametrize(
    ("device", "copies", "expected"),
    [
        (CARD, COPIES, "hopper-2026-07"),
        (replace(CARD, name="AMD Instinct MI355X", memory_bytes=3.09e11, vendor="amd"), 6e12, "cdna4-2026-07"),
        # Cards that no profile names take that of their maker whose memory is nearest in bandwidth.
        (replace(CARD, name="new", vendor="nvidia"), 7.5e12, "blackwell-2026-07"),
        (replace(CARD, name="new", vendor="amd"), 4e12, "cdna3-2026-07"),
        (replace(CARD, name="new", vendor="amd"), 7.9e12, "cdna4-2026-07"),
    ],
)
def test_the_prior_starts_from_the_profile_of_the_card_or_the_nearest(
    device: Device, copies: float, expected: str
) -> None:
    measured = timings(device, copies=(CopyTime(copies, 1.0),))
    assert base_of(measured, known_card(device)).name == expected
