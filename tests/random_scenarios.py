"""Random small scenarios, each for the library and for the oracle, with limits that really bind.

Seeds choose them and not hypothesis, whose draws repeat a fifth of so intricate scenarios and favour few limits.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import yaml
from oracle import OracleScenario, Setup, cards, deployable, enumerate_deployments, heads, pareto, servers
from oracle.breakdown import setup_of
from oracle.enumeration import limited_figures
from oracle.paper import resident_bytes as paper_resident_bytes
from oracle.precision import Precision, UnpublishedError, label, recipe
from oracle.precision import listed as listed_entries
from random_drafts import draft_model, speculating
from random_equations import leaning_model
from random_models import engine_field, memory_fields, own_model, weights
from random_profiles import random_profile
from random_servers import leaning

import ieco_opt
from ieco_opt import catalog
from ieco_opt.catalog import Collection
from ieco_opt.catalog.types import Accelerator, Model, PaperModel

Mapping = dict[str, Any]
T = TypeVar("T")

DRAFT_UNDER_DEMAND_CAP = True
"""Whether a draft model and limits.max_throughput are drawn together."""

MOST_POINTS = 60
"""Frontiers are thinned to about this many points, so that a complete one is proven in a second or two."""

LONG_PROMPT = 8192
"""Tokens of a prompt that every server reads in pieces, but on the largest accelerators."""

_PAPER_MODELS = (
    "Llama 3 8B",
    "Llama 3 70B 8-bit",
    "Llama 3 70B 4-bit",
    "Mistral Large 2",
    "PaLM 540B",
    "GPT-J 6B",
    "Mixtral 8x7B",
    "Mixtral 8x22B MQA",
    "GPT-4",
    "GPT-3.5",
    "DeepSeek V3",
)
_PAPER_DRAFTS = ("Llama 3 8B MQA", "PaLM 8B", "GPT-J 6B", "Mixtral 8x7B", "GPT-3.5")
_PAPER_ACCELERATORS = ("H100", "H800", "H20", "H200", "A100", "V100", "TPU v4")
_REAL_MODELS = (
    "Llama-3.1-8B",
    "Llama-3.3-70B",
    "Qwen2.5-7B",
    "Llama-2-7B",
    "Llama-2-13B",
    "Falcon-7B",
    "Mixtral-8x7B",
    "Qwen3-30B-A3B",
    "gpt-oss-20b",
    "Llama-4-Scout",
    "GLM-4.5-Air",
    "DeepSeek-V2-Lite",
    "DeepSeek-V3",
)
_REAL_DRAFTS = ("Llama-3.2-1B", "Qwen3-0.6B", "Llama-3.1-8B", "DeepSeek-V2-Lite", "gpt-oss-20b")
_REAL_ACCELERATORS = (
    "H100-SXM",
    "H200-SXM",
    "A100-SXM-40GB",
    "A100-SXM-80GB",
    "B200-SXM",
    "B300-SXM",
    "GB200-NVL72",
    "MI300X",
    "L40S",
    "TPU-v4",
    "TPU-v5e",
)


@dataclass(frozen=True, slots=True)
class Case:
    """One scenario: as it would stand in a file, with the oracle's reading of it."""

    mapping: Mapping
    oracle: OracleScenario

    def scenario(self) -> ieco_opt.Scenario:
        """Give the scenario to the library."""
        return ieco_opt.Scenario(**self.mapping)

    def to_yaml(self) -> str:
        """Write the scenario file that reproduces the case."""
        return yaml.safe_dump(
            {"version": 2, "kind": "deployment", **self.mapping}, sort_keys=False, default_flow_style=None, width=120
        )


def numbered(number: int, **more: Any) -> tuple[Case, random.Random]:
    """Draw the case of one seed; what is asked about it may come from the same source of choices.

    With further fields, such as a calibration profile, the case has them, but for fidelity ``paper``; ``power`` is a
    field of its accelerators. Without a profile, the constants are those that are published.
    """
    key = (number, repr(more))
    if key not in _DRAWN:
        rng = random.Random(number)  # noqa: S311 - chance, not secrets
        _DRAWN[key] = random_case(rng, **more), rng.getstate()
        while len(_DRAWN) > MOST_DRAWN:
            del _DRAWN[next(iter(_DRAWN))]
    case, state = _DRAWN[key]
    rng = random.Random()  # noqa: S311 - chance, not secrets
    rng.setstate(state)
    return Case(copy.deepcopy(case.mapping), case.oracle), rng


MOST_DRAWN = 400

_DRAWN: dict[tuple[int, str], tuple[Case, tuple[Any, ...]]] = {}
"""The last cases that were drawn: tests try many changes on the same seeds, and a case takes long to draw."""


def numbered_or_refused(number: int) -> tuple[Case, random.Random]:
    """Draw the case of one seed, of which some are to be refused: too long, no cache of 8 bits, or no server's card."""
    case, rng = numbered(number, **_more(number))
    if case.oracle.fidelity == "paper" or rng.random() > 0.2:
        return case, rng
    mapping, full = case.mapping, int(case.oracle.full_tokens)
    if isinstance(mapping["model"], dict) and full > 1:
        mapping = mapping | {"model": mapping["model"] | {"max_context_tokens": full - rng.choice((0, 1))}}
    if not any(each.flops_8bit for each in case.oracle.accelerators):
        mapping = mapping | {"kv_cache": rng.choice((["fp8"], ["bf16", "fp8"]))}
    if mapping.get("engine") != "none" and rng.random() < 0.2:
        mapping = mapping | {"accelerators": [*mapping["accelerators"], "TPU-v5e"]}
    return Case(mapping, oracle_scenario(mapping)), rng


def _more(number: int) -> Mapping:
    """Draw the fields on which no design space depends: profile, error, factors of servers, energy, and prompts."""
    rng = random.Random(f"more {number}")  # noqa: S311 - chance, not secrets
    found: Mapping = {}
    chance = rng.random()
    if chance < 0.3:
        found["profile"] = random_profile(rng)
    elif chance < 0.4:
        # Left out, which is the same as the next.
        found["profile"] = None
    elif chance < 0.5:
        found["profile"] = "auto"
    if rng.random() < 0.3:
        found["model_error"] = rng.choice((0.05, 0.4, 1.0, "profile", "profile", "profile"))
        if found["model_error"] == "profile":
            # Published constants have no error of their own.
            found.setdefault("profile", "auto")
    if rng.random() < 0.7:
        found["engine_factors"] = rng.random() < 0.9
    if rng.random() < 0.3:
        # Some energy costs more than the GPUs that take it.
        price, pue = rng.choice((0.05, 0.3, 3.0)), rng.choice((1.0, 1.1, 1.6))
        tariff = {"kg_co2_per_kwh": 0.4, "usd_per_kwh": price, "pue": pue}
        found["power"] = {name: value for name, value in tariff.items() if rng.random() < 0.75}
        found["power"].setdefault(*rng.choice((("usd_per_kwh", 0.1), ("kg_co2_per_kwh", 0.7))))
    if rng.random() < 0.55:
        # Long ones are read in pieces.
        lengths = {"prompt_tokens": rng.choice((1, 500, 3000, 12_000, 30_000, 30_000, 60_000))}
        lengths["output_tokens"] = rng.choice((1, 40, 300, 2000, 6000))
        found["prompts"] = lengths | rng.choice(({}, {}, {"prefix_hit": 0.3}, {"prefix_hit": 0.9}))
    return found


def random_case(
    rng: random.Random, *, power: Mapping | None = None, prompts: Mapping | None = None, **more: Any
) -> Case:
    """Draw one case; most that nothing fits, or whose limits leave nothing, are drawn again.

    With prompts, the workload of a deployment that prices them, it has these as far as its models go.
    """
    # Drafts read prompts too, and few have the room beside them.
    drafting = 0.4 if prompts is None else 0.8
    mapping = _scenario(rng, drafting)
    for _ in range(5):
        if _feasible(mapping) or rng.random() < 0.1:
            break
        mapping = _scenario(rng, drafting)
    if mapping.get("fidelity") != "paper":
        mapping = _prompted(_powered(mapping, power), prompts) | more
        mapping = {name: value for name, value in mapping.items() if value is not None}
    if rng.random() < 0.7:
        mapping = _with_tight_memory(rng, mapping)
    mapping = _thinned(mapping)
    limited = _limited(rng, mapping)
    for _ in range(5):
        if _feasible(limited) or rng.random() < 0.15:
            break
        limited = _limited(rng, mapping)
    return Case(limited, oracle_scenario(limited))


def _powered(mapping: Mapping, power: Mapping | None) -> Mapping:
    """Give all accelerators the field ``power``, and those a board power whose own nobody knows."""
    if not power:
        return mapping
    cards: list[str | Mapping] = []
    for given in mapping["accelerators"]:
        card = {"like": given} if isinstance(given, str) else given
        known = _accelerator(given, paper=False).power_w is not None
        cards.append({**card, "power": power} if known else {**card, "power": power, "power_w": 500.0})
    return mapping | {"accelerators": cards}


def _prompted(mapping: Mapping, prompts: Mapping | None) -> Mapping:
    """Price prompts, which are shortened to what the models were made for."""
    if prompts is None:
        return mapping
    known = [each.max_context_tokens for each in models(mapping) if each.max_context_tokens is not None]
    most = min(known, default=prompts["prompt_tokens"] + prompts["output_tokens"])
    output = max(1, min(prompts["output_tokens"], most // 2))
    prompt = max(1, min(prompts["prompt_tokens"], most - output))
    return mapping | {"workload": prompts | {"prompt_tokens": prompt, "output_tokens": output}}


def _feasible(mapping: Mapping) -> bool:
    return bool(enumerate_deployments(oracle_scenario(mapping))["batch"].size)


def _scenario(rng: random.Random, drafting: float) -> Mapping:
    """Draw all of a scenario but its limits; such a share of them may speculate."""
    paper = rng.random() < 0.25
    mapping = _paper_scenario(rng) if paper else _real_scenario(rng, engine_field(rng))
    mapping["workload"] = {"context_tokens": rng.choice((0, 300, 1000, 8000, 100_000))}
    if not paper:
        mapping["profile"] = "paper-constants"
    if rng.random() < drafting:
        mapping |= _speculating(rng, mapping, paper=paper)
    if not paper:
        mapping["workload"]["output_tokens"] = rng.choice((0, 1, 200, 2000, 6000, 6000))
        mapping["memory_utilization"] = rng.choice((0.9, 0.9, 0.5, 0.97, 1.0))
        mapping = _within_context(rng, mapping | memory_fields(rng))
        if not any(_accelerator(each, paper=False).flops_8bit for each in mapping["accelerators"]):
            # Alone, a cache of 8 bits would be refused.
            mapping = mapping | {"kv_cache": rng.choice((["bf16"], ["bf16", "fp8"]))}
        mapping["weights"] = weights(rng, models(mapping))
    mapping["design_space"] = _design_space(rng, mapping)
    own = isinstance(mapping["model"], dict) and "like" not in mapping["model"]
    if not paper and own and mapping.get("engine") != "none" and rng.random() < 0.75:
        mapping = _on_served(_with_possible_drafts(leaning(rng, mapping)))
        mapping["weights"] = [each for each in mapping["weights"] if _in_checkpoints(mapping, each)] or [
            {"rest": "bf16"}
        ]
    if not paper and own and mapping.get("engine") == "none" and rng.random() < 0.8:
        mapping = _with_possible_drafts(leaning_model(rng, mapping))
    return mapping


def _with_possible_drafts(mapping: Mapping) -> Mapping:
    """Leave speculation out where the model has become one that keeps no tokens, and so has no heads."""
    head = mapping.get("speculation", {}).get("mode", "draft_model") != "draft_model"
    impossible = head and heads.without_cache(_model(mapping["model"], paper=False))
    return {name: value for name, value in mapping.items() if name != "speculation" or not impossible}


def models(mapping: Mapping) -> list[Model]:
    """Give the model and the draft of a scenario in deployable fidelity."""
    references, drafts = [mapping["model"]], mapping.get("speculation", {})
    if "draft_model" in drafts and drafts.get("mode", "draft_model") == "draft_model":
        references.append(drafts["draft_model"])
    found = [_model(each, paper=False) for each in references]
    return [each for each in found if isinstance(each, Model)]


def _within_context(rng: random.Random, mapping: Mapping) -> Mapping:
    """Shorten what is too long for a model of the catalog, and give own models a greatest context now and then."""
    workload = mapping["workload"]
    known = [each.max_context_tokens for each in models(mapping) if each.max_context_tokens is not None]
    if known:
        workload["output_tokens"] = min(workload["output_tokens"], min(known) // 2)
        workload["context_tokens"] = min(workload["context_tokens"], min(known) - workload["output_tokens"])
    full = workload["context_tokens"] + workload["output_tokens"]
    if isinstance(mapping["model"], dict) and full and rng.random() < 0.3:
        mapping["model"]["max_context_tokens"] = full
    return mapping


def oracle_scenario(mapping: Mapping) -> OracleScenario:
    """Read a mapping of a scenario for the oracle."""
    paper = mapping.get("fidelity") == "paper"
    space = mapping["design_space"]
    expert, model = space["expert_parallel"], _model(mapping["model"], paper=paper)
    return OracleScenario(
        fidelity="paper" if paper else "deployable",
        model=model,
        accelerators=tuple(_accelerator(each, paper=paper) for each in mapping["accelerators"]),
        weights=() if paper else listed_entries(mapping["weights"], ""),
        kv_cache=listed_entries(mapping.get("kv_cache"), "bf16"),
        batches=_batches(space["batch"]),
        **_workload(mapping["workload"]),
        tensor_parallel=_listed(space, "tensor_parallel"),
        stage_ranks=_listed(space, "stage_ranks"),
        tensor_layout=tuple(space["tensor_layout"]),
        pipeline_parallel=tuple(space["pipeline_parallel"]),
        expert_parallel=expert if expert == "auto" else tuple(expert),
        redundant_experts=_auto_or_listed(space.get("redundant_experts")),
        attention_data_parallel=tuple(space["attention_data_parallel"]),
        max_gpus=space["max_gpus"],
        memory_utilization=mapping.get("memory_utilization", 0.9),
        engine=mapping.get("engine", "any"),
        memory_reserve_gb=mapping.get("memory_reserve_gb", "auto"),
        profile=mapping.get("profile"),
        engine_factors=mapping.get("engine_factors", False),
        model_error=mapping.get("model_error", 0.0),
        powers={
            _accelerator(each, paper=paper).name: each["power"]
            for each in mapping["accelerators"]
            if isinstance(each, dict) and "power" in each
        },
        **_drafting(mapping.get("speculation"), model, paper=paper),
        **mapping.get("limits", {}),
    )


def _workload(given: Mapping) -> Mapping:
    """Read the field ``workload`` for the oracle."""
    context = given["prompt_tokens"] if "prompt_tokens" in given else given["context_tokens"]
    return {
        "context_tokens": context,
        "output_tokens": given.get("output_tokens", 0),
        "prompts": "prompt_tokens" in given,
        "prefix_hit": given.get("prefix_hit", 0.0),
        "requests_per_s": given.get("requests_per_s"),
    }


def _drafting(given: Mapping | None, model: Any, *, paper: bool) -> Mapping:
    """Read the field ``speculation`` for the oracle."""
    if given is None:
        return {}
    named = given.get("draft_model")
    return {
        "draft_model": heads.read_draft(given, model, lambda reference: _model(reference, paper=paper)),
        "acceptance": given.get("acceptance", 0.0),
        "accepted_tokens": heads.accepted_tokens(given.get("accepted_tokens")),
        "max_draft_tokens": given.get("max_draft_tokens"),
        "head_repository": named if isinstance(named, str) and given.get("mode") == "eagle3" else None,
    }


def _listed(space: Mapping, name: str) -> tuple[int, ...] | None:
    """Give the degrees of a list that may be left out."""
    return None if space.get(name) is None else tuple(space[name])


def _auto_or_listed(given: str | Sequence[int] | None) -> Any:
    """Give the list, or ``auto`` where that is said or nothing is."""
    return "auto" if given is None or isinstance(given, str) else tuple(given)


def _paper_scenario(rng: random.Random) -> Mapping:
    """Draw the model and the accelerators of fidelity ``paper``."""
    model = _own_paper_model(rng) if rng.random() < 0.2 else rng.choice(_PAPER_MODELS)
    accelerators: list[str | Mapping] = list(_some(rng, _PAPER_ACCELERATORS, 1, 2))
    if rng.random() < 0.3:
        # The paper collection knows no powers: give one, so that it can be limited.
        accelerators = [{"like": name, "name": f"{name} with power", "power_w": 700.0} for name in accelerators]
    return {"fidelity": "paper", "model": model, "accelerators": accelerators}


def _real_scenario(rng: random.Random, engine: Mapping) -> Mapping:
    """Draw the model and the accelerators of fidelity ``deployable``, such that some server runs on all of them."""
    model = own_model(rng) if rng.random() < 0.75 else _known_model(rng)
    served = [name for name in _REAL_ACCELERATORS if _runs_on(engine, name)]
    accelerators: list[str | Mapping] = list(_some(rng, served, 1, 2))
    chance = rng.random()
    if chance < 0.15 and "MI300X" in served:
        accelerators = [{"like": "MI300X", "name": "other arithmetic", "vendor": "amd", "flops_4bit": 5e15}]
    elif chance < 0.3:
        # So little arithmetic that memory seldom hides it.
        rates = {"flops_16bit": 3e13, "flops_8bit": 6e13, "flops_4bit": 1.2e14}
        accelerators = [{"like": "H100-SXM", "name": "slow arithmetic", **rates}]
    if rng.random() < 0.15:
        accelerators.append({"like": "H100-SXM", "name": "small nodes", "node_size": 3, "usd_per_gpu_hour": 1.9})
    return {"model": model, "accelerators": accelerators, **engine}


def _on_served(mapping: Mapping) -> Mapping:
    """Leave accelerators out on which none of the servers runs that the scenario has by now."""
    served = [each for each in mapping["accelerators"] if _runs_on(mapping, each)]
    return mapping | {"accelerators": served or ["H100-SXM"]}


def _runs_on(engine: Mapping, name: str | Mapping) -> bool:
    """Whether one of the servers runs on an accelerator."""
    every = servers.of_scenario(engine.get("engine", "any"))
    return any(servers.runs_on(each, _accelerator(name, paper=False)) for each in every)


def _known_model(rng: random.Random) -> str | Mapping:
    """Draw a model of the catalog, some with another vocabulary, of which some have lost the name of their family."""
    name = rng.choice(_REAL_MODELS)
    if rng.random() < 0.7:
        return name
    return {"like": name, "vocabulary": rng.choice((50_000, 128_256)), **rng.choice(({}, {"name": "renamed"}))}


def _speculating(rng: random.Random, mapping: Mapping, *, paper: bool) -> Mapping:
    """Draw what drafts, and the model that it drafts for."""
    draft, model = _draft(rng, mapping, paper=paper), _model(mapping["model"], paper=paper)
    if paper:
        return {"speculation": draft_model(rng, draft)}
    keeping = not heads.without_cache(model)
    return speculating(rng, mapping["model"], draft, keeping=keeping)


def _draft(rng: random.Random, mapping: Mapping, *, paper: bool) -> str | Mapping:
    """Draw a draft model; of servers' drafts, most have the vocabulary of the model."""
    if paper:
        return _own_paper_model(rng) if rng.random() < 0.25 else rng.choice(_PAPER_DRAFTS)
    own = rng.random() < 0.4
    draft: str | Mapping = own_model(rng, most_layers=12) | {"name": "own draft"} if own else rng.choice(_REAL_DRAFTS)
    if mapping.get("engine") == "none" or rng.random() < 0.2:
        return draft
    vocabulary = _model(mapping["model"], paper=False).vocabulary
    return {**draft, "vocabulary": vocabulary} if isinstance(draft, dict) else {"like": draft, "vocabulary": vocabulary}


def _in_checkpoints(mapping: Mapping, entry: str | Mapping) -> bool:
    """Whether all models are published in a precision."""
    try:
        for model in models(mapping):
            recipe(model, label(entry), None)
    except UnpublishedError:
        return False
    return True


def _own_paper_model(rng: random.Random) -> Mapping:
    """Draw a model of the paper's kind that no catalog knows."""
    heads, experts = rng.choice((6, 16, 24)), rng.choice((1, 1, 8, 10))
    latent = rng.random() < 0.3
    return {
        "name": "own",
        "layers": rng.randint(3, 40),
        "width": rng.choice((1536, 3072, 4096)),
        "feed_forward_width": rng.choice((4096, 8192)),
        "up": rng.choice((1, 2)),
        "down": 1,
        "experts": experts,
        "active_experts": rng.choice((1, 3)) if experts > 1 else 1,
        "query_heads": heads,
        "query_heads_per_kv_head": 1 if latent else rng.choice((1, 2, heads)),
        "head_width": 128,
        "vocabulary": rng.choice((0, 32_000)),
        "weight_bytes": rng.choice((0.5, 1.0, 2.0)),
        "activation_bytes": 2.0,
        "mla_kv_width": 512 if latent else None,
        "mla_query_width": 1024 if latent else None,
    }


def _design_space(rng: random.Random, mapping: Mapping) -> Mapping:
    """Draw degrees around the least that hold the weights, some of them odd or out of range."""
    paper = mapping.get("fidelity") == "paper"
    alone = paper or mapping.get("engine") == "none"
    groups = sorted(_some(rng, (1, 2, 3, 4, 8), 1, 3))
    listed = _stage_lists(rng, _least_gpus(mapping, paper=paper), groups)
    expert: Any = "auto" if rng.random() < 0.7 else list(_some(rng, (1, 2, 3, 4, 8, 16), 1, 3))
    redundant: Mapping = {}
    if not paper and rng.random() < 0.4:
        redundant["redundant_experts"] = rng.choice(("auto", [0], [0, 2], [2, 4], [0, 1, 4, 6], [8]))
    return {
        **redundant,
        **listed,
        "tensor_layout": list(rng.choice((("1d",), ("1d",), ("1d", "2d"), ("2d",))) if alone else _served_layout(rng)),
        "pipeline_parallel": _pipelines(rng, mapping, paper=paper),
        "expert_parallel": expert,
        "attention_data_parallel": groups,
        "batch": _random_batches(rng),
        # Where nothing is listed, the default has stages enough of its own.
        "max_gpus": rng.choice((4, 16, 64, 512, 512, 512) if listed else (4, 8, 16, 16, 32, 64)),
    }


def _pipelines(rng: random.Random, mapping: Mapping, *, paper: bool) -> list[int]:
    """Draw numbers of stages; more have nothing but several where layers of several kinds make stages unequal."""
    mixed = not paper and "blocks" in mapping["model"]
    if paper or rng.random() < (0.3 if mixed else 0.6):
        return sorted({1, *_some(rng, (2, 3, 4, 8, 200), 0, 2)})
    return sorted(_some(rng, (2, 3, 4, 8), 1, 2))


def _served_layout(rng: random.Random) -> tuple[str, ...]:
    """Draw layouts for servers, none of which has the second."""
    return ("1d", "2d") if rng.random() < 0.15 else ("1d",)


def _stage_lists(rng: random.Random, least: float, groups: Sequence[int]) -> Mapping:
    """Draw the ranks of a stage, the tensor-parallel degree, both lists or neither."""
    given = rng.choice(("stages", "stages", "degrees", "degrees", "both", "both", "neither"))
    if given == "neither":
        return {}
    if given == "degrees":
        degrees = set(_some(rng, (1, 2, 3, 4, 6, 8), 1, 2))
        return {"tensor_parallel": sorted(degrees | _holding(rng, least / rng.choice(groups)))}
    stages = set(_some(rng, (1, 2, 3, 4, 6, 8, 12, 16, 32), 1, 3)) | _holding(rng, least)
    if given == "stages":
        return {"stage_ranks": sorted(stages)}
    # Most degrees lead to a stage that is listed with some number of groups, one of them perhaps to none.
    fitting = sorted({ranks // sigma for ranks in stages for sigma in groups if ranks % sigma == 0})
    degrees = {*_some(rng, fitting, min(1, len(fitting)), min(3, len(fitting))), rng.choice((1, 2, 3, 4, 5))}
    return {"tensor_parallel": sorted(degrees), "stage_ranks": sorted(stages)}


def _holding(rng: random.Random, least: float) -> set[int]:
    """Give, most of the time, the least power of two that holds so much, or the next one."""
    if rng.random() < 0.1:
        return set()
    return {min(512, 2 ** max(0, int(np.ceil(np.log2(least)) + rng.choice((0, 1)))))}


def _least_gpus(mapping: Mapping, *, paper: bool) -> float:
    """Give roughly how many GPUs the weights need."""
    accelerator = _accelerator(mapping["accelerators"][0], paper=paper)
    model = _model(mapping["model"], paper=paper)
    weight_bytes = 1.0 if isinstance(model, Model) else model.weight_bytes
    return max(1.0, weight_bytes * catalog.total_params(model) / (0.8 * accelerator.hbm_bytes))


def _random_batches(rng: random.Random) -> Mapping | list[int]:
    if rng.random() < 0.5:
        low = rng.choice((1, 1, 2, 5, 40, 300))
        return {"min": low, "max": low + rng.randint(0, 63)}
    return sorted(_some(rng, (1, 2, 3, 5, 8, 13, 16, 31, 32, 64, 100, 128, 200, 333, 512, 1000, 2048, 4096), 3, 12))


def _batches(batch: Mapping | Sequence[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    if isinstance(batch, dict):
        return np.arange(batch["min"], batch["max"] + 1)
    return np.array(sorted(batch))


def _with_tight_memory(rng: random.Random, mapping: Mapping) -> Mapping:
    """Give one accelerator about the memory that some deployment needs which would be on the frontier with more."""
    oracle = oracle_scenario(mapping)
    roomy = replace(oracle, accelerators=tuple(replace(each, hbm_bytes=1e15) for each in oracle.accelerators))
    front = pareto(enumerate_deployments(roomy))
    if not front["batch"].size:
        return mapping
    chosen = rng.randrange(front["batch"].size)
    row = {column: values[chosen].item() for column, values in front.items()}
    tight = list(mapping["accelerators"])
    index = [each.name for each in oracle.accelerators].index(row["accelerator"])
    own = {"like": tight[index]} if isinstance(tight[index], str) else tight[index]
    hbm_bytes = _needed_bytes(rng, oracle, row) * rng.choice((0.9999, 1.0001, 1.01))
    tight[index] = {**own, "name": f"tight {row['accelerator']}", "hbm_bytes": hbm_bytes}
    return {**mapping, "accelerators": tight}


def _needed_bytes(rng: random.Random, oracle: OracleScenario, row: Mapping) -> float:
    """Give the memory of a GPU that a deployment needs."""
    batch = np.array(float(row["batch"]))
    if isinstance(oracle.model, PaperModel):
        held = paper_resident_bytes(oracle.model, batch / row["pipeline_parallel"], oracle.context_tokens)
        return float(held) / row["gpus"]
    accelerator = next(each for each in oracle.accelerators if each.name == row["accelerator"])
    setup = setup_of(row, oracle.model, accelerator)
    at = (Precision(row["weights"], row["kv_cache"]), batch, oracle.full_tokens, accelerator)
    needed = float(deployable.resident_bytes(oracle.model, setup, *at))
    if row["draft_tokens"] and isinstance(oracle.draft_model, Model):
        small = servers.beside(oracle.model, oracle.draft_model, setup)
        assert small is not None
        needed += float(deployable.resident_bytes(oracle.draft_model, small, *at))
    return _least_memory(oracle, accelerator, setup, needed)


def _least_memory(oracle: OracleScenario, accelerator: Accelerator, setup: Setup, needed: float) -> float:
    """Give about the least memory that holds so much beside the reserve, which depends on the memory itself."""
    assert isinstance(oracle.model, Model)
    low, high = needed, 1e15
    for _ in range(60):
        middle = (low * high) ** 0.5
        card = replace(accelerator, name=f"tight {accelerator.name}", hbm_bytes=middle)
        held = needed + oracle.reserve.reserve_bytes(oracle.model, card, setup)
        low, high = (low, middle) if held <= oracle.reserve.usable_bytes(card) else (middle, high)
    return high


def _thinned(mapping: Mapping) -> Mapping:
    """Drop the larger half of a scenario's batches until its frontier is short enough."""
    while True:
        oracle = oracle_scenario(mapping)
        if len(oracle.batches) == 1 or pareto(enumerate_deployments(oracle))["batch"].size <= MOST_POINTS:
            return mapping
        kept = oracle.batches[: (len(oracle.batches) + 1) // 2]
        listed = isinstance(mapping["design_space"]["batch"], list)
        batch = kept.tolist() if listed else {"min": int(kept[0]), "max": int(kept[-1])}
        mapping = {**mapping, "design_space": {**mapping["design_space"], "batch": batch}}


def _limited(rng: random.Random, mapping: Mapping) -> Mapping:
    """Draw the limits of a scenario; half of the least throughputs are least numbers of requests."""
    limits, workload = _limits(rng, mapping), mapping["workload"]
    if "prompt_tokens" not in workload:
        return mapping | {"limits": limits}
    if "min_throughput" in limits and rng.random() < 0.7:
        least = limits.pop("min_throughput") / workload["output_tokens"]
        workload = workload | {"requests_per_s": least}
    mapping = mapping | {"workload": workload, "limits": limits}
    return mapping | {"limits": limits | _times(rng, mapping)}


def _times(rng: random.Random, mapping: Mapping) -> Mapping:
    """Draw a limit on the time to the first or to the last token, which some deployment just meets."""
    oracle = oracle_scenario(mapping)
    front = pareto(enumerate_deployments(oracle))
    if not front["batch"].size or rng.random() < 0.2:
        return {}
    first, last = "max_time_to_first_token_s", "max_end_to_end_s"
    name = rng.choice((first, first, first, last))
    figures = limited_figures(oracle, front)
    found = {name: _between(rng, figures[name])}
    if name == first and mapping["workload"]["prompt_tokens"] > LONG_PROMPT and rng.random() < 0.9:
        # What some deployment misses by less than the pieces of its prompts take.
        found[name] = rng.choice((0.97, 0.99)) * float(rng.choice(figures[name].tolist()))
    if rng.random() < 0.2:
        other = last if name == first else first
        found[other] = _between(rng, figures[other])
    return found


def _limits(rng: random.Random, mapping: Mapping) -> Mapping:
    """Draw limits between values that deployments of the scenario reach, seldom beyond all of them."""
    oracle = oracle_scenario(mapping)
    table = enumerate_deployments(oracle)
    if not table["batch"].size or rng.random() < 0.3:
        return {}
    front, every = (limited_figures(oracle, each) for each in (pareto(table), table))
    limits: Mapping = {}
    if rng.random() < 0.35:
        limits["min_speed"] = _between(rng, front["min_speed"])
    if rng.random() < 0.35:
        limits["max_cost"] = _between(rng, front["max_cost"])
    drafts = oracle.draft_model is not None and not DRAFT_UNDER_DEMAND_CAP
    if rng.random() < 0.35 and not drafts:
        limits["max_throughput"] = _between(rng, every["max_throughput"])
    if rng.random() < 0.35:
        limits["min_throughput"] = _between(rng, every["min_throughput"])
    limits |= _energy_limits(rng, oracle, front)
    if rng.random() < 0.35 and all(each.power_w is not None for each in oracle.accelerators):
        # Powers are multiples of a board's, and users name the multiple itself.
        limits["max_power_kw"] = float(rng.choice(np.unique(table["power_kw"]).tolist()))
    if limits.get("min_throughput", 0.0) > limits.get("max_throughput", np.inf):
        least, most = limits["max_throughput"], limits["min_throughput"]
        limits |= {"min_throughput": least, "max_throughput": most}
    return limits


def _energy_limits(rng: random.Random, oracle: OracleScenario, front: Mapping) -> Mapping:
    """Draw limits on energy and carbon where those of all accelerators are known."""
    limits: Mapping = {}
    watts = oracle.fidelity == "deployable" and all(each.power_w is not None for each in oracle.accelerators)
    if rng.random() < 0.25 and watts:
        limits["max_energy_j_per_token"] = _between(rng, front["max_energy_j_per_token"])
    carbon = all("kg_co2_per_kwh" in oracle.powers.get(each.name, {}) for each in oracle.accelerators)
    if rng.random() < 0.8 and watts and carbon:
        limits["max_carbon_kg_per_mtok"] = _between(rng, front["max_carbon_kg_per_mtok"])
    return limits


def _between(rng: random.Random, values: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """Draw a value of the table's range that no deployment meets to the last bit: rounding decides no test."""
    share = rng.choice((0.02, 0.2, 0.4, 0.6, 0.8, 0.98, 1.2))
    ordered = np.unique(values)
    value = np.quantile(ordered, share) if share <= 1.0 else share * ordered[-1]
    nearest = ordered[np.argmin(np.abs(ordered - value))]
    return float(value if abs(value / nearest - 1.0) > 1e-6 else nearest * 1.00001)


def _some(rng: random.Random, options: Sequence[T], least: int, most: int) -> list[T]:
    """Draw different entries, in the order drawn."""
    return rng.sample(options, rng.randint(least, most))


def _collection(*, paper: bool) -> Collection:
    return Collection.PAPER if paper else Collection.REAL


def _model(reference: str | Mapping, *, paper: bool) -> Model | PaperModel:
    collection = _collection(paper=paper)
    if isinstance(reference, str):
        return catalog.model(reference, collection)
    return catalog.model_from_mapping(reference, collection)


def _accelerator(reference: str | Mapping, *, paper: bool) -> Accelerator:
    return cards.read(reference, _collection(paper=paper))
