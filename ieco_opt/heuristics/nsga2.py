"""`nsga2`: the evolutionary search of Deb and others (2002), as pymoo implements it."""

from __future__ import annotations

import importlib.util
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from ieco_opt.design_space.asking import Ask, go_on
from ieco_opt.errors import ScenarioError
from ieco_opt.heuristics.encoding import Encoding
from ieco_opt.heuristics.interface import Proposals
from ieco_opt.heuristics.pricing import Archive, Indices, PricedSpace
from ieco_opt.performance.collectives import Array
from ieco_opt.results.comparison import Budget
from ieco_opt.scenario import ResolvedScenario
from ieco_opt.solvers.run import Stopped


@dataclass(frozen=True, slots=True)
class Nsga2:
    """Positions in the lists and the logarithm of the batch as genes; latency and cost in logarithms as objectives.

    Batches that do not fit are clipped to what fits, limits are constraints. Proposals come from all that was priced,
    not from the last generation alone.

    Attributes
    ----------
    population
        Individuals of a generation.
    """

    population: int = 100
    name: str = "nsga2"

    def propose(self, scenario: ResolvedScenario, budget: Budget, ask: Ask = go_on) -> Proposals:
        """What no other deployment of any generation dominates.

        Raises
        ------
        ScenarioError
            pymoo is not installed.
        """
        if importlib.util.find_spec("pymoo") is None:
            message = "nsga2 needs pymoo, which is not installed; install it with pip install 'ieco_opt[heuristics]'"
            raise ScenarioError.single(message, field="heuristic")
        space = PricedSpace(scenario, ask)
        archive = Archive(space, budget)
        if len(space.setups()[0]):
            with suppress(Stopped):
                _evolve(Encoding(scenario, space), archive, self.population)
        return archive.proposals()


def _evolve(encoding: Encoding, archive: Archive, population: int) -> None:
    """Breed generations until the budget is spent."""
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.problem import Problem
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM

    rng = np.random.default_rng(archive.budget.seed)
    first = _genes(encoding, *encoding.random(rng, population))
    algorithm = NSGA2(
        pop_size=population,
        sampling=first,
        crossover=SBX(eta=5, prob=0.9),
        mutation=PM(eta=5, prob=1.0, prob_var=1.0 / first.shape[1]),
        eliminate_duplicates=True,
    )
    lower, upper = _bounds(encoding)
    problem = Problem(n_var=len(lower), n_obj=2, n_ieq_constr=1, xl=lower, xu=upper)
    algorithm.setup(problem, termination=("n_gen", np.iinfo(np.int64).max), seed=archive.budget.seed, verbose=False)
    while room := archive.left:
        offspring = algorithm.ask()
        if offspring is None or not len(offspring):
            return
        offspring = offspring[:room]
        _score(encoding, archive, offspring)
        algorithm.tell(infills=offspring)


def _bounds(encoding: Encoding) -> tuple[Array, Array]:
    """Each position is a stretch of length one, so that all values are equally wide."""
    logs = np.log([encoding.least_batch, encoding.most_batch + 1])
    lower = np.array([*np.zeros(len(encoding.sizes)), logs[0]])
    upper = np.array([*(encoding.sizes - 1e-6), logs[1]])
    return lower, upper


def _genes(encoding: Encoding, positions: Indices, batch: Array) -> Array:
    genes = np.column_stack([positions + 0.5, np.log(batch)])
    lower, upper = _bounds(encoding)
    return np.asarray(np.clip(genes, lower, upper))


def _score(encoding: Encoding, archive: Archive, individuals: Any) -> None:
    genes = individuals.get("X")
    scores = encoding.score(archive, np.floor(genes[:, :-1]).astype(np.intp), np.exp(genes[:, -1]))
    individuals.set("F", np.column_stack([scores.log_latency, scores.log_cost]))
    individuals.set("G", scores.violation[:, None])
    individuals.set("H", np.zeros((len(individuals), 0)))
    for individual in individuals:
        individual.evaluated = {"F", "G", "H"}
