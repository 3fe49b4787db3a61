"""Why not this configuration: what forbids it on every accelerator and server, or by how much it loses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from ieco_opt.comparison.deployability import judge
from ieco_opt.comparison.findings import Finding
from ieco_opt.comparison.ways import UNKNOWN
from ieco_opt.defaults import DEFAULT_CONFIG, DEFAULT_PREFERENCE, ObjectiveName
from ieco_opt.design_space.dominance import STRICT
from ieco_opt.design_space.families import Family
from ieco_opt.design_space.from_scenario import family_request, limits_of
from ieco_opt.design_space.setups import expert_choices
from ieco_opt.errors import SearchStoppedError
from ieco_opt.explanation.asked import asked_of
from ieco_opt.explanation.bounds import NONE, bounds_of
from ieco_opt.explanation.pool import build_pool
from ieco_opt.explanation.search import Goal, Pick, best, priced, tied
from ieco_opt.explanation.sensitivity import Question, loss
from ieco_opt.heuristics import Proposals
from ieco_opt.heuristics.interface import NO_SERVER, absent_degrees, joined
from ieco_opt.pareto import run
from ieco_opt.pareto.describe import names_of, parallelism_of, rows_of
from ieco_opt.pareto.resident import Resident
from ieco_opt.performance.degrees import Degrees
from ieco_opt.performance.energy import Measure
from ieco_opt.performance.speculation import yield_of
from ieco_opt.results.comparison import Obstacle
from ieco_opt.results.configuration import (
    AskedConfiguration,
    Better,
    ConfigurationAnswer,
    Forbidden,
    MemoryNeed,
    Verdict,
)
from ieco_opt.results.parallelism import Parallelism
from ieco_opt.scenario import ResolvedScenario, Scenario, resolve
from ieco_opt.scenario.solver_config import SolverConfig
from ieco_opt.solvers.config import solver_config_of
from ieco_opt.solvers.run import Doing, Run, Stopped, running
from ieco_opt.solvers.versions import versions

_FASTEST = Goal("fastest", DEFAULT_PREFERENCE)
_CHEAPEST = Goal("cheapest", DEFAULT_PREFERENCE)


def explain_configuration(
    scenario: Scenario,
    text: str,
    *,
    objective: ObjectiveName = "fastest",
    preference: float = DEFAULT_PREFERENCE,
    solver_config: SolverConfig | str = DEFAULT_CONFIG,
    doing: Doing | None = None,
) -> ConfigurationAnswer:
    """Say what forbids a configuration of a scenario, or what it is worth and by how much it loses.

    All configurations are searched, exactly and without a solver.

    Parameters
    ----------
    text
        Such as ``TP8,DP2,PP1,EP16,R0,K4,B64``: TP and the batch B are needed, DP and PP are 1 where they are left out.
        Without EP and R the best of those that the scenario admits is told; K is the verify width with a draft model.
    objective, preference
        What else the configuration is compared with: the best deployment.
    solver_config
        Its limit of time holds.
    doing
        Told in words of what begins.

    Raises
    ------
    ScenarioError
        The scenario, the text or an argument is wrong.
    SearchStoppedError
        A limit or an interrupt ended the search.
    """
    question = run.question_of_one("explain", objective, preference)
    asked, resolved = asked_of(text), resolve(scenario)
    with running(solver_config_of(solver_config), doing) as under_way:
        try:
            measure = run.measure_of(objective, resolved)
            verdicts, winner, search = _searched(resolved, asked, Goal(objective, preference), measure, under_way)
        except Stopped as stop:
            raise SearchStoppedError(f"the search ended ({stop.reason}) before the configuration was judged") from stop
        return ConfigurationAnswer(
            scenario=resolved.scenario,
            asked=asked,
            objective=objective,
            preference=question.preference,
            chosen_experts=asked.expert_parallel is None and search.pool.families[0].shape.experts > 1,
            verdicts=verdicts,
            best=None if winner is None else search.described(winner),
            seconds=under_way.seconds(),
            versions=versions(under_way.config.solver, resolved),
        )


def _searched(
    resolved: ResolvedScenario, asked: AskedConfiguration, goal: Goal, measure: Measure, under_way: Run
) -> tuple[tuple[Verdict, ...], Pick | None, Question]:
    pool = build_pool(resolved, under_way.ask, measure=measure)
    search = Question(pool, bounds_of(resolved, max(pool.gpu_counts(), default=0)), goal)
    winner = best(pool, search.bounds, goal)
    under_way.ask("judging the configuration")
    proposals = [_proposals(family, _degrees(resolved, asked, family), asked) for family in pool.families]
    findings = iter(judge(resolved, joined(proposals)).findings)
    judged = _Judged(search, asked, winner)
    verdicts = [
        judged(family, each.degrees, [*islice(findings, len(each))])
        for family, each in zip(pool.families, proposals, strict=True)
    ]
    return tuple(verdicts), winner, search


@dataclass(frozen=True, slots=True)
class _Candidate:
    """One expert degree and layout of a configuration, with what is known of it."""

    parallelism: Parallelism
    findings: tuple[Finding, ...]
    pick: Pick | None

    def __lt__(self, other: _Candidate) -> bool:
        """Whether it is to be told rather: it exists and is the faster, or comes nearer to existing."""
        return self._rank() < other._rank()

    def _rank(self) -> tuple[float, ...]:
        seconds = np.inf if self.pick is None else self.pick.latency_s
        excess = max((finding.excess for finding in self.findings), default=0.0)
        weight = max(map(_weight, self.findings), default=-1)
        return weight, len(self.findings), seconds if weight < _MEMORY_WEIGHT else excess


_MEMORY_WEIGHT = 2


def _weight(finding: Finding) -> int:
    """How far a reason is from being none: limits, lists, memory, rules."""
    if finding.obstacle is Obstacle.MEMORY:
        return _MEMORY_WEIGHT
    if finding.obstacle is Obstacle.LIMIT:
        return 0
    return 1 if finding.field else 3


@dataclass(frozen=True, slots=True)
class _Judged:
    """What is asked about, on one family after the other."""

    search: Question
    asked: AskedConfiguration
    winner: Pick | None

    def __call__(self, family: Family, degrees: Degrees, findings: Sequence[tuple[Finding, ...]]) -> Verdict:
        """Of the expert degrees and layouts that were judged, the one that is to be told."""
        held = [parallelism_of(degrees, row) for row in range(len(findings))]
        told = min(
            _Candidate(each, of_one, self._pick(family, each, of_one))
            for each, of_one in zip(held, findings, strict=True)
        )
        weights, kv_cache = names_of(family.precision)
        pick, possible = told.pick, not told.findings
        # What no server starts has no layout whose memory could be told.
        refused = any(_weight(finding) > _MEMORY_WEIGHT for finding in told.findings)
        shown = [each for each in told.findings if not (refused and each.obstacle is Obstacle.MEMORY)]
        return Verdict(
            accelerator=family.accelerator.name,
            weights=weights,
            kv_cache=kv_cache,
            engine=family.engine,
            parallelism=told.parallelism,
            deployment=None if pick is None else self.search.described(pick),
            forbidden=tuple(_forbidden(self.search.pool.resolved, finding) for finding in shown),
            cheaper=self._better(pick, _CHEAPEST) if possible else None,
            faster=self._better(pick, _FASTEST) if possible else None,
            better=self._loss(pick, self.winner, self.search.goal) if possible else None,
        )

    def _pick(self, family: Family, held: Parallelism, findings: Sequence[Finding]) -> Pick | None:
        """What it is worth where no rule and no memory forbids it."""
        if any(_weight(finding) >= _MEMORY_WEIGHT for finding in findings):
            return None
        rows = self.search.pool.alternatives
        same = (rows.accelerator == family.accelerator_index) & (rows.precision == family.precision_index)
        same &= (rows.engine == family.engine_index) & (rows.draft_tokens == self.asked.draft_tokens)
        same &= rows_of(rows.degrees, held)
        batch, share = self.asked.batch, self.search.bounds.memory_utilization
        # Limits that one exchange of experts breaks another may meet: what is possible is worth what meets them.
        limits = NONE if findings else self.search.bounds
        bounds = replace(limits, batch_min=batch, batch_max=batch, memory_utilization=share)
        return best(self.search.pool, bounds, _FASTEST, np.flatnonzero(same))

    def _better(self, pick: Pick | None, goal: Goal) -> Better | None:
        """The cheapest that is as fast, or the fastest that is as cheap, where it is better; whatever the objective."""
        if pick is None:
            return None
        pool = self.search.pool.measuring(Measure.COST)
        pick = priced(pool, pick)
        as_good = tied(self.search.bounds, pick, fastest=goal is _CHEAPEST)
        return self._loss(pick, best(pool, as_good, goal), goal)

    def _loss(self, pick: Pick | None, other: Pick | None, goal: Goal) -> Better | None:
        if pick is None or other is None:
            return None
        lost = loss(goal, pick, other)
        # What is within rounding is as good.
        return Better(self.search.described(other), lost) if lost > 1.0 - STRICT else None


def _degrees(resolved: ResolvedScenario, asked: AskedConfiguration, family: Family) -> Degrees:
    """What is asked about with every expert degree, number of copies and layout that is meant."""
    choices = family_request(resolved).choices
    if asked.expert_parallel is not None:
        choices = replace(choices, expert_parallel=(asked.expert_parallel,))
    if asked.redundant_experts is not None:
        choices = replace(choices, redundant_experts=(asked.redundant_experts,))
    experts = expert_choices(family.shape, choices, asked.stage_ranks)
    dense = family.shape.experts == 1
    if dense or not experts:
        # There is nothing to choose, or nothing that goes with these ranks: what is named is judged as it is.
        listed = None if dense and asked.expert_parallel is None else choices.expert_parallel
        experts = [(degree, asked.redundant_experts or 0) for degree in listed or (1,)]
    layouts = [layout == "2d" for layout in choices.tensor_layout] if asked.stage_ranks > 1 else [False]
    rows = [(degree, copies, flat) for degree, copies in experts for flat in layouts]
    count = len(rows)
    return Degrees.plain(
        stage_ranks=np.full(count, float(asked.stage_ranks)),
        pipeline_parallel=np.full(count, float(asked.pipeline_parallel)),
        expert_parallel=np.array([float(row[0]) for row in rows]),
        attention_data_parallel=np.full(count, float(asked.attention_data_parallel)),
        two_dimensional=np.array([row[2] for row in rows]),
        redundant_experts=np.array([float(row[1]) for row in rows]),
    )


def _proposals(family: Family, degrees: Degrees, asked: AskedConfiguration) -> Proposals:
    """The same as proposals to the server of a family, in whatever exchange of experts it likes."""
    count = len(degrees.stage_ranks)
    served = family.server is not None
    if served:
        anyhow = replace(degrees.spread, exchange=np.full(count, UNKNOWN))
        degrees = replace(degrees, spread=anyhow)
    return Proposals(
        accelerator=np.full(count, family.accelerator_index),
        precision=np.full(count, family.precision_index),
        engine=np.full(count, family.engine_index if served else NO_SERVER),
        degrees=degrees,
        batch=np.full(count, float(asked.batch)),
        draft_tokens=np.full(count, asked.draft_tokens),
        draft_degrees=absent_degrees(count),
        latency_s=np.full(count, np.nan),
        cost_usd_per_mtok=np.full(count, np.nan),
        evaluations=0,
    )


def _forbidden(resolved: ResolvedScenario, finding: Finding) -> Forbidden:
    return Forbidden(
        obstacle=finding.obstacle,
        text=finding.text,
        field=finding.field or None,
        value=_value(resolved, finding.field),
        rule=finding.rule or None,
        source=finding.source or None,
        here=finding.here or None,
        memory=None if finding.held is None else _need(finding.held),
    )


def _need(held: Resident) -> MemoryNeed:
    columns = held.columns()
    parts = {name: columns[name] for name in ("weights_gb", "cache_gb", "draft_gb", "reserve_gb")}
    return MemoryNeed(needed_gb=columns["memory_per_gpu_gb"], limit_gb=columns["memory_limit_gb"], **parts)


def _value(resolved: ResolvedScenario, field: str) -> str | None:
    """What the scenario says in a field, in words."""
    scope, _, name = field.partition(".")
    holders = {"design_space": resolved.design_space, "limits": limits_of(resolved.scenario)}
    if scope == "speculation":
        speculation = resolved.scenario.speculation
        if speculation is None:
            return "none"
        widths = yield_of(speculation.acceptance, speculation.measured, speculation.max_draft_tokens).widths
        return f"{widths[-1]}" if name == "max_draft_tokens" else ", ".join(map(str, widths))
    if scope == "kv_cache":
        return ", ".join(dict.fromkeys(each.kv_cache for each in resolved.precisions))
    if scope not in holders:
        return None
    attribute = {"batch": "batches", "batch.min": "batch_min", "batch.max": "batch_max"}.get(name, name)
    value = getattr(holders[scope], attribute)
    if value is None:
        return "auto"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else f"{value:g}" if value < 1e6 else str(value)
