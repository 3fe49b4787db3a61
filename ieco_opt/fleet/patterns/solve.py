"""A plan of a fleet by patterns: prices, vectors within a slack, a master program, and what these prove."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ieco_opt.fleet.patterns.branches import Branches, large_workload
from ieco_opt.fleet.patterns.choice import Choice, best_choice
from ieco_opt.fleet.patterns.enumeration import Vectors
from ieco_opt.fleet.patterns.pieces import Floats, Pieces, pieces_of
from ieco_opt.fleet.patterns.priced import Priced, Remembered
from ieco_opt.fleet.patterns.prices import Takes, plain_prices, priced_program
from ieco_opt.fleet.patterns.program import Master, build_master_program, read_master_decision
from ieco_opt.fleet.patterns.steps import TooMany, beyond
from ieco_opt.fleet.plan import Plan, decided_plan
from ieco_opt.fleet.program.data import FleetProgramData, Quantity, values_of
from ieco_opt.results.guarantee import CLOSED
from ieco_opt.solvers.outcome import Outcome, Solution
from ieco_opt.solvers.run import Run, Stopped
from ieco_opt.solvers.watch import Report

_ADDITIVE = frozenset({Quantity.COST, Quantity.POWER, Quantity.GPUS})
"""Quantities that follow from the pieces that are taken."""

_FIRST = (300, 5)
"""Vectors with which the first master looks for a plan: so many, or so many a workload where that is more."""

_MOST = 2_500
"""Vectors that a master chooses among."""

_NEAR = 1e-4
"""Gap that is left to no second master where labels have been too many: it seldom closes it."""

_BEYOND_LEAST = (1.05, 1.1, 1.2)
"""Plans that have so many times the bound are looked for by what a large workload takes, where none is known."""

_FEW_PAIRS = 300_000
"""Labels and vectors that are put together where branches are there to go on with."""

_LISTED = 60_000
"""Vectors that are listed."""


@dataclass(frozen=True, slots=True)
class Found:
    """A plan, and what is proven of every plan; ``size`` is that of the master: variables and rows."""

    plan: Plan
    bound: float
    size: tuple[int, int]
    stopped: bool


class NoPlan(Exception):  # noqa: N818 - no error: a proof
    """It is proven that no plan has as little as was asked for."""


def covers(data: FleetProgramData) -> bool:
    """Whether what a program asks follows from what workloads take of the pools, each for itself.

    Not so where loads or shares of classes are decided, where plans are excluded, where a requirement is relaxed, and
    where slack or the number of instances is minimised or limited.
    """
    problem = data.problem
    return (
        data.minimise in _ADDITIVE
        and data.epsilons.keys() <= _ADDITIVE
        and data.relaxed is None
        and not problem.decides_loads
        and not problem.excluded
        and all(len(workload.requests_per_s) == 1 for workload in problem.workloads)
        and all(math.isfinite(each) for each in plain_prices(problem, pieces_of(problem), data.minimise))
    )


@dataclass(slots=True)
class PatternSearch:
    """The search for the best plan of one program.

    ``run`` solves masters, ``relaxations`` their linear programs and ``completions`` what is there to start from.
    Prices begin at those ``remembered``, which are kept there.
    """

    data: FleetProgramData
    speed_factor: float
    run: Run
    relaxations: Run
    completions: Run
    report: Report | None = None
    remembered: Remembered = field(default_factory=Remembered)

    def search(self, enough: float | None = None) -> Found | None:
        """The best plan that was found, with its bound; ``None`` where patterns say nothing.

        ``enough``: any plan with no more of the objective will do.

        Raises
        ------
        NoPlan
            No plan has as little as is enough.
        Stopped
            A limit or an interrupt ended the search before there was a plan.
        """
        enough = None if enough is None else beyond(enough, enough)
        most = math.inf if enough is None else enough
        asked = priced_program(self.data, self.speed_factor, self.relaxations, self.remembered, most)
        if asked is None:
            return None
        pieces, workloads, prices = asked
        masters = _Masters(self, pieces, workloads, prices, enough)
        masters.refute_above(prices.bound)
        found = masters.best()
        if found is not None:
            masters.refute_above(found.bound)
        return found


@dataclass(slots=True)
class _Masters:
    """Labels, and masters over more and more vectors, at given prices; a plan with no more than ``enough`` will do."""

    search: PatternSearch
    pieces: Pieces
    workloads: Sequence[Takes]
    prices: Priced
    enough: float | None = None

    def refute_above(self, bound: float) -> None:
        """End the search where no plan has less than a bound, if that is more than what is enough."""
        if self.enough is not None and bound > self.enough:
            raise NoPlan

    def _is_enough(self, found: Found | None) -> bool:
        return found is not None and self.enough is not None and found.plan.value <= self.enough

    def best(self) -> Found | None:
        """The best plan; where the search ends early, at the least that of the cheapest vector of each workload."""
        first = None if self.enough is None else self._first()
        if self._is_enough(first):
            return first
        try:
            return self._by_labels() or first or self._first()
        except Stopped:
            first = first or self._first()
            if first is None:
                raise
            return replace(first, stopped=True)

    def _first(self) -> Found | None:
        """The plan of the cheapest vector of each workload."""
        return self._of_one_each([each.least(self.prices.prices)[1] for each in self.workloads])

    def _of_one_each(self, vectors: Sequence[Vectors]) -> Found | None:
        """The plan of one vector a workload, if the pools hold it: nothing is chosen, so no interrupt need end that."""
        master = Master(self.search.data, self.pieces, dict(enumerate(vectors)))
        model = build_master_program(master)
        run = Run(self.search.run.config)
        solution = run.solve(model)
        self.search.run.count(run)
        if not solution.has_incumbent:
            return None
        plan = decided_plan(self.search.data, self.search.speed_factor, read_master_decision(model, master))
        return Found(plan, self.prices.bound, (model.nvariables(), model.nconstraints()), False)

    def _by_labels(self) -> Found | None:
        """The best plan by labels, which prove it; where they are too many, or limits forbid it, by masters as well."""
        choice = self._chosen()
        if choice is None:
            return self.solved(0.0)
        self.refute_above(choice.bound)
        good = None
        if choice.vectors is not None:
            good = self._of_one_each([each.at(np.array([row])) for each, row in choice.vectors])
        near = _NEAR if self.search.run.config.accepted_gap is not None else 0.0
        if good is not None:
            good = replace(good, bound=min(good.plan.value, choice.bound))
            if self._is_enough(good):
                return good
            if self._is_within(good, max(CLOSED, near)):
                return good
        try:
            found = self.solved(near)
        except Stopped:
            if good is None:
                raise
            return replace(good, stopped=True)
        both = [each for each in (good, found) if each is not None]
        if not both:
            return self._by_branches(None, choice.bound)
        best = min(both, key=lambda each: each.plan.value)
        bound = max(choice.bound, *(each.bound for each in both))
        best = replace(best, bound=min(best.plan.value, bound), stopped=any(each.stopped for each in both))
        done = best.stopped or self._is_enough(best) or self._is_within(best, max(CLOSED, near))
        return best if done else self._by_branches(best, best.bound)

    @staticmethod
    def _is_within(found: Found, gap: float) -> bool:
        return found.plan.value - found.bound <= gap * abs(found.plan.value)

    def _by_branches(self, known: Found | None, least: float) -> Found | None:
        """The best plan of the branches by what a large workload takes; the known one where these are too many.

        No plan has less than the ``least``.
        """
        if self.enough is not None:
            return self._best_of_branches(known, least, self.enough)
        if known is not None:
            return self._best_of_branches(known, least, known.plan.value)
        for most in (times * abs(least) for times in _BEYOND_LEAST):
            found = self._best_of_branches(None, least, most)
            if found is not None and found.plan.value > most:
                # Branches that have plans in between were not looked at.
                found = self._best_of_branches(found, found.bound, found.plan.value)
            if found is not None:
                return found
        return None

    def _best_of_branches(self, known: Found | None, least: float, most: float) -> Found | None:
        """The best plan of the branches that may have one with no more than ``most``, or the known one."""
        search, best, bound = self.search, known, math.inf
        large = large_workload(self.workloads, self.prices, most)
        if large is None:
            return known
        branches = Branches(search.data, self.pieces, self.workloads, self.prices, large, search.relaxations, most)
        try:
            for branch in branches.open():
                try:
                    found = _Masters(search, self.pieces, branch.workloads, branch.prices, self.enough).best()
                except NoPlan:
                    continue
                bound = min(bound, branch.prices.bound if found is None else found.bound)
                if found is not None and (best is None or found.plan.value < best.plan.value):
                    best = replace(found, bound=least)
                    branches.most = min(most, found.plan.value)
                if self._is_enough(best):
                    return best
        except TooMany:
            return best
        except Stopped:
            if best is None:
                raise
            return replace(best, stopped=True)
        # All other branches have more than what is enough, or than the best plan.
        self.refute_above(bound)
        bound = max(least, min(bound, branches.most))
        return None if best is None else replace(best, bound=min(best.plan.value, bound))

    def _chosen(self) -> Choice | None:
        search = self.search
        somewhat_more = _BEYOND_LEAST[0] * self.prices.bound
        asked = somewhat_more if self.enough is None else max(somewhat_more, self.enough)
        branches = large_workload(self.workloads, self.prices, asked) is not None
        most, pairs = math.inf if self.enough is None else self.enough, _FEW_PAIRS if branches else math.inf
        return best_choice(search.data, self.pieces, self.prices, self._all_within, search.run.ask, most, pairs)

    def solved(self, near: float) -> Found | None:
        """Solve a master over few vectors, and then one over all that a better plan can have, as far as they go.

        The first one is enough where it leaves a gap of ``near`` at most.
        """
        listed, slack = self._listed()
        few, found = slack, None
        if listed is not None:
            few = self._cut(listed, slack, self._enough)
            found = self._solve(self._up_to(listed, few), few, None, share=0.25)
            if found is None and few < slack:
                few = slack
                found = self._solve(listed, slack, None, share=0.25)
        if listed is None or found is None:
            # Any vectors do for a plan; what is proven is the bound of the prices.
            return self._solve(dict(enumerate(self.prices.known)), 0.0, None, share=0.5)
        if found.stopped:
            return found
        if self._is_within(found, max(CLOSED, near)):
            return found
        needed = beyond(found.plan.value - self.prices.bound, self.prices.bound)
        if needed <= few:
            return found
        for asked in (needed, math.sqrt(needed * slack)):
            if asked > slack and (wider := self._within(asked)) is not None:
                listed, slack = wider, asked
                break
        wide = min(needed, self._cut(listed, slack, _MOST))
        return found if wide <= few else self._solve(self._up_to(listed, wide), wide, found, share=0.75)

    @property
    def _enough(self) -> int:
        return max(_FIRST[0], _FIRST[1] * len(self.workloads))

    def _listed(self) -> tuple[dict[int, Vectors] | None, float]:
        """Vectors within a slack that leaves enough of them for the first master, and that slack."""
        slack = 1e-5 * max(1.0, abs(self.prices.bound))
        found, enough = self._within(slack), self._enough
        while found is not None and sum(map(len, found.values())) < enough:
            wider = self._within(3.0 * slack) if slack < abs(self.prices.bound) else None
            if wider is None:
                break
            found, slack = wider, 3.0 * slack
        return found, slack

    def _cut(self, listed: Mapping[int, Vectors], slack: float, number: int) -> float:
        """The slack that about so many of the listed vectors are within."""
        beyond = np.sort(np.concatenate([self._beyond_least(at, each) for at, each in listed.items()]))
        return slack if len(beyond) <= number else min(slack, float(beyond[number]))

    def _up_to(self, listed: Mapping[int, Vectors], slack: float) -> dict[int, Vectors]:
        """Those of the listed vectors that are within a slack."""
        return {at: each.at(self._beyond_least(at, each) <= slack) for at, each in listed.items()}

    def _beyond_least(self, workload: int, vectors: Vectors) -> Floats:
        """What vectors cost beyond the least price of their workload; never too much by a rounding."""
        least = self.prices.least[workload]
        return vectors.taken @ self.prices.prices - least - 1e-9 * max(1.0, abs(least))

    def _within(self, slack: float) -> dict[int, Vectors] | None:
        """Vectors that cost at most ``slack`` beyond the least of their workload; ``None``: too many."""
        try:
            return dict(enumerate(self._all_within(slack)))
        except TooMany:
            return None

    def _all_within(self, slack: float) -> list[Vectors]:
        """The same by workload; raises :class:`TooMany`."""
        found: list[Vectors] = []
        for each, least in zip(self.workloads, self.prices.least, strict=True):
            self.search.run.ask("listing what workloads can take of the pools")
            found.append(each.within(self.prices.prices, least + slack))
            if sum(map(len, found)) > _LISTED:
                raise TooMany
        return found

    def _solve(self, vectors: Mapping[int, Vectors], slack: float, known: Found | None, share: float) -> Found | None:
        """The best plan of some vectors, which are all within a slack.

        A plan either takes some other vector, and has no less than the bound of the prices and the slack; or it is one
        of this master.
        """
        search = self.search
        if len(vectors) < len(self.workloads) or not all(map(len, vectors.values())):
            return known
        master = Master(search.data, self.pieces, vectors)
        model = build_master_program(master)
        size = (model.nvariables(), model.nconstraints())
        start = [] if known is None else self._start(model, master, known.plan)
        solution, stopped = self._run(model, start, share)
        beyond = self.prices.bound + slack
        bound = max(self.prices.bound, min(beyond, -math.inf if solution.bound is None else solution.bound))
        if solution.outcome is Outcome.INFEASIBLE:
            return known
        if not solution.has_incumbent:
            if known is None and stopped:
                raise Stopped(search.run.reason())
            return None if known is None else replace(known, bound=max(known.bound, bound), stopped=stopped)
        plan = decided_plan(search.data, search.speed_factor, read_master_decision(model, master))
        if known is not None and known.plan.value < plan.value:
            plan = known.plan
        if known is not None:
            bound = max(bound, known.bound)
        return Found(plan, bound, size, stopped)

    def _run(self, model: Any, start: list[tuple[Any, float]], share: float) -> tuple[Solution, bool]:
        """Solve a master in a share of the patience, where the configuration has some; and whether the run ended."""
        patience = self.search.run.config.patience_s if self.search.run.config.accepted_gap is not None else None
        run = self.search.run if patience is None else self.search.run.beside(limit_s=share * patience)
        try:
            solution = run.solve(model, start=start, report=self.search.report)
        except Stopped:
            solution = Solution(Outcome.NO_SOLUTION, None, None, 0.0)
        self.search.run.count(run)
        return solution, self.search.run.ended() is not None

    def _start(self, model: Any, master: Master, plan: Plan) -> list[tuple[Any, float]]:
        """All values of a plan, to start a master from; none where its vectors are not among those of the master."""
        chosen = []
        for at, vectors in master.vectors.items():
            mine = [
                count if column.workload == at else 0
                for count, column in zip(plan.counts, self.search.data.problem.columns, strict=True)
            ]
            taken = np.array(mine, dtype=np.int64) @ self.pieces.of_column
            as_small = np.flatnonzero((vectors.taken <= taken).all(axis=1))
            if not len(as_small):
                return []
            chosen.append((at, int(as_small[0])))
        for index, variable in model.takes.items():
            variable.fix(1.0 if index in set(chosen[index[0] : index[0] + 1]) else 0.0)
        try:
            completed = self.search.completions.solve(model)
        except Stopped:
            completed = Solution(Outcome.NO_SOLUTION, None, None, 0.0)
        for variable in model.takes.values():
            variable.unfix()
        return values_of(model) if completed.has_incumbent else []
