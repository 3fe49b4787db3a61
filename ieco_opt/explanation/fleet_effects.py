"""What each limit of a fleet costs and who comes next, each by solving the fleet again with one thing changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ieco_opt.errors import ScenarioError
from ieco_opt.explanation.fleet_choices import Choice, choices_of
from ieco_opt.explanation.fleet_limits import FleetLimit, LimitKind, is_plenty, limits_of_fleet
from ieco_opt.explanation.fleet_neighbours import Found, Neighbours, Solver
from ieco_opt.fleet.space import FleetSpace
from ieco_opt.results.agreement import EXACT
from ieco_opt.results.fleet_explanation import FleetLimitEffect, FleetRunnerUp, Relaxed
from ieco_opt.results.plan import FleetPlan
from ieco_opt.solvers.run import Stopped

_PRECISION = 1.001
"""Ratio of two values of a limit up to which the least relaxation is known."""

_MOST_STEPS = 4
"""Times that a plan may turn out to need even less than what it was looked for with."""


@dataclass(frozen=True, slots=True)
class Effects:
    """Questions about one plan: its fleet with one thing changed, solved again."""

    solver: Solver
    base: FleetPlan

    @property
    def near(self) -> Neighbours:
        """The scenarios around."""
        return self.solver.near

    @property
    def limits(self) -> tuple[FleetLimit, ...]:
        """Limits of the fleet."""
        return limits_of_fleet(self.near.resolved)

    def effects(self) -> Iterator[FleetLimitEffect | Stopped]:
        """Each limit left out, or why a solve of it ended where only that one did.

        Raises
        ------
        Stopped
            There is no time for any other.
        """
        limits = self.limits
        for number, limit in enumerate(limits, start=1):
            self.solver.asked.run.ask(f"limit {number} of {len(limits)}: {limit.name} left out")
            try:
                yield self._effect(limit)
            except Stopped as stop:
                if self.solver.asked.run.ended() is not None:
                    raise
                yield stop

    def _effect(self, limit: FleetLimit) -> FleetLimitEffect:
        effect = stated_effect(limit, self.near, self.base)
        found = self._freed([limit])
        if found is None:
            return replace(effect, binds=True)
        binds = self.near.binds(self.base, found)
        if not binds:
            return replace(effect, binds=binds)
        plan = found.described()
        return replace(effect, binds=True, removed=Relaxed(value=None, plan=plan, gain=self.near.gain(plan, self.base)))

    def _freed(self, limits: Iterable[FleetLimit]) -> Found | None:
        """The best plan without some limits; ``None``: there is no end to how good one could be."""
        fleet, plenty = self.near.fleet, False
        for limit in limits:
            fleet = limit.without(fleet)
            plenty |= is_plenty(limit, self.near.resolved)
        space = self.near.space(fleet)
        if plenty and self.near.is_endless(space, self.base.demand_factor):
            return None
        found = self.solver.best(space, closed_forms=True)
        # A plan of the fleet is one of the looser fleet.
        assert found is not None
        return found

    def least(self, limit: FleetLimit, effect: FleetLimitEffect) -> Relaxed | None:
        """The least relaxation of a limit that binds with which a plan is better; ``None``: not known."""
        stated = effect.value
        if not effect.binds or not limit.has_reach or not isinstance(stated, int | float):
            return None
        self.solver.asked.run.ask(f"the least relaxation of {limit.name}")
        if effect.removed is not None:
            found = self._settled(limit, effect.removed.plan)
        else:
            found = self._first_better(limit, float(stated))
        if found is None:
            return None
        tight, (value, best) = float(stated), found
        while not self._is_narrow(limit, tight, value):
            middle = self._between(limit, tight, value)
            plan = self._better(limit, middle)
            if plan is None:
                tight = middle
                continue
            settled = self._settled(limit, plan)
            if settled is None:
                return None
            value, best = settled
        return Relaxed(value=value, plan=best, gain=self.near.gain(best, self.base))

    def _first_better(self, limit: FleetLimit, stated: float) -> tuple[float, FleetPlan] | None:
        """A better plan with more of a capacity, which is doubled until there is one."""
        assert limit.at is not None
        size, more = self.near.resolved.pools[limit.at].node_size, 1
        while stated + more * size <= float(limit.free or 0):
            plan = self._better(limit, (stated // size + more) * size)
            if plan is not None:
                return self._settled(limit, plan)
            more *= 2
        return None

    def _better(self, limit: FleetLimit, value: float) -> FleetPlan | None:
        found = self.solver.best(self._space(limit, value), closed_forms=True)
        better = found is not None and self.near.is_better(found.objective, self.base.objective)
        return found.described() if found is not None and better else None

    def _space(self, limit: FleetLimit, value: float) -> FleetSpace:
        return self.near.space(limit.changed(self.near.fleet, int(value) if limit.kind.is_whole else value))

    def _settled(self, limit: FleetLimit, plan: FleetPlan) -> tuple[float, FleetPlan] | None:
        """A value that a plan that is better comes to itself, and the best plan with it; ``None``: none settles."""
        for _ in range(_MOST_STEPS):
            value = limit.reached(self.near.resolved, plan)
            found = None if value is None else self._better(limit, value)
            if value is None or found is None:
                return None
            again = limit.reached(self.near.resolved, found)
            if again is not None and abs(again - value) <= EXACT * value:
                return value, found
            plan = found
        return None

    def _is_narrow(self, limit: FleetLimit, tight: float, value: float) -> bool:
        if limit.kind.is_whole:
            return value - tight <= self._step(limit)
        low, high = sorted((tight, value))
        return low > 0.0 and high / low <= _PRECISION

    def _between(self, limit: FleetLimit, tight: float, value: float) -> float:
        middle = (tight + value) / 2.0
        if not limit.kind.is_whole:
            return middle
        step = self._step(limit)
        return max(tight + step, middle // step * step) if limit.kind is LimitKind.CAPACITY else middle // 1

    def _step(self, limit: FleetLimit) -> int:
        """GPUs that are told apart: whole nodes of a pool that is billed so."""
        if limit.kind is not LimitKind.CAPACITY or limit.at is None:
            return 1
        pool = self.near.resolved.pools[limit.at]
        return pool.node_size if pool.by_node else 1

    def together(self, effects: Sequence[FleetLimitEffect]) -> tuple[str, ...]:
        """Limits that bind together where none does alone: without all of them a plan is better, not without fewer."""
        if any(effect.binds is not False for effect in effects):
            return ()
        self.solver.asked.run.ask("limits that bind together")
        left = list(self.limits)
        if not self._frees(left):
            return ()
        for limit in self.limits:
            fewer = [each for each in left if each != limit]
            if self._frees(fewer):
                left = fewer
        return tuple(limit.name for limit in left)

    def _frees(self, limits: Sequence[FleetLimit]) -> bool:
        found = self._freed(limits)
        return found is None or self.near.is_better(found.objective, self.base.objective)

    def runner_ups(self) -> Iterator[FleetRunnerUp]:
        """The best plan without each choice."""
        choices = list(choices_of(self.near.resolved, self.base))
        for number, choice in enumerate(choices, start=1):
            self.solver.asked.run.ask(f"runner-up {number} of {len(choices)}: without {choice.without}")
            yield self._runner_up(choice)

    def _runner_up(self, choice: Choice) -> FleetRunnerUp:
        try:
            found = self.solver.best(choice.space(self.near))
            plan = None if found is None else found.described()
        except ScenarioError:
            # What is left is refused: no server or card takes it.
            plan = None
        return FleetRunnerUp(
            workload=self.near.fleet.workloads[choice.at].name,
            choice=choice.kind,
            without=choice.without,
            others=choice.others,
            plan=plan,
            loss=None if plan is None else self.near.loss(plan, self.base),
        )


def stated_effect(limit: FleetLimit, near: Neighbours, plan: FleetPlan) -> FleetLimitEffect:
    """What a scenario says of a limit, and how far a plan goes; nothing is known of what it costs."""
    value = limit.value
    if limit.kind is LimitKind.BILLING:
        assert limit.at is not None
        value = near.resolved.pools[limit.at].node_size
    return FleetLimitEffect(
        limit=limit.name,
        value=None if isinstance(value, str) else value,
        unit=limit.unit,
        reached=limit.reached(near.resolved, plan),
        binds=None,
        removed=None,
        least=None,
    )
