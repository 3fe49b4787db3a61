"""An explanation computed again: the search of all configurations needs no solver."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ieco_opt.errors import SolverError
from ieco_opt.explanation.explainer import pick_of
from ieco_opt.explanation.infeasible_subset import infeasible_subset_of
from ieco_opt.explanation.search import Goal, best
from ieco_opt.explanation.sensitivity import (
    Question,
    binding_together,
    limit_effects,
    margin_cost,
    runner_ups,
    times_of,
)
from ieco_opt.performance.energy import Measure
from ieco_opt.results.agreement import differences
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.encoding import plain
from ieco_opt.results.explanation import Explanation
from ieco_opt.verification.everything import Everything

UNCHECKED = "that the solver confirmed the optimum of the explanation (`confirmed`); without it, it was found again"

NOT_EXAMINED = "limits and runner-ups that the explanation lacks, because its search was ended"


class ExplanationModel:
    """The explanations of a scenario, each computed once."""

    def __init__(self, everything: Everything) -> None:
        self._everything = everything
        self._known: dict[tuple[object, ...], dict[str, Any] | str] = {}

    def problems(self, result: Explanation) -> Iterator[str]:
        """Parts of an explanation that come out otherwise."""
        asked = (result.question.objective or "fastest", result.question.preference or 0.0)
        winner = tuple(
            (each.accelerator, each.weights, each.kv_cache, each.parallelism, each.draft_tokens, each.draft, each.batch)
            for each in result.deployments
        )
        key = (*asked, winner)
        if key not in self._known:
            goal = Goal(*asked)
            question = Question(self._everything.pool.measuring(goal.measure), self._everything.bounds, goal)
            self._known[key] = _explained(question, result.deployments)
        expected = self._known[key]
        if isinstance(expected, str):
            yield expected
            return
        found = plain({name: getattr(result, name) for name in expected})
        if result.stopped is not None:
            expected = {name: _examined(entry, found[name]) for name, entry in expected.items()}
        yield from map(str, differences(found, expected))


def _examined(expected: Any, found: Any) -> Any:
    """As much of a list as an explanation that was ended had come to; it is examined from the front."""
    return expected[: len(found)] if isinstance(expected, list) and isinstance(found, list) else expected


def _explained(question: Question, deployments: Sequence[Deployment]) -> dict[str, Any] | str:
    """What an explanation of the scenario says, in the form of files; or why the deployment is not its optimum."""
    exact = best(question.pool, question.bounds, question.goal)
    nothing: dict[str, Any] = {"times": (), "limits": (), "binding_together": (), "runner_ups": ()}
    if exact is None:
        if deployments:
            return "deployments: found one, though no deployment meets the limits"
        subset, margin = infeasible_subset_of(question), margin_cost(question, None)
        return dict(plain(nothing | {"infeasible_subset": subset, "margin": margin}))
    measure = question.pool.measure
    taken = f"${exact.cost:.9g} per million tokens" if measure is Measure.COST else f"{exact.cost:.9g} {measure.unit}"
    there = f"there is a deployment of {1.0 / exact.latency_s:.9g} tokens/s at {taken}"
    if not deployments:
        return f"infeasible_subset: the scenario is feasible: {there}"
    try:
        winner = pick_of(question.pool, deployments[0])
    except SolverError as error:
        return f"deployments[0]: {error}"
    if question.goal.beats(exact, winner):
        return f"question.objective: the deployment is not the one that is {question.goal.objective}: {there}"
    effects = tuple(limit_effects(question, winner))
    alone = any(effect.binds for effect in effects)
    return dict(
        plain(
            {
                "times": times_of(question.pool, winner),
                "limits": effects,
                "binding_together": () if alone else binding_together(question, winner),
                "runner_ups": tuple(runner_ups(question, winner)),
                "infeasible_subset": None,
                "margin": margin_cost(question, winner),
            }
        )
    )
