"""Whether proposals can be launched as they are within a scenario, what they are worth, and if not, why not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ieco_opt.comparison.indicators import Array, Indices, Points
from ieco_opt.design_space.alternatives import Alternatives
from ieco_opt.design_space.families import Family
from ieco_opt.design_space.from_scenario import limits_of
from ieco_opt.design_space.limits import Limits
from ieco_opt.heuristics import Proposals
from ieco_opt.heuristics.pricing import families_of
from ieco_opt.pareto.resident import resident
from ieco_opt.performance import rules
from ieco_opt.performance.degrees import Degrees
from ieco_opt.results.comparison import Obstacle, Reason
from ieco_opt.scenario import ResolvedScenario

_WHOLE = 1e-9

_NAMES = {
    "stage_ranks": "ranks of a stage",
    "pipeline_parallel": "pipeline stages",
    "expert_parallel": "expert ranks",
    "attention_data_parallel": "attention groups",
}
"""Degrees that decide all others."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What becomes of proposals; shape (proposals,).

    Attributes
    ----------
    reasons
        Empty where a proposal can be launched.
    latency_s, cost_usd_per_mtok
        What the scenario's performance model gives for what can be launched; NaN elsewhere.
    """

    reasons: tuple[tuple[Reason, ...], ...]
    latency_s: Array
    cost_usd_per_mtok: Array

    @property
    def deployable(self) -> Indices:
        """Positions of the proposals that can be launched."""
        return np.array([row for row, reasons in enumerate(self.reasons) if not reasons], dtype=np.intp)

    def points(self) -> Points:
        """Speed and cost of the proposals that can be launched."""
        rows = self.deployable
        return Points(1.0 / self.latency_s[rows], self.cost_usd_per_mtok[rows])


def judge(scenario: ResolvedScenario, proposals: Proposals) -> Verdicts:
    """Check each proposal against whole degrees, the design space, memory on the most loaded GPU, and limits."""
    judge_one = _Judge(scenario)
    verdicts = [judge_one(proposals, row) for row in range(len(proposals))]
    return Verdicts(
        reasons=tuple(reasons for reasons, _, _ in verdicts),
        latency_s=np.array([latency for _, latency, _ in verdicts]),
        cost_usd_per_mtok=np.array([cost for _, _, cost in verdicts]),
    )


class _Judge:
    """What is looked up once for all proposals of a scenario."""

    def __init__(self, scenario: ResolvedScenario) -> None:
        self.scenario = scenario
        self.limits = limits_of(scenario.scenario.limits)
        self.families = {(item.accelerator_index, item.precision_index): item for item in families_of(scenario)}

    def __call__(self, proposals: Proposals, row: int) -> tuple[tuple[Reason, ...], float, float]:
        """Reasons against one proposal; without any, its latency and cost."""
        family = self.families.get((int(proposals.accelerator[row]), int(proposals.precision[row])))
        if family is None:
            return (Reason(Obstacle.NOT_OFFERED, "an accelerator or a precision that is not listed"),), np.nan, np.nan
        degrees = proposals.degrees.take(np.array([row]))
        batch, tokens = float(proposals.batch[row]), int(proposals.draft_tokens[row])
        draft = proposals.draft_degrees.take(np.array([row]))
        reasons = list(_fractional(degrees, batch, "")) + list(_fractional(draft, None, " of the draft model"))
        if not reasons:
            degrees, draft, batch = _rounded(degrees), _rounded(draft), float(round(batch))
            reasons = list(self._not_offered(family, degrees, batch, tokens))
        reasons += _memory(family, degrees, batch, draft if tokens else None)
        if reasons:
            return tuple(reasons), np.nan, np.nan
        alternative = _alternative(family, degrees, batch, tokens, draft)
        if alternative is None:
            text = "no such configuration in the design space" + (" or no draft model fits beside it" if tokens else "")
            return (Reason(Obstacle.NOT_OFFERED, text),), np.nan, np.nan
        at = np.array([batch])
        latency = alternative.latency_s(at)
        cost = alternative.cost_usd_per_mtok(latency, at)
        missed = tuple(_missed(self.limits, alternative, float(latency[0]), float(cost[0]), batch))
        return (missed, np.nan, np.nan) if missed else ((), float(latency[0]), float(cost[0]))

    def _not_offered(self, family: Family, degrees: Degrees, batch: float, tokens: int) -> Iterator[Reason]:
        """Whole degrees that the scenario does not list, or that no server accepts."""
        space = self.scenario.design_space
        for name, label in {**_NAMES, "tensor_parallel": "tensor ranks of an attention group"}.items():
            value, listed = float(getattr(degrees, name)[0]), getattr(space, name)
            if name != "expert_parallel" and listed is not None and value not in listed:
                yield Reason(Obstacle.NOT_OFFERED, f"{value:.6g} {label}, where {_listing(listed)} are offered")
        if degrees.gpus[0] > space.max_gpus:
            yield Reason(Obstacle.NOT_OFFERED, f"{degrees.gpus[0]:,.0f} GPUs, where {space.max_gpus:,} are the most")
        layout = "2d" if degrees.two_dimensional[0] else "1d"
        if layout not in space.tensor_layout and degrees.stage_ranks[0] > 1.0:
            yield Reason(Obstacle.NOT_OFFERED, f"the layout {layout}, which is not offered")
        if rules.is_deployable(family.shape) and not rules.launchable(family.shape, degrees)[0]:
            yield Reason(
                Obstacle.NOT_OFFERED, "degrees that no server accepts (heads, experts or layers do not divide)"
            )
        if not space.batch_min <= batch <= space.batch_max or batch < degrees.pipeline_parallel[0]:
            least = max(space.batch_min, int(degrees.pipeline_parallel[0]))
            yield Reason(Obstacle.NOT_OFFERED, f"a batch of {batch:,.0f}, where {least:,} to {space.batch_max:,} exist")
        elif space.batches is not None and batch not in space.batches:
            yield Reason(Obstacle.NOT_OFFERED, f"a batch of {batch:,.0f}, which is not listed")
        if tokens and tokens not in family.draft_range:
            yield Reason(Obstacle.NOT_OFFERED, f"{tokens} draft tokens, which are not offered")


def _rounded(degrees: Degrees) -> Degrees:
    """Exact integers in the place of degrees that are whole but for rounding."""
    return Degrees(
        **{name: np.rint(getattr(degrees, name)) for name in (*_NAMES, "redundant_experts")},
        two_dimensional=degrees.two_dimensional,
    )


def _listing(values: tuple[int, ...]) -> str:
    return ", ".join(map(str, values))


def _is_whole(value: float, least: int = 1) -> bool:
    close = bool(np.isfinite(value)) and abs(value - round(value)) <= _WHOLE * max(1.0, abs(value))
    return close and round(value) >= least


def _fractional(degrees: Degrees, batch: float | None, whose: str) -> Iterator[Reason]:
    """Numbers that are not whole; unknown degrees (NaN) are left out."""
    gpus = float(degrees.gpus[0])
    amounts = [(gpus, "GPUs")] if not whose else []
    amounts += [(float(getattr(degrees, name)[0]), f"{label}{whose}") for name, label in _NAMES.items()]
    for value, label in amounts:
        if not np.isnan(value) and not _is_whole(value):
            yield Reason(Obstacle.FRACTIONAL, f"{_digits(value)} {label}")
    copies = float(degrees.redundant_experts[0])
    if not np.isnan(copies) and not _is_whole(copies, least=0):
        yield Reason(Obstacle.FRACTIONAL, f"{_digits(copies)} redundant experts{whose}")
    if batch is not None and not _is_whole(batch):
        yield Reason(Obstacle.FRACTIONAL, f"a batch of {_digits(batch)}")


def _digits(value: float) -> str:
    """Two decimals, or as many as tell a number from a whole one."""
    text = f"{value:,.2f}"
    return text if not text.endswith(".00") else f"{value:,.6g}"


def _memory(family: Family, degrees: Degrees, batch: float, draft: Degrees | None) -> Iterator[Reason]:
    """Memory that is over, on the most loaded GPU (``deployable``) or on average (``paper``)."""
    beside = draft if draft is not None and family.drafts is not None and not np.isnan(draft.gpus[0]) else None
    held = resident(family, degrees, batch, beside)
    used, limit = held.used, held.usable
    where = "on the most loaded GPU" if rules.is_deployable(family.shape) else "on average"
    excess = used / limit - 1.0
    if excess > _WHOLE:
        text = f"memory over by {(used - limit) / 1e9:,.1f} GB ({100.0 * excess:.3g} %) {where}"
        yield Reason(Obstacle.MEMORY, text, excess)


def _alternative(family: Family, degrees: Degrees, batch: float, tokens: int, draft: Degrees) -> Alternatives | None:
    """The alternative of the design space that a whole proposal names, if its batch exists and fits."""
    for setup in _rows(family.setups.degrees, degrees):
        drafts = None
        if tokens:
            row = _draft_row(family, setup, batch, draft)
            if row is None:
                continue
            drafts = np.array([row])
        found = family.alternatives(np.array([setup]), tokens, drafts)
        if found.batch_min[0] <= batch <= found.batch_max[0]:
            return found
    return None


def _rows(listed: Degrees, wanted: Degrees) -> Indices:
    same = (listed.two_dimensional == wanted.two_dimensional) | (listed.stage_ranks == 1.0)
    for name in (*_NAMES, "redundant_experts"):
        same &= getattr(listed, name) == getattr(wanted, name)
    return np.flatnonzero(same)


def _draft_row(family: Family, setup: int, batch: float, draft: Degrees) -> int | None:
    """The draft model's setup that a proposal names, or the fastest that fits where it names none."""
    if family.drafts is None:
        return None
    degrees = family.drafts.setups.degrees
    if not np.isnan(draft.gpus[0]):
        rows = _rows(degrees, draft)
        return int(rows[0]) if len(rows) and draft.gpus[0] == family.setups.degrees.gpus[setup] else None
    options = np.flatnonzero(degrees.gpus == family.setups.degrees.gpus[setup])
    if not len(options):
        return None
    best = int(family.fastest_drafts(np.array([setup]), options, np.array([batch]))[0, 0])
    return best if best >= 0 else None


def _missed(limits: Limits, alternative: Alternatives, latency: float, cost: float, batch: float) -> Iterator[Reason]:
    speed, throughput, power = 1.0 / latency, batch / latency, float(alternative.power_kw[0])
    for missed, name, found, limit, unit in (
        (speed < limits.min_speed, "min_speed", speed, limits.min_speed, "tokens/s"),
        (cost > limits.max_cost, "max_cost", cost, limits.max_cost, "$ per million tokens"),
        (throughput > limits.max_throughput, "max_throughput", throughput, limits.max_throughput, "tokens/s"),
        (throughput < limits.min_throughput, "min_throughput", throughput, limits.min_throughput, "tokens/s"),
        (power > limits.max_power_kw, "max_power_kw", power, limits.max_power_kw, "kW"),
    ):
        if missed:
            yield Reason(Obstacle.LIMIT, f"{found:.4g} {unit} misses limits.{name} = {limit:g}")
