"""Heuristics: what each is meant to propose, and that what it claims is what the performance model says."""

from __future__ import annotations

import csv
from dataclasses import replace
from importlib import metadata
from typing import Any

import numpy as np
import pytest
from places import DATA

from ieco_opt import Scenario, ScenarioError, evaluate, heuristics
from ieco_opt.comparison.deployability import judge
from ieco_opt.heuristics import NO_SERVER, Budget, Proposals
from ieco_opt.heuristics.coarse_grid import powers_of_two
from ieco_opt.heuristics.encoding import Encoding
from ieco_opt.heuristics.interface import joined, nondominated
from ieco_opt.heuristics.paper_grid import PaperGrid
from ieco_opt.heuristics.pricing import Decisions, PricedSpace, families_of, no_proposals
from ieco_opt.heuristics.registry import chosen
from ieco_opt.heuristics.rounded_grid import RoundedGrid, _neighbours
from ieco_opt.performance.pass_time import pass_time
from ieco_opt.scenario import ResolvedScenario, resolve

LAUNCHABLE = ("rounded-grid", "rule-of-thumb", "coarse-grid", "coordinate-descent", "random", "nsga2")
SEARCHES = ("coordinate-descent", "random", "nsga2")


def scenario(**changes: Any) -> Scenario:
    fields: dict[str, Any] = {
        "model": "Llama-3.3-70B",
        "weights": ["fp8"],
        "accelerators": ["H100-SXM"],
        "workload": {"context_tokens": 2000, "output_tokens": 500},
        "design_space": {
            "stage_ranks": [1, 2, 4, 8, 16],
            "pipeline_parallel": [1, 2],
            "attention_data_parallel": [1, 2, 4],
            "batch": {"min": 1, "max": 512},
            "max_gpus": 32,
        },
    }
    # Fidelity paper has no profile.
    published = {} if "fidelity" in changes else {"profile": "paper-constants"}
    return Scenario(**(fields | published | changes))


SPECULATION = {"draft_model": "Llama-3.2-1B", "acceptance": 0.7, "max_draft_tokens": 4}
PAPER = {"fidelity": "paper", "model": "Llama 3 70B 8-bit", "accelerators": ["H100"], "weights": []}
EXPERTS = {
    "model": "Mixtral-8x7B",
    "weights": ["bf16", "fp8"],
    "accelerators": ["H100-SXM", "A100-SXM-80GB"],
    "limits": {"max_power_kw": 8, "min_speed": 15, "max_cost": 30},
}
PAPER_EXPERTS = PAPER | {"model": "DeepSeek V3", "workload": {"context_tokens": 1000}}
LISTED = {"design_space": {"stage_ranks": [2, 4, 6, 8], "batch": [1, 3, 20, 100]}}


def propose(name: str, wanted: Scenario, budget: Budget | None = None) -> Proposals:
    (heuristic,) = chosen([name], resolution=24)
    return heuristic.propose(resolve(wanted), budget or Budget(evaluations=600))


@pytest.mark.parametrize(
    "changes",
    [{}, {"speculation": SPECULATION}, PAPER, EXPERTS, PAPER_EXPERTS, LISTED],
    ids=["dense", "speculation", "paper", "experts and limits", "paper experts", "listed batches"],
)
@pytest.mark.parametrize("name", LAUNCHABLE)
def test_launchable_proposals_are_worth_what_is_claimed(name: str, changes: dict[str, Any]) -> None:
    wanted = scenario(**changes)
    proposals = propose(name, wanted)
    verdicts = judge(resolve(wanted), proposals)
    assert len(proposals)
    assert [reasons for reasons in verdicts.reasons if reasons] == []
    assert verdicts.latency_s == pytest.approx(proposals.latency_s, rel=1e-9)
    assert verdicts.cost_usd_per_mtok == pytest.approx(proposals.cost_usd_per_mtok, rel=1e-9)
    assert len(nondominated(proposals.latency_s, proposals.cost_usd_per_mtok)) == len(proposals)


@pytest.mark.parametrize("name", SEARCHES)
def test_searches_keep_to_their_budget_and_their_seed(name: str) -> None:
    wanted = scenario(speculation=SPECULATION)
    first, again, other = (propose(name, wanted, Budget(evaluations=250, seed=seed)) for seed in (7, 7, 8))
    assert first.evaluations == again.evaluations == other.evaluations == 250
    assert first.latency_s.tolist() == again.latency_s.tolist()
    assert first.latency_s.tolist() != other.latency_s.tolist()


@pytest.mark.parametrize("name", SEARCHES)
def test_searches_end_when_time_is_up(name: str) -> None:
    proposals = propose(name, scenario(), Budget(evaluations=10**9, seconds=0.2))
    assert 0 < proposals.evaluations < 10**7


@pytest.mark.parametrize("name", heuristics.BUILT_IN)
def test_a_model_that_fits_nowhere_gets_no_proposals(name: str) -> None:
    assert len(propose(name, scenario(design_space={"stage_ranks": [1], "max_gpus": 1}, weights=["bf16"]))) == 0


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"evaluations": 0}, "budget.evaluations"),
        ({"seconds": 0.0}, "budget.seconds"),
        ({"seed": -1}, "budget.seed"),
    ],
)
def test_budgets_are_checked(fields: dict[str, Any], expected: str) -> None:
    with pytest.raises(ScenarioError, match=expected):
        Budget(**fields)


def test_rule_of_thumb_takes_the_smallest_degree_in_a_node_with_room_for_the_cache() -> None:
    # 70.6 GB of weights and a fifth more do not fit in 72 GB, but do in twice that.
    proposals = propose("rule-of-thumb", scenario())
    assert set(proposals.degrees.tensor_parallel) == {2.0}
    assert set(proposals.degrees.pipeline_parallel) == set(proposals.degrees.attention_data_parallel) == {1.0}
    assert all(float(np.log2(batch)).is_integer() for batch in proposals.batch)


def test_rule_of_thumb_fills_a_node_before_it_adds_stages() -> None:
    # 810 GB of weights need 16 GPUs of 72 GB: two nodes of eight.
    proposals = propose("rule-of-thumb", scenario(model="Llama-3.1-405B", weights=["bf16"]))
    assert {*zip(proposals.degrees.tensor_parallel, proposals.degrees.pipeline_parallel, strict=True)} == {(8.0, 2.0)}


def test_rule_of_thumb_runs_latent_attention_data_parallel_and_spreads_the_experts() -> None:
    space = {
        "stage_ranks": [8, 16],
        "pipeline_parallel": [1],
        "attention_data_parallel": [1, 8, 16],
        "batch": {"min": 1, "max": 1024},
    }
    wanted = scenario(model="DeepSeek-V3", accelerators=["H200-SXM"], design_space=space)
    degrees = propose("rule-of-thumb", wanted).degrees
    assert set(degrees.stage_ranks) == set(degrees.attention_data_parallel) == set(degrees.expert_parallel) == {8.0}


GROUPED = {
    "model": "gpt-oss-120b",
    "weights": ["mxfp4"],
    "design_space": {
        "stage_ranks": [4, 8],
        "pipeline_parallel": [1, 3],
        "attention_data_parallel": [1, 4],
        "batch": {"min": 5, "max": 500},
        "max_gpus": 24,
    },
}
"""A model whose experts servers exchange in several ways; with groups of 1, 3, 4 and 12."""


def test_coarse_grid_probes_powers_of_two() -> None:
    proposals = propose("coarse-grid", scenario(engine="none"))
    assert set(proposals.batch) <= {2.0**power for power in range(10)}
    # 16 degrees hold a batch, each at up to ten powers of two.
    assert proposals.evaluations <= 10 * 30


@pytest.mark.parametrize("engine", ["any", "none"])
def test_coarse_grid_probes_powers_of_two_of_whole_groups(engine: str) -> None:
    space = PricedSpace(resolve(scenario(**GROUPED, engine=engine)))
    steps = set()
    for index, family in enumerate(space.families):
        for row in range(len(family.setups)):
            step = int(family.setups.degrees.groups[row])
            least, most = int(family.setups.batch_min[row]), int(family.setups.batch_max[row])
            expected = [step * 2**power for power in range(10) if least <= step * 2**power <= most]
            assert powers_of_two(space, index, row).tolist() == expected
            steps.add(step)
    assert steps == {1, 3, 4, 12}


@pytest.mark.parametrize("name", LAUNCHABLE)
def test_batches_are_whole_groups(name: str) -> None:
    found = propose(name, scenario(**GROUPED))
    assert len(found)
    assert (found.batch % found.degrees.groups == 0).all()


@pytest.mark.parametrize("batches", [{"min": 5, "max": 500}, [7, 12, 30, 36, 100]])
def test_a_batch_is_clipped_to_the_nearest_of_whole_groups(batches: Any) -> None:
    space = PricedSpace(resolve(scenario(**GROUPED | {"design_space": GROUPED["design_space"] | {"batch": batches}})))
    for index, family in enumerate(space.families):
        for row in np.flatnonzero(family.setups.batch_step == 12):
            wanted = np.array([0.3, 17.9, 18.1, 29.0, 1e6])
            clipped = space.clipped(index, np.full(5, row), wanted).tolist()
            assert clipped[:4] == ([12, 12, 24, 24] if isinstance(batches, dict) else [12, 12, 36, 36])
            prices = space.price(Decisions(index, np.full(3, row), np.zeros(3, dtype=np.intp), np.array([12, 13, 30])))
            assert np.isfinite(prices.latency_s).tolist() == [True, False, False]
            return
    pytest.fail("no setup of twelve groups")


def test_every_setup_has_a_place_of_its_own_whatever_its_exchange() -> None:
    wanted = resolve(scenario(**GROUPED))
    space = PricedSpace(wanted)
    encoding = Encoding(wanted, space)
    family, setup = space.setups()
    exchanges = [
        space.families[one].setups.degrees.spread.exchange[row] for one, row in zip(family, setup, strict=True)
    ]
    assert len(set(exchanges)) == 3
    positions = np.zeros((len(setup), len(encoding.sizes)), dtype=np.intp)
    for row, (one, place) in enumerate(zip(family, setup, strict=True)):
        positions[row, :6] = one, *encoding._place(int(one), int(place))
    assert (positions < encoding.sizes).all()
    for one in np.unique(family):
        rows = family == one
        assert encoding.setups_of(int(one), positions[rows], np.ones(rows.sum())).tolist() == setup[rows].tolist()


def test_proposals_name_the_server_they_were_priced_on() -> None:
    wanted = resolve(scenario(**GROUPED))
    for name in LAUNCHABLE:
        found = propose(name, scenario(**GROUPED))
        assert ((found.engine >= 0) & (found.engine < len(wanted.engines))).all()
        verdicts = judge(wanted, found)
        assert (verdicts.engine.tolist(), verdicts.exchange.tolist()) == (
            found.engine.tolist(),
            found.degrees.spread.exchange.tolist(),
        )
    assert set(propose("paper-grid", scenario(**GROUPED)).engine) == {NO_SERVER}
    assert set(propose("coarse-grid", scenario(**GROUPED, engine="none")).engine) == {NO_SERVER}


def test_rule_of_thumb_asks_every_server() -> None:
    """Each is asked for all that it starts, also where another one runs it alike."""
    both = [propose("rule-of-thumb", scenario(engine=name)) for name in ("vllm", "trtllm")]
    together = propose("rule-of-thumb", scenario(engine=["vllm", "trtllm"]))
    assert together.evaluations == sum(each.evaluations for each in both)
    assert set(together.degrees.tensor_parallel) == {2.0}


@pytest.mark.parametrize(
    ("fields", "passes"),
    [({"engine": "none"}, 2), (PAPER | {"model": "Mistral Large 2"}, 3)],
    ids=["deployable", "paper"],
)
def test_searches_charge_the_draft_as_the_fidelity_does(fields: dict[str, Any], passes: int) -> None:
    """Of three tokens that a pass verifies one is the model's own; the paper charges the draft for it all the same."""
    draft = "Llama-3.2-1B" if passes == 2 else "Llama 3 8B MQA"
    wanted = resolve(scenario(**fields, speculation={"draft_model": draft, "acceptance": 0.8, "max_draft_tokens": 3}))
    (family,) = families_of(wanted)
    assert family.proposals(3) == passes
    found = PaperGrid(16).propose(wanted, Budget())
    (row, *_) = np.flatnonzero(found.draft_tokens == 3)
    assert family.drafts is not None
    seconds = [
        float(
            pass_time(
                shape, family.accelerator, degrees.take(np.array([row])), family.context.traffic(tokens, 0.0)
            ).latency_s(found.batch[[row]])[0]
        )
        for shape, degrees, tokens in (
            (family.shape, found.degrees, 3.0),
            (family.drafts.shape, found.draft_degrees, 1.0),
        )
    ]
    expected = family.factor(3) * (seconds[0] + passes * seconds[1])
    assert found.latency_s[row] == pytest.approx(expected, rel=1e-9)


def test_rounding_tries_both_neighbours_and_the_ends() -> None:
    below, above = _neighbours(np.array([1, 2, 4, 8]), np.array([0.3, 1.0, 2.83, 8.0 - 1e-12, 100.0]))
    assert below.tolist() == [1, 1, 2, 8, 8]
    assert above.tolist() == [1, 1, 4, 8, 8]


def test_rounded_grid_goes_to_what_a_server_starts() -> None:
    """The search spreads attention over groups, which no server has for this model; all that fits is offered."""
    searched = PaperGrid(24).propose(resolve(scenario()), Budget())
    assert searched.degrees.attention_data_parallel.min() > 1.0
    rounded = RoundedGrid(24).propose(resolve(scenario()), Budget())
    assert set(rounded.degrees.attention_data_parallel) == {1.0}
    assert rounded.degrees.stage_ranks.max() == 16.0


def test_rounded_grid_finds_what_a_fine_grid_is_near_to() -> None:
    wanted = scenario()
    coarse, fine = (RoundedGrid(size).propose(resolve(wanted), Budget()) for size in (8, 60))
    assert coarse.latency_s.min() >= fine.latency_s.min() * (1 - 1e-9)
    assert len(fine) > len(coarse)


def test_paper_grid_is_fractional_but_priced_by_the_papers_equations() -> None:
    wanted = resolve(scenario(**PAPER_EXPERTS))
    found = PaperGrid(24).propose(wanted, Budget())
    import pandas as pd

    rows = pd.DataFrame(
        {
            "model": "DeepSeek V3",
            "accelerator": "H100",
            "tensor_layout": np.where(found.degrees.two_dimensional, "2d", "1d"),
            "gpus": found.degrees.gpus,
            "pipeline_parallel": found.degrees.pipeline_parallel,
            "attention_data_parallel": found.degrees.attention_data_parallel,
            "batch": found.batch,
            "context_tokens": 1000,
            "tokens_per_pass": 1,
        }
    )
    checked = evaluate(rows, "paper")
    assert checked["feasible"].all()
    assert checked["latency_s"].to_numpy() == pytest.approx(found.latency_s, rel=1e-9)
    assert checked["expert_parallel"].to_numpy() == pytest.approx(found.degrees.expert_parallel)
    assert (found.degrees.gpus % 1.0 > 1e-9).mean() > 0.9


def test_paper_grid_prices_speculation_with_the_drafts_own_setup() -> None:
    changes = PAPER | {"model": "Mistral Large 2", "workload": {"context_tokens": 1000}}
    draft = {"draft_model": "Llama 3 8B MQA", "acceptance": 0.8, "max_draft_tokens": 5}
    wanted = scenario(**changes, speculation=draft)
    found = PaperGrid(16).propose(resolve(wanted), Budget())
    assert found.draft_tokens.max() > 1
    row = int(found.draft_tokens.argmax())
    tokens, factor = int(found.draft_tokens[row]), 0.2 / (1 - 0.8 ** found.draft_tokens[row])
    seconds = _pass_s("Mistral Large 2", found, row, tokens) + tokens * _pass_s("Llama 3 8B MQA", found, row, 1)
    assert found.latency_s[row] == pytest.approx(factor * seconds, rel=1e-9)


def _pass_s(model: str, found: Proposals, row: int, tokens: int) -> float:
    import pandas as pd

    degrees = found.draft_degrees if tokens == 1 else found.degrees
    point = {
        "model": model,
        "accelerator": "H100",
        "tensor_layout": "2d" if degrees.two_dimensional[row] else "1d",
        "gpus": degrees.gpus[row],
        "pipeline_parallel": degrees.pipeline_parallel[row],
        "attention_data_parallel": degrees.attention_data_parallel[row],
        "batch": found.batch[row],
        "context_tokens": 1000,
        "tokens_per_pass": tokens,
    }
    return float(evaluate(pd.DataFrame([point]), "paper")["latency_s"].iloc[0])


def test_bounds_spare_speculative_passes_but_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from ieco_opt.heuristics import published_search

    draft = {"draft_model": "Llama 3 8B MQA", "acceptance": 0.8, "max_draft_tokens": 4}
    wanted = resolve(scenario(**(PAPER | {"model": "Mistral Large 2"}), speculation=draft))
    spared = PaperGrid(20).propose(wanted, Budget())
    monkeypatch.setattr(
        published_search, "_may_be_chosen", lambda _request, _gpus, _batch, _latency, _busy, least: np.isfinite(least)
    )
    everything = PaperGrid(20).propose(wanted, Budget())
    assert spared.latency_s == pytest.approx(everything.latency_s, rel=1e-12)
    assert spared.cost_usd_per_mtok == pytest.approx(everything.cost_usd_per_mtok, rel=1e-12)
    assert spared.evaluations < everything.evaluations


def test_paper_grid_meets_the_demand_cap() -> None:
    capped = scenario(**PAPER, limits={"max_throughput": 3000.0})
    found = PaperGrid(24).propose(resolve(capped), Budget())
    assert (found.batch / found.latency_s).max() <= 3000.0
    assert len(found) > 5


GRID_LIMITS = {
    "min_speed": (0.6, lambda found: 1.0 / found.latency_s, np.greater_equal),
    "max_cost": (0.4, lambda found: found.cost_usd_per_mtok, np.less_equal),
    "min_throughput": (0.6, lambda found: found.batch / found.latency_s, np.greater_equal),
    "max_throughput": (0.4, lambda found: found.batch / found.latency_s, np.less_equal),
    "max_power_kw": (0.4, lambda found: found.degrees.gpus * 0.7, np.less_equal),
}
"""By limit: the quantile of what is proposed freely to set it to, the figure that it bounds, and how."""


@pytest.mark.parametrize("name", GRID_LIMITS)
@pytest.mark.parametrize("fidelity", ["deployable", "paper"])
def test_paper_grid_stays_within_every_limit(name: str, fidelity: str) -> None:
    quantile, figure, meets = GRID_LIMITS[name]
    powered = {"like": "H100", "name": "H100 with power", "power_w": 700.0}
    wanted = PAPER | {"accelerators": [powered]} if fidelity == "paper" else {}
    free = propose("paper-grid", scenario(**wanted))
    limit = float(np.quantile(figure(free), quantile))
    found = propose("paper-grid", scenario(**wanted, limits={name: limit}))
    assert len(found)
    assert meets(figure(found), limit).all()
    assert not meets(figure(free), limit).all()
    if fidelity == "deployable":
        assert (found.degrees.gpus <= 32.0 * (1 + 1e-9)).all()
        assert ((found.batch >= 1.0 - 1e-9) & (found.batch <= 512.0 * (1 + 1e-9))).all()


def test_paper_grid_finds_a_published_curve_again() -> None:
    """One curve on a coarser grid; benchmarks/heuristics_study.py checks all of them on the grid as published."""
    with (DATA / "paper_curve_sample.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    wanted = scenario(**(PAPER | {"workload": {"context_tokens": 10_000}}), design_space={})
    found = PaperGrid(60).propose(resolve(wanted), Budget())
    speed = np.log([float(row["speed_tokens_per_s"]) for row in rows])
    cost = np.array([float(row["cost_usd_per_mtok"]) for row in rows])
    ours = np.exp(np.interp(speed, -np.log(found.latency_s[::-1]), np.log(found.cost_usd_per_mtok[::-1])))
    assert np.median(np.abs(ours / cost - 1.0)) < 0.01


def test_joined_proposals_add_up_their_evaluations() -> None:
    some = propose("coarse-grid", scenario())
    together = joined([some, replace(no_proposals(), evaluations=5)])
    assert len(together) == len(some)
    assert together.evaluations == some.evaluations + 5


class Twice:
    """A heuristic of one's own: the rule of thumb, as a package of one's own may bring it."""

    name = "twice"

    def propose(self, scenario: ResolvedScenario, budget: Budget) -> Proposals:
        """Do as the rule of thumb does."""
        return heuristics.get("rule-of-thumb").propose(scenario, budget)


def entry_points(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    entries = [metadata.EntryPoint(name, value, heuristics.GROUP) for name, value in values.items()]

    def found(*, group: str) -> list[metadata.EntryPoint]:
        assert group == heuristics.GROUP
        return entries

    monkeypatch.setattr(metadata, "entry_points", found)


def test_an_entry_point_brings_a_heuristic_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    entry_points(monkeypatch, twice=f"{__name__}:Twice", random=f"{__name__}:Twice")
    assert heuristics.names() == (*heuristics.BUILT_IN, "twice")
    assert len(propose("twice", scenario()))
    assert heuristics.get("random").name == "random"


@pytest.mark.parametrize(
    ("value", "message"),
    [("no_such_module:Thing", "cannot be imported"), (f"{__name__}:SPECULATION", "expected an object with a name")],
)
def test_a_broken_entry_point_is_named(monkeypatch: pytest.MonkeyPatch, value: str, message: str) -> None:
    entry_points(monkeypatch, mine=value)
    with pytest.raises(ScenarioError, match=message):
        heuristics.get("mine")


def test_an_unknown_name_lists_those_known() -> None:
    with pytest.raises(ScenarioError, match="found 'magic', expected one of paper-grid, rounded-grid"):
        heuristics.get("magic")


def test_without_pymoo_nsga2_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "pymoo" else find(name, *rest))
    assert "nsga2" not in {item.name for item in chosen(())}
    with pytest.raises(ScenarioError, match=r"pip install 'ieco_opt\[heuristics\]'"):
        heuristics.get("nsga2").propose(resolve(scenario()), Budget())
