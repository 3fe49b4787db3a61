"""What stands beside the plan of one workload: the question with one thing changed, and other ways to answer it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

VariationKind = Literal["change", "layout", "accelerator"]
Serving = Literal["colocated", "disaggregated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """The best answer to a question that differs in one thing.

    Attributes
    ----------
    kind
        ``change``: another wish, rate, precision or number of GPUs; ``layout``: the same question with instances of
        one size and mode; ``accelerator``: as many GPUs of another kind.
    label
        What is different.
    requests_per_s, usd_per_hour, gpus
        What the best plan serves, costs and allocates; ``None``: no plan exists, or none was found in time.
    proven
        Whether that is proven.
    """

    kind: VariationKind
    label: str
    requests_per_s: float | None
    usd_per_hour: float | None
    gpus: int | None
    proven: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedPoint:
    """The best that instances of one mode can do at a least speed (tokens/s for each user).

    ``layout`` are its instances that generate tokens, such as ``4 x TP8``; nothing where that is not said.
    """

    serving: Serving
    min_speed: float
    requests_per_s: float
    usd_per_hour: float
    gpus: int
    layout: str = ""


@dataclass(frozen=True, slots=True)
class Variations:
    """All of them; ``stopped`` says why some are missing."""

    beside: tuple[Variation, ...]
    speeds: tuple[SpeedPoint, ...]
    stopped: str | None = None
