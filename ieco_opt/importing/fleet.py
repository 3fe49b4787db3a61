"""The fleet of one workload that plans over imported figures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ieco_opt.catalog import accelerator
from ieco_opt.documents.origin import found
from ieco_opt.errors import Fault, ScenarioError
from ieco_opt.scenario.fleet import OperatingPoint

_GPUS = re.compile(r"\s*(\d{1,9})\s*[xX*]\s*([^@]+?)\s*(?:@\s*(\d+(?:\.\d*)?|\.\d+)\s*)?")


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
        Demand.
    isl, osl
        Tokens of a prompt and of an answer.
    ttft_s, tpot_ms
        Limits, where there are any.
    """

    name: str
    pools: tuple[Mapping[str, object], ...]
    requests_per_s: float
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
    match = _GPUS.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise ScenarioError(
            [Fault(None, None, "--gpus", f"found {found(text)}, expected such as 32xH200 or 8xMI300X@1.4")]
        )
    try:
        card = accelerator(match[2]).name
    except ScenarioError as error:
        raise ScenarioError([Fault(None, None, "--gpus", error.faults[0].message)]) from None
    pool: dict[str, object] = {"name": match[2].strip().lower(), "accelerator": card, "gpus": int(match[1])}
    return pool if match[3] is None else pool | {"usd_per_gpu_hour": float(match[3])}


def fleet_mapping(asked: Asked) -> dict[str, object]:
    """A fleet of one workload, still without its operating points."""
    limits = {"ttft_s": asked.ttft_s, "tpot_ms": asked.tpot_ms}
    workload = {
        "name": asked.name,
        "requests_per_s": asked.requests_per_s,
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
    }


def with_points(mapping: Mapping[str, object], points: str | Sequence[OperatingPoint]) -> dict[str, object]:
    """The fleet with its operating points: a file beside it, or the points themselves."""
    listed_workloads = mapping["workloads"]
    assert isinstance(listed_workloads, list)
    (workload,) = listed_workloads
    listed = points if isinstance(points, str) else [point.model_dump(exclude_none=True) for point in points]
    return {**mapping, "workloads": [{**workload, "operating_points": listed}]}
