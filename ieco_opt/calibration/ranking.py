"""Whether predicted times order configurations as measured ones do, and what a choice by them costs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from ieco_opt.performance.collectives import Array

if TYPE_CHECKING:
    import pandas as pd

APART = 0.2
"""Rows whose measured times differ by less are not ranked: which is the faster one then says little."""

LEAST_ROWS = 3
"""Rows that a group has at least in which a choice is made."""

GROUPED_BY = ("model", "accelerator", "prompt_tokens", "output_tokens", "disaggregated")
"""Rows that are alike in these are configurations that one could choose among.

Where prompts run on other GPUs, measurements count those that decode alone: their cost is no alternative to that of
GPUs that do both.
"""


@dataclass(frozen=True, slots=True)
class Ranking:
    """Pairs of rows of one model whose measured times differ by more than 20 %.

    ``rightly`` is the share of them whose predicted times are in the same order; none where there is no pair.
    """

    pairs: int
    rightly: float | None

    def to_mapping(self) -> dict[str, object]:
        """What a JSON file has of it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Regret:
    """What it costs to choose by predictions.

    Rows that are alike in model, accelerator, lengths and in where prompts run are a group, if it has at least three;
    cost is GPUs x time / batch. In each group, each measured time t is asked for once: the model picks the row that is
    cheapest by prediction among those predicted to take at most t. The pick really runs at its measured time; its
    regret is its measured cost over the least measured cost of all rows at least as fast as it really is, less 1. It is
    never below 0, and a pick is blamed for its cost alone: that it is slower than asked is counted in ``slower``.

    Attributes
    ----------
    groups, asked
        Groups, and speeds asked for in them.
    unanswered
        Share of these for which no row is predicted to be fast enough.
    slower
        Share of picks whose measured time exceeds t by more than their expected error.
    median, p90
        Of the regret over all picks; none without picks.
    """

    groups: int
    asked: int
    unanswered: float | None
    slower: float | None
    median: float | None
    p90: float | None

    def to_mapping(self) -> dict[str, object]:
        """What a JSON file has of it."""
        return asdict(self)


def ranking_of(rows: pd.DataFrame) -> Ranking:
    """Rank all pairs of rows of each model."""
    pairs = rightly = 0
    for _, part in rows.groupby("model"):
        ordered = part.sort_values("time_per_output_token_s")
        measured = ordered["time_per_output_token_s"].to_numpy(dtype=float)
        predicted = ordered["predicted_time_per_output_token_s"].to_numpy(dtype=float)
        first = np.searchsorted(measured, measured * (1.0 + APART), side="right")
        for row, slower in enumerate(first):
            pairs += len(measured) - int(slower)
            rightly += int((predicted[slower:] > predicted[row]).sum())
    return Ranking(pairs, rightly / pairs if pairs else None)


def regret_of(rows: pd.DataFrame) -> Regret:
    """Choose in each group at each measured speed."""
    regrets: list[Array] = []
    slower: list[Array] = []
    groups = asked = 0
    for _, part in rows.groupby([*GROUPED_BY]):
        if len(part) >= LEAST_ROWS:
            groups, asked = groups + 1, asked + len(part)
            regret, late = _choices(part)
            regrets.append(regret)
            slower.append(late)
    if not asked:
        return Regret(0, 0, None, None, None, None)
    every, late = np.concatenate(regrets), np.concatenate(slower)
    unanswered = 1.0 - len(every) / asked
    if not len(every):
        return Regret(groups, asked, unanswered, None, None, None)
    return Regret(
        groups, asked, unanswered, float(late.mean()), float(np.median(every)), float(np.quantile(every, 0.9))
    )


def _choices(part: pd.DataFrame) -> tuple[Array, Array]:
    """Regret of each pick in a group, and whether it is slower than asked (0 or 1)."""
    measured = part["time_per_output_token_s"].to_numpy(dtype=float)
    predicted = part["predicted_time_per_output_token_s"].to_numpy(dtype=float)
    gpus_per_sequence = (part["gpus_per_instance"] / part["mean_batch"]).to_numpy(dtype=float)
    tolerance = part["expected_error"].to_numpy(dtype=float)
    by_prediction = np.argsort(predicted, kind="stable")
    cheapest = _first_least((gpus_per_sequence * predicted)[by_prediction])
    fast_enough = np.searchsorted(predicted[by_prediction], measured, side="right")
    answered = fast_enough > 0
    picks = by_prediction[cheapest[fast_enough[answered] - 1]]
    by_time = np.argsort(measured, kind="stable")
    least = np.minimum.accumulate((gpus_per_sequence * measured)[by_time])
    as_fast = np.searchsorted(measured[by_time], measured[picks], side="right")
    regret = (gpus_per_sequence * measured)[picks] / least[as_fast - 1] - 1.0
    late = measured[picks] > measured[answered] * (1.0 + tolerance[picks])
    return regret, late.astype(float)


def _first_least(values: Array) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Position of the least of the values up to each position."""
    least = np.minimum.accumulate(values)
    is_new = np.concatenate([[True], values[1:] < least[:-1]])
    return np.maximum.accumulate(np.where(is_new, np.arange(len(values)), 0))
