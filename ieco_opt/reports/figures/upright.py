"""What the upright axis of a picture shows: cost, or the tokens of each GPU."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import get_args

from ieco_opt.defaults import UprightAxis
from ieco_opt.errors import ScenarioError
from ieco_opt.reports.figures import style
from ieco_opt.results.deployment import Deployment

_SAME = 1e-6

TOKENS_PER_GPU = "output tokens/s/GPU"


@dataclass(frozen=True, slots=True)
class Upright:
    """One quantity of deployments.

    Attributes
    ----------
    title
        Name of the axis, with its unit.
    of
        The quantity.
    more_is_better
        Whether the frontier falls with speed.
    from_cost
        The quantity of a cost ($ per million output tokens), where each of what is drawn has the same; else ``None``.
    """

    title: str
    of: Callable[[Deployment], float]
    more_is_better: bool
    from_cost: Callable[[float], float] | None


def check(y: str) -> None:
    """Refuse what no upright axis shows.

    Raises
    ------
    ScenarioError
        It is none of ``UprightAxis``.
    """
    if y not in (known := get_args(UprightAxis)):
        raise ScenarioError.single(f"found {y!r}, expected one of {', '.join(known)}", field="y")


def refuse(y: str, of: str) -> None:
    """Refuse any other axis than the usual one for what has no such axis.

    Raises
    ------
    ScenarioError
        It is another one.
    """
    if y != "cost":
        raise ScenarioError.single(f"found {y!r} with {of}", field="y")


def upright(y: str, deployments: Iterable[Deployment]) -> Upright:
    """The axis of a picture that shows some deployments; errors as of :func:`check`."""
    check(y)
    if y == "cost":
        return Upright(style.COST, lambda item: item.cost_usd_per_mtok, False, lambda cost: cost)
    # Where GPUs have one price, tokens of a GPU are that price over the cost of a token.
    products = [tokens_per_gpu(item) * item.cost_usd_per_mtok for item in deployments]
    least, most = min(products, default=math.nan), max(products, default=math.nan)
    from_cost = (lambda cost: math.inf if cost == 0.0 else least / cost) if most <= least * (1.0 + _SAME) else None
    return Upright(TOKENS_PER_GPU, tokens_per_gpu, True, from_cost)


def tokens_per_gpu(item: Deployment) -> float:
    """Output tokens in a second over all requests, for each GPU."""
    return item.throughput_tokens_per_s / item.gpus
