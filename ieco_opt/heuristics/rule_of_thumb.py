"""`rule-of-thumb`: what the documentation of serving engines tells their users to do."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass
from itertools import product

import numpy as np

from ieco_opt.catalog.attention import LatentAttention
from ieco_opt.catalog.types import Model, PaperModel
from ieco_opt.design_space.asking import Ask, go_on
from ieco_opt.design_space.families import Family
from ieco_opt.heuristics.coarse_grid import powers_of_two
from ieco_opt.heuristics.interface import Proposals
from ieco_opt.heuristics.pricing import Archive, Decisions, Indices, PricedSpace, offered_families
from ieco_opt.performance.rules import is_deployable
from ieco_opt.results.comparison import Budget
from ieco_opt.scenario import ResolvedScenario
from ieco_opt.solvers.run import Stopped

_ALLOWANCE = 1.2
"""Memory that planners are told to provide, over that of the weights."""


@dataclass(frozen=True, slots=True)
class RuleOfThumb:
    """The fewest ranks of a stage in a node that hold 1.2 times the weights; beyond a node, full nodes as stages.

    Experts are spread over all ranks of a stage. Models with latent attention run it data-parallel over all ranks
    (TP 1), others tensor-parallel (DP 1), as far as the server starts that. Batches are powers of two for each group. A
    draft model, where the scenario has one, proposes as many tokens as it may, and plain decoding is tried beside it.
    Every accelerator, precision and server is tried, with every exchange of experts that the server has.
    """

    name: str = "rule-of-thumb"

    def propose(self, scenario: ResolvedScenario, budget: Budget, ask: Ask = go_on) -> Proposals:  # noqa: ARG002
        """One setup for each accelerator, precision and server, at every power of two; the budget is ignored."""
        # The rule looks at all that a server starts, also at what another one runs alike.
        families = tuple(family for offered in offered_families(scenario, ask) for family in offered)
        space = PricedSpace(scenario, ask, families=families)
        archive = Archive(space, Budget(evaluations=sys.maxsize))
        latent = _is_latent(scenario.model)
        with suppress(Stopped):
            for index, family in enumerate(space.families):
                for tokens, setup in product(sorted({0, max(space.draft_range)}), _setups(family, latent=latent)):
                    batches = powers_of_two(space, index, setup)
                    archive.price(
                        Decisions(index, np.full(len(batches), setup), np.full(len(batches), tokens), batches)
                    )
        return archive.proposals()


def _is_latent(model: Model | PaperModel) -> bool:
    if isinstance(model, PaperModel):
        return model.mla_kv_width is not None
    return any(isinstance(block.attention, LatentAttention) for block in model.blocks)


def _setups(family: Family, *, latent: bool) -> Indices:
    """Rows of the one setup that the rule picks, one for each exchange; two where the paper's rule splits batches."""
    degrees, node = family.setups.degrees, family.accelerator.node_size
    groups = degrees.stage_ranks if latent else np.ones_like(degrees.stage_ranks)
    usual = np.flatnonzero((degrees.attention_data_parallel == groups) & ~degrees.two_dimensional)
    rows = usual if len(usual) else np.arange(len(family.setups))
    weights = family.shape.weights_bytes()
    roomy = rows[degrees.gpus[rows] * family.usable_bytes >= _ALLOWANCE * weights]
    rows = roomy if len(roomy) else rows
    if not len(rows):
        return rows
    ranks, stages = degrees.stage_ranks[rows], degrees.pipeline_parallel[rows]
    within = (ranks <= node) & (stages == 1.0)
    if within.any():
        rows = rows[within & (ranks == ranks[within].min())]
    else:
        widest = ranks[ranks <= node].max() if (ranks <= node).any() else ranks.min()
        fewest = stages[ranks == widest].min()
        rows = rows[(ranks == widest) & (stages == fewest)]
    spread = degrees.expert_parallel[rows]
    widest_spread = spread == spread.max()
    return np.asarray(rows[widest_spread | (not is_deployable(family.shape))])
