"""The calibration profile that a probe starts a card with, before any server was measured on it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ieco_opt import catalog
from ieco_opt.catalog.calibration import Calibration, calibration_from_mapping
from ieco_opt.catalog.profiles import calibrations, fitting
from ieco_opt.catalog.types import Accelerator
from ieco_opt.probing.card import Peaks, peaks
from ieco_opt.probing.lines import all_reduce_kernels, never_quicker_with_more_ranks
from ieco_opt.probing.rounding import share_of, short
from ieco_opt.probing.timings import Phase, Timings

KERNELS_OF_A_LAYER = 10
"""Kernels that a plain layer launches at least: norms, projections in and out, cache, attention, and feed-forward."""

_CLASS_OF = {"bf16": "bf16", "fp8": "fp8"}
"""Kinds of kernels of a profile by the precision that is measured. 8-bit integers have no peak in the catalog."""


def base_of(timings: Timings, card: Accelerator | None) -> Calibration:
    """The profile to start from: the card's, else that of the cards whose memory is nearest in bandwidth.

    Cards of the same maker come first, where it is known.
    """
    shipped = calibrations()
    own = None if card is None else fitting(card, shipped)
    if own is not None:
        return own
    bandwidth = timings.copy_bytes_per_s if card is None else card.hbm_bytes_per_s
    vendor = timings.device.vendor if card is None else card.vendor
    listed = [each for each in shipped if each.accelerators]
    makers = [each for each in listed if vendor in {catalog.accelerator(name).vendor for name in each.accelerators}]
    return min(makers or listed, key=lambda each: _distance(each, bandwidth))


def prior(timings: Timings, card: Accelerator | None, base: Calibration, accelerator: str, name: str) -> Calibration:
    """A profile of what was measured, and of the base where nothing was.

    Shares are measured / peak. Where the base was fitted on this very card, its shares stay where they are less:
    servers reach no more than kernels alone, and the base knows servers.

    Parameters
    ----------
    accelerator, name
        Names of the accelerator entry and of the new profile.
    """
    reached = peaks(timings, card)
    fitted_here = card is not None and card.name in base.accelerators
    moved = base.model_dump(exclude={"fitted_on", "sources"})
    sources = dict.fromkeys(sorted(set(Calibration.model_fields) - _UNSOURCED), f"assumed: as in {base.name}")
    measured = {
        "linear_share": _linear_shares(timings, reached),
        "decode_share": _arithmetic_shares(timings, reached, "decode"),
        "prefill_share": _arithmetic_shares(timings, reached, "prefill"),
    }
    where = f"measured on {timings.device.name}"
    for field, shares in measured.items():
        for kind, share in shares.items():
            moved[field][kind] = min(share, moved[field][kind]) if fitted_here else share
        if shares:
            less = f", or {base.name} where that is less" if fitted_here else ""
            sources[field] = f"{', '.join(shares)} {where}{less}; the others as in {base.name}"
    launches = KERNELS_OF_A_LAYER * (timings.launch.captured_s or timings.launch.plain_s)
    if launches > base.layer_s:
        moved["layer_s"] = short(launches)
        sources["layer_s"] = f"{KERNELS_OF_A_LAYER} launches {where}, which are more than in {base.name}"
    if timings.all_reduces:
        moved["all_reduce"] = _kernels(timings, base)
        sources["all_reduce"] = f"{where} on up to {max(each.ranks for each in timings.all_reduces)} ranks"
    return calibration_from_mapping(
        {**moved, "name": name, "accelerators": (accelerator,), "like": (), "fitted_on": None, "sources": sources}
    )


_UNSOURCED = {"name", "accelerators", "like", "sources", "fitted_on"}


def _kernels(timings: Timings, base: Calibration) -> Sequence[dict[str, object]]:
    """Measured kernels, and those of the base for more ranks than there are cards."""
    measured = all_reduce_kernels((each.ranks, each.message_bytes, each.seconds) for each in timings.all_reduces)
    most = max(each.ranks for each in measured)
    more = [each for each in base.all_reduce if each.ranks > most]
    return [each.model_dump() for each in never_quicker_with_more_ranks([*measured, *more])]


def _linear_shares(timings: Timings, reached: Peaks) -> dict[str, float]:
    reads = {kind: timings.read_bytes_per_s(precision) for precision, kind in _CLASS_OF.items()}
    return {kind: share_of(read, reached.hbm_bytes_per_s) for kind, read in reads.items() if read is not None}


def _arithmetic_shares(timings: Timings, reached: Peaks, phase: Phase) -> dict[str, float]:
    shares = {}
    for precision, kind in _CLASS_OF.items():
        rate, peak = timings.flop_per_s(precision, phase), reached.flops(precision)
        if rate is not None and peak is not None:
            shares[kind] = share_of(rate, peak)
    return shares


def _distance(profile: Calibration, bandwidth: float) -> float:
    return min(abs(math.log(catalog.accelerator(name).hbm_bytes_per_s / bandwidth)) for name in profile.accelerators)
