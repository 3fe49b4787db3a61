"""The fleet of one workload that plans over imported figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ieco_opt.catalog import accelerator
from ieco_opt.errors import Fault, ScenarioError
from ieco_opt.scenario.fleet import OperatingPoint
from ieco_opt.scenario.one_line import pools_of
from ieco_opt.scenario.quantities import cards


@dataclass(frozen=True, slots=True)
class Asked:
    """What figures of another tool do not say.

    Attributes
    ----------
    name
        Of scenario and workload.
    pools
        What instances may run on, as of :func:`pool_of`.
    requests_per_s
        Demand; ``None``: as many as possible are served.
    isl, osl
        Tokens of a prompt and of an answer.
    ttft_s, tpot_ms
        Limits, where there are any.
    """

    name: str
    pools: tuple[Mapping[str, object], ...]
    requests_per_s: float | None
    isl: int
    osl: int
    ttft_s: float | None = None
    tpot_ms: float | None = None


def pool_of(text: str) -> dict[str, object]:
    """A pool from its short form: ``32xH200``, or with a price of a GPU an hour ``64xMI300X@1.4``.

    Raises
    ------
    ScenarioError
        Where the text is none, or names an accelerator that the catalog does not know.
    """
    asked = cards(text, "--gpus")
    try:
        card = accelerator(asked.accelerator)
    except ScenarioError as error:
        raise ScenarioError([Fault(None, None, "--gpus", error.faults[0].message)]) from None
    return next(pools_of([(asked, card)]))


def fleet_mapping(asked: Asked) -> dict[str, object]:
    """A fleet of one workload, still without its operating points."""
    limits = {"ttft_s": asked.ttft_s, "tpot_ms": asked.tpot_ms}
    workload = {
        "name": asked.name,
        **({} if asked.requests_per_s is None else {"requests_per_s": asked.requests_per_s}),
        "isl": asked.isl,
        "osl": asked.osl,
        **{name: value for name, value in limits.items() if value is not None},
    }
    return {
        "version": 2,
        "kind": "fleet",
        "name": asked.name,
        "pools": [*map(dict, asked.pools)],
        "workloads": [workload],
        **({"objective": "throughput"} if asked.requests_per_s is None else {}),
    }


def with_points(mapping: Mapping[str, object], points: str | Sequence[OperatingPoint]) -> dict[str, object]:
    """The fleet with its operating points: a file beside it, or the points themselves."""
    listed_workloads = mapping["workloads"]
    assert isinstance(listed_workloads, list)
    (workload,) = listed_workloads
    listed = points if isinstance(points, str) else [point.model_dump(exclude_none=True) for point in points]
    return {**mapping, "workloads": [{**workload, "operating_points": listed}]}
