"""From a decision to a deployment: every column, recomputed by the performance model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ieco_opt.catalog.precision import KvCache, Precision
from ieco_opt.design_space.alternatives import Alternatives
from ieco_opt.design_space.families import Family
from ieco_opt.design_space.starting import Setup, engines_at
from ieco_opt.engines.spread import ALL_TO_ALL, EXCHANGES, NONE, ExchangeKind
from ieco_opt.pareto.points import Point
from ieco_opt.pareto.resident import Holding, holding_of
from ieco_opt.pareto.trusted import trusted
from ieco_opt.performance.arithmetic import useful_s
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.degrees import Degrees
from ieco_opt.performance.economics import SECONDS_PER_HOUR, TOKENS_PER_MTOK, model_flops_utilization
from ieco_opt.performance.energy import Measure, kg_per_joule, per_mtok, usd_per_joule
from ieco_opt.performance.rules import is_deployable
from ieco_opt.results.deployment import RESOURCES, Deployment, bottleneck_of
from ieco_opt.results.parallelism import Parallelism

if TYPE_CHECKING:
    from ieco_opt.design_space.space import DesignSpace


@dataclass(frozen=True, slots=True)
class Configuration:
    """What of an alternative is the same at every batch: its one row, what it holds and takes, and columns.

    ``useful_s`` are seconds of useful arithmetic for a token, and ``setups`` those of servers that are the same.
    """

    family: Family
    row: Alternatives
    setups: Sequence[Setup]
    useful_s: Array
    holding: Holding
    columns: dict[str, Any]

    @classmethod
    def of(cls, family: Family, row: Alternatives, setups: Sequence[Setup]) -> Configuration:
        """The configuration of one row."""
        power, (weights, kv_cache) = float(row.power_kw[0]), names_of(family.precision)
        columns = {
            "gpus": int(row.gpus[0]),
            "accelerator": family.accelerator.name,
            "weights": weights,
            "kv_cache": kv_cache,
            "engine": family.engine,
            "parallelism": parallelism_of(row.degrees),
            "exchange": exchange_of(family, row.degrees),
            "draft_tokens": int(row.draft_tokens[0]),
            **draft_of(family, row),
            "power_kw": None if np.isnan(power) else power,
            "draft": parallelism_of(row.draft_degrees) if int(row.draft_tokens[0]) > 0 else None,
        }
        useful = useful_s(family.shape, family.accelerator, family.context.useful)
        return cls(family, row, setups, useful, holding_of(family, row), columns)


class Configurations:
    """Configurations of a design space that points were described of, which other points are of too."""

    def __init__(self) -> None:
        self._of: Alternatives | None = None
        self._known: dict[int, Configuration] = {}

    def all_of(self, space: DesignSpace, rows: Sequence[int]) -> list[Configuration]:
        """Those of some alternatives."""
        if self._of is not space.alternatives:
            self._of, self._known = space.alternatives, {}
        if new := sorted({*rows} - self._known.keys()):
            self._describe(space, new)
        return [self._known[at] for at in rows]

    def _describe(self, space: DesignSpace, rows: Sequence[int]) -> None:
        for at, setups in zip(rows, space.setups_like(space.alternatives.take(np.array(rows))), strict=True):
            row = space.alternatives.take(np.array([at]))
            self._known[at] = Configuration.of(space.family_of(row), row, setups)


def describe(
    space: DesignSpace, points: Sequence[Point], known: Configurations | None = None
) -> tuple[Deployment, ...]:
    """Deployments of some points of a design space, fastest first."""
    ordered = sorted(points, key=lambda point: (point.latency_s, point.cost))
    configurations = (known or Configurations()).all_of(space, [point.alternative for point in ordered])
    return tuple(_deployment(*each) for each in zip(configurations, ordered, strict=True))


def _deployment(configuration: Configuration, point: Point) -> Deployment:
    family, row, useful = configuration.family, configuration.row, configuration.useful_s
    engines = engines_at(configuration.setups, point.batch, speculates=int(row.draft_tokens[0]) > 0)
    batch = np.array([float(point.batch)])
    latency_s = row.latency_s(batch)
    latency = float(latency_s[0])
    times = component_seconds(row, batch)
    throughput = point.batch / latency
    certificate = point.certificate
    bound = 1.0 / certificate.latency_bound_s if certificate.latency_bound_s > 0 else np.inf
    return Deployment(
        **configuration.columns,
        speed_tokens_per_s=1.0 / latency,
        cost_usd_per_mtok=float(row.cost_usd_per_mtok(latency_s, batch)[0]),
        latency_s=latency,
        throughput_tokens_per_s=throughput,
        engines=joined_engines(engines),
        batch=point.batch,
        **energy_of(family, row, latency_s, batch),
        **requests_of(family, row, latency_s, batch),
        mfu=float(model_flops_utilization(np.array(throughput), useful, row.gpus)[0]),
        bottleneck=bottleneck_of(times),
        **times,
        bound=float(bound),
        gap=float(bound / (1.0 / latency) - 1.0),
        status=certificate.status,
        **configuration.holding(point.batch).columns(),
        **trusted(family, row, point.batch),
        cost_cap=certificate.cost_cap if np.isfinite(certificate.cost_cap) else None,
    )


def energy_of(family: Family, row: Alternatives, latency_s: Array, batch: Array) -> dict[str, Any]:
    """The columns of the energy of one alternative at one batch, whose latency is known."""
    joules = float(row.energy_j_per_token(latency_s, batch)[0])
    return {
        "energy_j_per_token": None if np.isnan(joules) else joules,
        "energy_usd_per_mtok": per_mtok(joules, usd_per_joule(family.accelerator)),
        "carbon_kg_per_mtok": per_mtok(joules, kg_per_joule(family.accelerator)),
    }


def requests_of(family: Family, row: Alternatives, latency_s: Array, batch: Array) -> dict[str, Any]:
    """The columns of whole requests of one alternative at one batch; ``None`` where decoding alone is priced."""
    if not family.context.reads_prompts:
        return dict.fromkeys(Deployment.optional())
    written, tokens = family.context.output_tokens, family.context.cached_to
    cost, throughput = float(row.cost_usd_per_mtok(latency_s, batch)[0]), float(batch[0] / latency_s[0])
    return {
        "time_to_first_token_s": float(row.time_to_first_token_s(latency_s, batch)[0]),
        "end_to_end_s": float(row.end_to_end_s(latency_s, batch)[0]),
        "requests_per_s": throughput / written,
        "cost_usd_per_mtok_total": cost * written / tokens,
        "usd_per_request": cost * written / TOKENS_PER_MTOK,
        "usd_per_hour": cost * throughput * SECONDS_PER_HOUR / TOKENS_PER_MTOK,
    }


def taken_by(deployment: Deployment, measure: Measure) -> float:
    """What a token of a deployment takes of a measure; NaN where its row does not say."""
    taken = {
        Measure.COST: deployment.cost_usd_per_mtok,
        Measure.ENERGY: deployment.energy_j_per_token,
        Measure.CARBON: deployment.carbon_kg_per_mtok,
    }[measure]
    return np.nan if taken is None else taken


def names_of(precision: Precision | None) -> tuple[str | None, KvCache | None]:
    """The columns ``weights`` and ``kv_cache`` of a precision; none in fidelity ``paper``."""
    return (None, None) if precision is None else (precision.label, precision.kv_cache)


def joined_engines(engines: Sequence[str]) -> str | None:
    """The column ``engines``: names separated by commas; ``None`` where no server was asked for."""
    return ",".join(engines) or None


def exchange_of(family: Family, degrees: Degrees, row: int = 0) -> ExchangeKind | None:
    """The column ``exchange`` of a setup; ``None`` where there are no routed experts, and in fidelity ``paper``."""
    if exchange_is_unsaid(family):
        return None
    return EXCHANGES[int(degrees.spread.exchange[row])]


def exchange_number(family: Family, exchange: ExchangeKind | None) -> int:
    """Number of an exchange in the setups of a family: the inverse of :func:`exchange_of`; -1 where it has none such.

    Without experts servers have none, and the equations alone are written as the paper's.
    """
    if exchange is not None:
        return -1 if exchange_is_unsaid(family) else EXCHANGES.index(exchange)
    if not exchange_is_unsaid(family):
        return -1
    return ALL_TO_ALL if family.engine is None else NONE


def exchange_is_unsaid(family: Family) -> bool:
    """Whether the column ``exchange`` is empty: without routed experts, and in fidelity ``paper``."""
    return family.shape.experts == 1 or not is_deployable(family.shape)


def draft_of(family: Family, row: Alternatives) -> dict[str, Any]:
    """The columns ``draft_mode`` and ``draft_model``; nothing without speculation."""
    if int(row.draft_tokens[0]) == 0 or family.speculation is None:
        return {"draft_mode": None, "draft_model": None}
    mode = family.speculation.mode
    # An MTP layer has no name but its model's.
    return {"draft_mode": mode, "draft_model": None if mode == "mtp" else family.speculation.draft.name or None}


def component_seconds(alternative: Alternatives, batch: np.ndarray[tuple[int], np.dtype[np.float64]]) -> dict[str, Any]:
    """The four times of one alternative at one batch, model and draft together, per generated token."""
    times = dict.fromkeys(RESOURCES, 0.0)
    for time, share in (
        (alternative.model, alternative.model_share),
        (alternative.draft, alternative.draft_share),
    ):
        if not share[0]:
            # Without speculation the draft takes no time.
            continue
        parts = time.components(batch)
        for name in times:
            times[name] += float(share[0] * getattr(parts, name)[0])
    return times


def parallelism_of(degrees: Degrees, row: int = 0) -> Parallelism:
    """One of some setups as a record."""
    groups = int(degrees.attention_data_parallel[row])
    return Parallelism(
        tensor=int(degrees.stage_ranks[row]) // groups,
        attention_data=groups,
        pipeline=int(degrees.pipeline_parallel[row]),
        expert=int(degrees.expert_parallel[row]),
        layout="2d" if bool(degrees.two_dimensional[row]) else "1d",
        redundant_experts=int(degrees.redundant_experts[row]),
    )


def rows_of(degrees: Degrees, held: Parallelism) -> NDArray[np.bool_]:
    """Which of some setups, shape (setups,), is the one that a record says."""
    same: NDArray[np.bool_] = rows_of_layout(degrees, held) & (degrees.redundant_experts == held.redundant_experts)
    return same


def rows_of_layout(degrees: Degrees, held: Parallelism) -> NDArray[np.bool_]:
    """Which of some setups, shape (setups,), have the layout of a record, with however many redundant experts."""
    same: NDArray[np.bool_] = (
        (degrees.stage_ranks == held.stage_ranks)
        & (degrees.attention_data_parallel == held.attention_data)
        & (degrees.pipeline_parallel == held.pipeline)
        & (degrees.expert_parallel == held.expert)
        & (degrees.two_dimensional == (held.layout == "2d"))
    )
    return same
