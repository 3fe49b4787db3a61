"""A probe as text: what was measured, beside what the catalog says; and rows of decode steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ieco_opt.errors import printable
from ieco_opt.reports.text.table import Column, wrapped
from ieco_opt.reports.text.titled_table import TitledTable, fitted

if TYPE_CHECKING:
    import pandas as pd

    from ieco_opt.probing.probe import Probed


def render_probe(probed: Probed, width: int) -> str:
    """Render a probe for a terminal of so many columns."""
    timings = probed.timings
    known = "no card of the catalog" if probed.card is None else f"the catalog's {probed.card.name}"
    heading = f"{timings.device.words}: {known}; the prior starts from {probed.base.name}"
    parts = [wrapped([printable(heading)], width), fitted(_figures(probed), width), fitted(_matrices(probed), width)]
    if timings.all_reduces:
        parts.append(fitted(_kernels(probed), width))
    return "\n\n".join(parts)


def render_rows(rows: pd.DataFrame, width: int) -> str:
    """Render rows of decode steps."""
    first = rows.iloc[0]
    heading = f"{first['model']} in {first['weights']} on {first['accelerator']}"
    if first["note"]:
        heading += f": {first['note']}"
    return fitted(
        TitledTable(
            printable(heading),
            [
                Column("batch", "", tuple(f"{each:,}" for each in rows["batch"])),
                Column("context", "tokens", tuple(f"{each:,}" for each in rows["prompt_tokens"])),
                Column("step", "ms", tuple(f"{1e3 * each:.3f}" for each in rows["time_per_output_token_s"])),
            ],
        ),
        width,
    )


def _figures(probed: Probed) -> TitledTable:
    timings, card = probed.timings, probed.card
    launch = timings.launch
    listed = [
        ("memory", "GB", timings.device.memory_bytes / 1e9, None if card is None else card.hbm_bytes / 1e9),
        ("copy", "GB/s", timings.copy_bytes_per_s / 1e9, None if card is None else card.hbm_bytes_per_s / 1e9),
        ("launch", "us", 1e6 * launch.plain_s, None if card is None else 1e6 * card.kernel_launch_s),
    ]
    if launch.captured_s is not None:
        listed.append(("launch in a captured graph", "us", 1e6 * launch.captured_s, None))
    return TitledTable(
        "measured, and the peaks of the catalog",
        [
            Column("figure", "", tuple(each[0] for each in listed), words=True),
            Column("unit", "", tuple(each[1] for each in listed), words=True),
            Column("measured", "", tuple(f"{each[2]:,.4g}" for each in listed)),
            Column("catalog", "", tuple("" if each[3] is None else f"{each[3]:,.4g}" for each in listed)),
        ],
    )


def _matrices(probed: Probed) -> TitledTable:
    listed = probed.timings.matrices
    return TitledTable(
        "matrices of weights (width x width) and the rows that meet them",
        [
            Column("precision", "", tuple(each.precision for each in listed), words=True),
            Column("phase", "", tuple(each.phase for each in listed), words=True),
            Column("rows", "", tuple(f"{each.rows:,}" for each in listed)),
            Column("width", "", tuple(f"{each.width:,}" for each in listed)),
            Column("time", "us", tuple(f"{1e6 * each.seconds:,.1f}" for each in listed)),
            Column("arithmetic", "TFLOP/s", tuple(f"{each.flop_per_s / 1e12:,.3g}" for each in listed)),
            Column("weights", "GB/s", tuple(f"{each.weight_bytes / each.seconds / 1e9:,.4g}" for each in listed)),
        ],
    )


def _kernels(probed: Probed) -> TitledTable:
    most = max(each.ranks for each in probed.timings.all_reduces)
    listed = [each for each in probed.prior().all_reduce if each.ranks <= most]
    return TitledTable(
        "all-reduces: the quickest line of each number of ranks counts",
        [
            Column("ranks", "", tuple(str(each.ranks) for each in listed)),
            Column("start", "us", tuple(f"{1e6 * each.seconds:,.1f}" for each in listed)),
            Column("bandwidth", "GB/s", tuple(f"{each.bytes_per_s / 1e9:,.4g}" for each in listed)),
        ],
    )
