"""Checking a saved result with the performance model alone: no program, no solver, no dominance.

Each deployment is rebuilt from its columns, priced and checked against memory, rules and limits; then its neighbourhood
(every setup that differs in one decision, at the same and nearby batches) is searched for a deployment that beats it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ieco_opt.design_space.alternatives import Alternatives, Rows
from ieco_opt.design_space.families import Family, build_family
from ieco_opt.design_space.from_scenario import family_request, limits_of
from ieco_opt.design_space.setups import Integers
from ieco_opt.design_space.space import same_gpus
from ieco_opt.pareto.describe import DEGREE_COLUMNS, component_seconds, memory_gb
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.pass_time import Degrees
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.frontier import Frontier
from ieco_opt.scenario import ResolvedScenario, resolve

TOLERANCE = 1e-9
"""Relative difference between a saved figure and the same figure computed again."""


@dataclass(slots=True)
class Verification:
    """What a check found; ``problems`` holds one line for each thing that is wrong."""

    deployments: int = 0
    neighbours: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify(result: Frontier | str | Path) -> Verification:
    """Check a result, or the JSON file of one, against its own scenario.

    Raises
    ------
    ScenarioError
        The file is no result, or its scenario is wrong.
    """
    if not isinstance(result, Frontier):
        from ieco_opt.results.files import read

        return verify(read(Path(result)))
    resolved = resolve(result.scenario)
    families = _families(resolved)
    report = Verification()
    for index, deployment in enumerate(result.deployments):
        where = f"deployments[{index}]"
        report.deployments += 1
        family = families.get((deployment.accelerator, deployment.weights))
        row = None if family is None else _row(family, deployment)
        if family is None or row is None:
            report.problems.append(f"{where}: is not part of the scenario's design space, or does not fit in memory")
            continue
        report.problems += [f"{where}: {problem}" for problem in _wrong_figures(family, row, deployment, resolved)]
    _check_against_each_other(result, report)
    _search_neighbours(result, resolved, families, report)
    return report


def _families(resolved: ResolvedScenario) -> dict[tuple[str, str | None], Family]:
    request, weights = family_request(resolved), resolved.scenario.weights or (None,)
    return {
        (accelerator[1].name, precision[1]): build_family(request, accelerator, precision)[0]
        for accelerator in enumerate(resolved.accelerators)
        for precision in enumerate(weights)
    }


def _position(degrees: Degrees, deployment: Deployment, prefix: str = "") -> int | None:
    """Row of the setup that a deployment names, if it is one of the scenario's."""
    same = degrees.two_dimensional == (getattr(deployment, f"{prefix}tensor_layout") == "2d")
    for name, attribute in DEGREE_COLUMNS.items():
        same &= getattr(degrees, attribute) == getattr(deployment, f"{prefix}{name}")
    rows = np.flatnonzero(same)
    return int(rows[0]) if len(rows) else None


def _row(family: Family, deployment: Deployment) -> Alternatives | None:
    """The alternative that a deployment names, if its batch exists and fits."""
    setup = _position(family.setups.degrees, deployment)
    if setup is None:
        return None
    if deployment.draft_tokens == 0:
        row = family.alternatives(np.array([setup]), 0)
    elif family.drafts is None or deployment.draft_tokens not in family.draft_range:
        return None
    else:
        draft = _position(family.drafts.setups.degrees, deployment, "draft_")
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
        "speed_tokens_per_s": 1.0 / float(latency[0]),
        "cost_usd_per_mtok": cost,
        "throughput_tokens_per_s": deployment.batch / float(latency[0]),
        "gpus": float(row.gpus[0]),
        "memory_per_gpu_gb": used,
        **{f"{name}_s": value for name, value in times.items()},
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
    if deployment.bound < deployment.speed_tokens_per_s * (1.0 - TOLERANCE):
        yield f"bound: found {deployment.bound:.12g}, below the speed itself"


def _check_against_each_other(result: Frontier, report: Verification) -> None:
    """No deployment of a frontier may beat another one of it."""
    for index, one in enumerate(result.deployments):
        for other in result.deployments:
            if _beats(other.latency_s, other.cost_usd_per_mtok, one):
                report.problems.append(f"deployments[{index}]: is dominated by another deployment of the result")
                break


def _beats(latency_s: float, cost: float, one: Deployment) -> bool:
    slack = 1.0 + TOLERANCE
    no_worse = latency_s <= one.latency_s * slack and cost <= one.cost_usd_per_mtok * slack
    better = latency_s * slack < one.latency_s or cost * slack < one.cost_usd_per_mtok
    return no_worse and better


def _search_neighbours(
    result: Frontier,
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
                if _beats(seconds, dollars, deployment):
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
        differing = (degrees.two_dimensional != (deployment.tensor_layout == "2d")).astype(int)
        for name, attribute in DEGREE_COLUMNS.items():
            differing += getattr(degrees, attribute) != getattr(deployment, name)
        setups = np.flatnonzero(differing <= 2)
        least, most = family.setups.batch_min[setups], family.setups.batch_max[setups]
        held = (batches >= least[:, None]) & (batches <= most[:, None])
        row, column = np.nonzero(held)
        yield family.alternatives(setups[row], 0), batches[column].astype(float)
        lengths = {deployment.draft_tokens - 1, deployment.draft_tokens, deployment.draft_tokens + 1}
        for draft_tokens in sorted(lengths & set(family.draft_range)):
            yield from _with_draft(family, draft_tokens, setups, held, batches)


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
