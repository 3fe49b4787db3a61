"""Checking a saved result with the performance model alone: no program, no solver, no dominance.

Each deployment is rebuilt from its columns, priced and checked against memory, rules and limits; then its neighbourhood
(every setup that differs in one decision, at the same and nearby batches) is searched for one that dominates it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ieco_opt.design_space.alternatives import Alternatives, Rows
from ieco_opt.design_space.families import Family, build_family
from ieco_opt.design_space.from_scenario import family_request, limits_of
from ieco_opt.design_space.setups import Integers
from ieco_opt.design_space.space import same_gpus
from ieco_opt.pareto.describe import component_seconds, memory_gb, rows_of
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.pass_time import Degrees
from ieco_opt.results.comparison import Comparison
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.explanation import Explanation
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.parallelism import Parallelism
from ieco_opt.scenario import ResolvedScenario, resolve
from ieco_opt.verification.consistency import TOLERANCE, Verification, dominates


def check_deployments(result: Frontier | Explanation | Comparison, report: Verification) -> None:
    """Compute every figure of every deployment again, and search its neighbourhood for one that dominates it."""
    resolved = resolve(result.scenario)
    families = _families(resolved)
    for index, deployment in enumerate(result.deployments):
        family = families.get((deployment.accelerator, deployment.weights))
        row = None if family is None else _row(family, deployment)
        where = f"deployments[{index}]"
        if family is None or row is None:
            report.problems.append(f"{where}: is not part of the scenario's design space, or does not fit in memory")
            continue
        report.problems += [f"{where}: {problem}" for problem in _wrong_figures(family, row, deployment, resolved)]
    _search_neighbours(result, resolved, families, report)


def _families(resolved: ResolvedScenario) -> dict[tuple[str, str | None], Family]:
    request, weights = family_request(resolved), resolved.scenario.weights or (None,)
    return {
        (accelerator[1].name, precision[1]): build_family(request, accelerator, precision)[0]
        for accelerator in enumerate(resolved.accelerators)
        for precision in enumerate(weights)
    }


def _position(degrees: Degrees, held: Parallelism) -> int | None:
    """Row of the setup that a record names, if it is one of the scenario's."""
    rows = np.flatnonzero(rows_of(degrees, held))
    return int(rows[0]) if len(rows) else None


def _row(family: Family, deployment: Deployment) -> Alternatives | None:
    """The alternative that a deployment names, if its batch exists and fits."""
    setup = _position(family.setups.degrees, deployment.parallelism)
    if setup is None:
        return None
    if deployment.draft_tokens == 0:
        row = family.alternatives(np.array([setup]), 0)
    elif family.drafts is None or deployment.draft_tokens not in family.draft_range:
        return None
    else:
        draft = None if deployment.draft is None else _position(family.drafts.setups.degrees, deployment.draft)
        if draft is None:
            return None
        row = family.alternatives(np.array([setup]), deployment.draft_tokens, np.array([draft]))
    return row if row.batch_min[0] <= deployment.batch <= row.batch_max[0] else None


def _wrong_figures(
    family: Family, row: Alternatives, deployment: Deployment, resolved: ResolvedScenario
) -> Iterator[str]:
    """Figures of a deployment that the performance model does not confirm."""
    batch = np.array([float(deployment.batch)])
    latency = row.latency_s(batch)
    times = component_seconds(row, batch)
    used, limit = memory_gb(family, row, deployment.batch)
    cost = float(row.cost_usd_per_mtok(latency, batch)[0])
    expected = {
        "latency_s": float(latency[0]),
        "cost_usd_per_mtok": cost,
        "gpus": float(row.gpus[0]),
        "memory_per_gpu_gb": used,
        **times,
    }
    for name, value in expected.items():
        found = float(getattr(deployment, name))
        if not abs(found - value) <= TOLERANCE * max(abs(value), 1e-300):
            yield f"{name}: found {found:.12g}, the performance model gives {value:.12g}"
    if used > limit * (1.0 + TOLERANCE):
        yield f"memory: needs {used:.6g} GB of {limit:.6g} GB on the most loaded GPU"
    limits = limits_of(resolved.scenario.limits)
    if not bool(limits.admits(row, latency, batch)[0]):
        yield "limits: does not meet the limits of the scenario"


def _search_neighbours(
    result: Frontier | Explanation | Comparison,
    resolved: ResolvedScenario,
    families: dict[tuple[str, str | None], Family],
    report: Verification,
) -> None:
    """Look for deployments beside each one of the result that beat it."""
    limits = limits_of(resolved.scenario.limits)
    listed = resolved.design_space.batches
    for index, deployment in enumerate(result.deployments):
        if deployment.status != "optimal":
            continue
        for row, batch in _neighbours(families, deployment, _nearby(deployment.batch, listed)):
            latency = row.latency_s(batch)
            cost = row.cost_usd_per_mtok(latency, batch)
            report.neighbours += len(batch)
            for position in np.flatnonzero(limits.admits(row, latency, batch)).tolist():
                seconds, dollars = float(latency[position]), float(cost[position])
                if dominates(seconds, dollars, deployment):
                    report.problems.append(
                        f"deployments[{index}]: is dominated by {_name(row, position)} at batch {int(batch[position])} "
                        f"({1.0 / seconds:.6g} tokens/s at ${dollars:.6g} per million tokens)"
                    )
                    break


def _nearby(batch: int, listed: tuple[int, ...] | None) -> Integers:
    """Batches around one: its direct neighbours and coarser steps away."""
    if listed is not None:
        return np.array(listed, dtype=np.int64)
    steps = np.array([0, 1, 2, 3, 4, 8, 16, 32])
    factors = np.array([0.25, 0.5, 0.75, 0.9, 1.1, 1.25, 1.5, 2.0, 3.0, 4.0])
    around = np.concatenate([batch - steps, batch + steps, np.round(batch * factors).astype(np.int64)])
    return np.unique(around[around >= 1])


def _neighbours(
    families: dict[tuple[str, str | None], Family], deployment: Deployment, batches: Integers
) -> Iterator[tuple[Alternatives, Array]]:
    """Alternatives that differ from a deployment in at most two degrees, with the batches that each can hold."""
    for family in families.values():
        degrees = family.setups.degrees
        differing = _differing(degrees, deployment.parallelism)
        setups = np.flatnonzero(differing <= 2)
        least, most = family.setups.batch_min[setups], family.setups.batch_max[setups]
        held = (batches >= least[:, None]) & (batches <= most[:, None])
        row, column = np.nonzero(held)
        yield family.alternatives(setups[row], 0), batches[column].astype(float)
        lengths = {deployment.draft_tokens - 1, deployment.draft_tokens, deployment.draft_tokens + 1}
        for draft_tokens in sorted(lengths & set(family.draft_range)):
            yield from _with_draft(family, draft_tokens, setups, held, batches)


def _differing(degrees: Degrees, held: Parallelism) -> NDArray[np.int_]:
    """How many degrees of each setup differ from those of a record."""
    differing: NDArray[np.int_] = (degrees.two_dimensional != (held.layout == "2d")).astype(int)
    for values, degree in (
        (degrees.stage_ranks, held.stage_ranks),
        (degrees.pipeline_parallel, held.pipeline),
        (degrees.expert_parallel, held.expert),
        (degrees.attention_data_parallel, held.attention_data),
    ):
        differing += values != degree
    return differing


def _with_draft(
    family: Family, draft_tokens: int, setups: Rows, held: NDArray[np.bool_], batches: Integers
) -> Iterator[tuple[Alternatives, Array]]:
    """The same setups with the fastest draft setup that fits beside each of them."""
    for same, drafts in same_gpus(family):
        among = np.flatnonzero(np.isin(setups, same))
        if not len(among):
            continue
        best = family.fastest_drafts(setups[among], drafts, batches.astype(float))
        row, column = np.nonzero(held[among] & (best >= 0))
        pairs = family.alternatives(setups[among][row], draft_tokens, best[row, column])
        yield pairs, batches[column].astype(float)


def _name(rows: Alternatives, position: int) -> str:
    degrees = rows.degrees
    return (
        f"tensor_parallel {int(degrees.tensor_parallel[position])}, "
        f"attention_data_parallel {int(degrees.attention_data_parallel[position])}, "
        f"pipeline_parallel {int(degrees.pipeline_parallel[position])}, "
        f"expert_parallel {int(degrees.expert_parallel[position])}, "
        f"draft_tokens {int(rows.draft_tokens[position])}"
    )
