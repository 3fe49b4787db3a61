"""An explanation of a plan checked without a solver: every plan in it by its own scenario, and all that follows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ieco_opt.errors import IecoOptError
from ieco_opt.explanation.fleet_choices import Choice, choices_of
from ieco_opt.explanation.fleet_effects import stated_effect
from ieco_opt.explanation.fleet_limits import FleetLimit, is_plenty, limits_of_fleet
from ieco_opt.explanation.fleet_neighbours import Neighbours
from ieco_opt.explanation.fleet_setups import held
from ieco_opt.explanation.fleet_times import token_times
from ieco_opt.fleet.space import FleetSpace
from ieco_opt.results.agreement import differences, same, shown
from ieco_opt.results.encoding import plain
from ieco_opt.results.fleet_explanation import FleetExplanation, FleetLimitEffect, FleetRunnerUp, Relaxed
from ieco_opt.results.plan import FleetPlan
from ieco_opt.scenario import ResolvedFleet, resolve_fleet
from ieco_opt.verification.consistency import of_the_gap
from ieco_opt.verification.plan_figures import PlanModel
from ieco_opt.verification.plans import of_the_plan

UNCHECKED = (
    "that no plan is better than those found without a limit or a choice (their bounds), and none exists where "
    "`plan` is null",
    "that limits which do not bind, without a plan of their own, do not (`binds`), that binding_together is least, and "
    "that no lesser relaxation helps (`least`)",
)

NOT_EXAMINED = "limits, relaxations and runner-ups that the explanation lacks, because its search was ended"


class FleetExplanationModel:
    """The scenarios around a fleet, each priced once where anything is priced otherwise."""

    def __init__(self, resolved: ResolvedFleet) -> None:
        self._fleet = resolved.fleet
        self._near: dict[str, Neighbours] = {}
        self._models: dict[tuple[str, object], tuple[FleetSpace, PlanModel]] = {}

    def near(self, objective: str) -> Neighbours:
        """The fleet with an objective, priced."""
        if objective not in self._near:
            resolved = resolve_fleet(self._fleet.model_copy(update={"objective": objective}))
            self._near[objective] = Neighbours.of(resolved, objective)
        return self._near[objective]

    def problems(self, result: FleetExplanation) -> Iterator[str]:
        """What is wrong beside the plan that is explained, whose rows are known to be right."""
        try:
            near = self.near(result.objective)
            times, sources = token_times(near.base, result.plan)
            expected = {"held": held(near.base, result.plan), "times": times, "sources": sources}
        except IecoOptError as error:
            yield str(error)
            return
        found = {name: getattr(result, name) for name in expected}
        yield from map(str, differences(plain(found), plain(expected)))
        yield from self._limits(result, near)
        yield from self._together(result, near)
        yield from self._runner_ups(result, near)

    def _limits(self, result: FleetExplanation, near: Neighbours) -> Iterator[str]:
        limits = limits_of_fleet(near.resolved)
        named = [effect.limit for effect in result.limits]
        if named != [limit.name for limit in limits]:
            expected = ", ".join(limit.name for limit in limits)
            yield f"limits: found {', '.join(named) or 'none'}, expected {expected}"
            return
        for at, (limit, effect) in enumerate(zip(limits, result.limits, strict=True)):
            problems = self._effect(result, near, limit, effect)
            yield from (f"limits[{at}]: {problem}" for problem in problems)

    def _effect(
        self, result: FleetExplanation, near: Neighbours, limit: FleetLimit, effect: FleetLimitEffect
    ) -> Iterator[str]:
        stated = stated_effect(limit, near, result.plan)
        figures = {name: getattr(stated, name) for name in ("value", "unit", "reached")}
        yield from map(str, differences({name: getattr(effect, name) for name in figures}, figures))
        if self._is_endless(result, near, limit):
            # Of a search that was ended nothing need be known.
            if effect.binds is False or (effect.binds is None and result.stopped is None):
                yield f"binds: found {shown(effect.binds)}, though there is no end to what is served without it"
        elif effect.binds and effect.removed is None:
            yield "removed: found null of a limit that binds"
        if effect.removed is not None:
            if not effect.binds:
                yield f"binds: found {shown(effect.binds)} with a better plan without it"
            yield from self._relaxed(result, near, limit, effect.removed, "removed")
        if effect.least is not None:
            yield from self._relaxed(result, near, limit, effect.least, "least")

    def _is_endless(self, result: FleetExplanation, near: Neighbours, limit: FleetLimit) -> bool:
        if result.objective != "throughput" or not is_plenty(limit, near.resolved):
            return False
        return near.is_endless(near.space(limit.without(near.fleet)), result.plan.demand_factor)

    def _relaxed(
        self, result: FleetExplanation, near: Neighbours, limit: FleetLimit, relaxed: Relaxed, name: str
    ) -> Iterator[str]:
        """A plan under a looser limit: that it is one, that it is better, and what the limit must be for it."""
        if (relaxed.value is None) != (name == "removed"):
            yield f"{name}: value: found {shown(relaxed.value)}"
            return
        if relaxed.value is not None:
            reached = limit.reached(near.resolved, relaxed.plan)
            if not same(relaxed.value, reached):
                yield f"{name}: value: found {shown(relaxed.value)}, its plan comes to {shown(reached)}"
                return
        if not near.is_better(relaxed.plan.objective, result.plan.objective):
            yield f"{name}: plan: is not better than the plan that is explained"
        gain = near.gain(relaxed.plan, result.plan)
        if not same(relaxed.gain, gain, near_zero=True):
            yield f"{name}: gain: found {shown(relaxed.gain)}, the plans give {shown(gain)}"
        value: Any = limit.free if relaxed.value is None else relaxed.value
        if limit.kind.is_whole and relaxed.value is not None:
            value = int(relaxed.value)
        key = (result.objective, (limit.name, value))
        if key not in self._models:
            space = near.space(limit.changed(near.fleet, value))
            self._models[key] = (space, PlanModel(space.resolved, space.candidates))
        problems = self._plan(result, key, relaxed.plan)
        yield from (f"{name}: plan: {problem}" for problem in problems)

    def _plan(self, result: FleetExplanation, key: tuple[str, object], plan: FleetPlan) -> Iterator[str]:
        """A plan of another scenario, as that of a result of its own."""
        space, model = self._models[key]
        alone = replace(result.as_result(), plans=(plan,))
        for name in ("levels", "next_cheaper"):
            if getattr(plan, name):
                yield f"{name}: found some, expected none of a plan beside the one that is explained"
        yield from of_the_plan(alone, space.resolved, plan)
        yield from of_the_gap(plan, unsure=False)
        yield from model.problems(plan)

    def _together(self, result: FleetExplanation, near: Neighbours) -> Iterator[str]:
        named = [limit.name for limit in limits_of_fleet(near.resolved)]
        found = result.binding_together
        if list(found) != [name for name in named if name in found] or len(found) == 1:
            yield f"binding_together: found {', '.join(found)}, expected several limits in their order"
        elif found and any(effect.binds for effect in result.limits):
            yield "binding_together: found some, though a limit binds alone"

    def _runner_ups(self, result: FleetExplanation, near: Neighbours) -> Iterator[str]:
        choices = list(choices_of(near.resolved, result.plan))
        found = [(each.workload, each.choice, each.without, each.others) for each in result.runner_ups]
        workloads = near.fleet.workloads
        expected = [(workloads[each.at].name, each.kind, each.without, each.others) for each in choices]
        # A search that was ended has come so far, from the front.
        if found != (expected if result.stopped is None else expected[: len(found)]):
            names = [f"{kind} {without} of {workload}" for workload, kind, without, _ in expected]
            yield f"runner_ups: workload, choice, without, others: expected {', '.join(names) or 'none'}"
            return
        for at, (choice, each) in enumerate(zip(choices, result.runner_ups, strict=False)):
            yield from (f"runner_ups[{at}]: {problem}" for problem in self._runner_up(result, near, choice, each))

    def _runner_up(
        self, result: FleetExplanation, near: Neighbours, choice: Choice, each: FleetRunnerUp
    ) -> Iterator[str]:
        if each.plan is None:
            return
        serving = {summary.workload: summary.serving for summary in each.plan.workloads}
        rows = [row for row in each.plan.instances if row.workload == each.workload]
        if any(choice.is_made_by(row, serving.get(each.workload, "")) for row in rows):
            yield f"plan: makes the choice that it is to do without ({choice.without})"
        loss = near.loss(each.plan, result.plan)
        if not same(each.loss, loss, near_zero=True):
            yield f"loss: found {shown(each.loss)}, the plans give {shown(loss)}"
        key = (result.objective, (choice.at, choice.kind, choice.without))
        if key not in self._models:
            space = choice.space(near)
            self._models[key] = (space, PlanModel(space.resolved, space.candidates))
        yield from (f"plan: {problem}" for problem in self._plan(result, key, each.plan))
