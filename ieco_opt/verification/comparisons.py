"""What a comparison says of heuristics, computed again from their proposals and the exact frontier."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ieco_opt.comparison.compare import measures, points_of
from ieco_opt.comparison.deployability import judge
from ieco_opt.comparison.proposals import proposals_of
from ieco_opt.engines.spread import EXCHANGES
from ieco_opt.heuristics import Proposals
from ieco_opt.heuristics.interface import NO_SERVER
from ieco_opt.pareto.describe import names_of
from ieco_opt.performance.degrees import Degrees
from ieco_opt.results.agreement import differences
from ieco_opt.results.comparison import Comparison, HeuristicResult, Proposal
from ieco_opt.results.encoding import plain
from ieco_opt.scenario import ResolvedScenario

UNCHECKED = "that heuristics propose just these deployments, what they claim of them, and how many they priced"

_DEGREES = ("stage_ranks", "pipeline_parallel", "expert_parallel", "attention_data_parallel", "redundant_experts")


def of_the_heuristics(result: Comparison, resolved: ResolvedScenario) -> Iterator[str]:
    """Verdicts on proposals and measures that come out otherwise."""
    for at, heuristic in enumerate(result.heuristics):
        proposals = _proposed(heuristic, resolved)
        verdicts = judge(resolved, proposals)
        points = verdicts.points()
        kept = points.nondominated()
        records = proposals_of(resolved, proposals, verdicts, verdicts.deployable[kept])
        expected = measures(points.take(kept), points_of(result.deployments), result.coverage)
        expected["proposals"] = records
        found = {name: getattr(heuristic, name) for name in expected}
        where = f"heuristics[{at}]"
        yield from map(str, differences(plain(found), plain(expected), where))


def _proposed(heuristic: HeuristicResult, resolved: ResolvedScenario) -> Proposals:
    """The proposals of a heuristic in numbers, as its records say them."""
    listed = heuristic.proposals
    accelerators = [each.name for each in resolved.accelerators]
    servers = [each.name for each in resolved.engines]
    with np.errstate(divide="ignore"):
        latency = 1.0 / np.array([each.claimed_speed_tokens_per_s for each in listed], dtype=float)
    return Proposals(
        accelerator=_positions(accelerators, [each.accelerator for each in listed]),
        precision=_positions(
            [names_of(each) for each in resolved.precisions or (None,)],
            [(each.weights, each.kv_cache) for each in listed],
        ),
        engine=np.array([_server(servers, each.engine) for each in listed], dtype=np.intp),
        degrees=_exchanging(_degrees(listed, ""), listed),
        batch=np.array([each.batch for each in listed], dtype=float),
        draft_tokens=np.array([each.draft_tokens for each in listed], dtype=np.int64),
        draft_degrees=_degrees(listed, "draft_"),
        latency_s=latency,
        cost_usd_per_mtok=np.array([each.claimed_cost_usd_per_mtok for each in listed], dtype=float),
        evaluations=heuristic.evaluations,
    )


def _positions(names: Sequence[Hashable], found: Sequence[Hashable]) -> NDArray[np.intp]:
    """Positions of names in a list; those it does not have lie beyond its end."""
    known = {name: at for at, name in enumerate(names)}
    return np.array([known.get(name, len(names)) for name in found], dtype=np.intp)


def _server(servers: Sequence[str], name: str | None) -> int:
    """Position of a server; beyond the end of the list for one that it does not have."""
    if name is None:
        return NO_SERVER
    return servers.index(name) if name in servers else len(servers)


def _exchanging(degrees: Degrees, listed: Sequence[Proposal]) -> Degrees:
    """The same degrees with the exchanges of experts of the records, as far as they say one."""
    named = [each.exchange for each in listed]
    plain = degrees.spread.exchange
    found = [at if name is None else EXCHANGES.index(name) for name, at in zip(named, plain, strict=True)]
    return replace(degrees, spread=replace(degrees.spread, exchange=np.array(found, dtype=np.int64)))


def _degrees(listed: Sequence[Proposal], prefix: str) -> Degrees:
    values: dict[str, Any] = {
        name: np.array([getattr(each, prefix + name) for each in listed], dtype=float) for name in _DEGREES
    }
    return Degrees.plain(
        **values, two_dimensional=np.array([each.tensor_layout == "2d" for each in listed], dtype=bool)
    )
