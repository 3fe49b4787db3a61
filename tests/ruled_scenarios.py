"""The oracle of deployments without one rule of the model, to count how often a rule decides what is drawn."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from oracle import (
    OracleScenario,
    calibrated,
    deployable,
    energy,
    enumerate_deployments,
    enumeration,
    heads,
    pareto,
    passes,
    precision,
    reserve,
    servers,
)
from oracle.kinds import Kind
from oracle.memory import forgotten
from oracle.started import DEGREES

from ieco_opt.catalog.attention import LatentAttention
from ieco_opt.catalog.types import Model

Context = Callable[[], contextlib.AbstractContextManager[Any]]

DECISION = (*DEGREES, "engine", "exchange")


@dataclass(frozen=True, slots=True)
class Switch:
    """How to ask the oracle without a rule: another scenario, or another oracle."""

    scenario: Callable[[OracleScenario], OracleScenario] = lambda scenario: scenario
    oracle: Context = contextlib.nullcontext


def answer(scenario: OracleScenario) -> set[tuple[object, ...]]:
    """Decisions on the frontier, with speed and cost as far as rounding does not matter."""
    front = pareto(enumerate_deployments(scenario))
    columns = [front[name].tolist() for name in DECISION]
    figures = [[f"{value:.6g}" for value in front[name]] for name in ("speed_tokens_per_s", "cost_usd_per_mtok")]
    return set(zip(*columns, *figures, strict=True))


def decides(switch: Switch, scenario: OracleScenario, honest: set[tuple[object, ...]]) -> bool:
    """Whether the frontier is another one without a rule than the honest one."""
    with forgotten(), switch.oracle():
        return answer(switch.scenario(scenario)) != honest


# --- other scenarios --------------------------------------------------------------------------------------------------


def _of_models(change: Callable[[Model], Model]) -> Switch:
    def changed(scenario: OracleScenario) -> OracleScenario:
        both: Any = {
            name: change(model)
            for name in ("model", "draft_model")
            if isinstance(model := getattr(scenario, name), Model)
        }
        return replace(scenario, **both)

    return Switch(changed)


def _of_layers(**without: Any) -> Switch:
    """Change those layers that have the fields."""

    def change(model: Model) -> Model:
        blocks = tuple(
            replace(block, attention=replace(block.attention, **without))
            if all(hasattr(block.attention, name) for name in without)
            and not (isinstance(block.attention, LatentAttention) and "value_head_width" in without)
            else block
            for block in model.blocks
        )
        return replace(model, blocks=blocks)

    return _of_models(change)


def _scenario(**fields: Any) -> Switch:
    return Switch(lambda scenario: replace(scenario, **fields) if scenario.fidelity == "deployable" else scenario)


# --- other oracles ----------------------------------------------------------------------------------------------------


def _patched(where: Any, name: str, other: Any) -> Switch:
    return Switch(oracle=lambda: mock.patch.object(where, name, other))


_RECIPE = precision.recipe


def _one_format(*given: Any) -> dict[str, str]:
    parts = _RECIPE(*given)
    return dict.fromkeys(parts, parts["experts"])


def _nvfp4(model: Model, weights: str, accelerator: Any) -> dict[str, str]:
    return _RECIPE(model, "nvfp4" if weights == "fp4" and not model.published else weights, accelerator)


def _mean_first(kind: Kind, first: float, last: float) -> float:
    return min((first + last) / 2, kind.cap)


def _even_stages(model: Model, setup: Any) -> Iterator[tuple[float, Kind]]:
    stage = math.ceil(model.layers / setup.pipeline)
    for layers, kind in deployable.kinds(model):
        yield stage * layers / model.layers, kind


def _one_copy(setup: Any) -> servers.Sharers:
    return servers.Sharers(*[setup.stage_ranks] * 4)


def _without_copies_of(part: str) -> Switch:
    """Let all ranks of a stage share one copy of a part."""

    def of_a_part(setup: Any) -> servers.Sharers:
        return replace(_SHARERS(setup), **{part: setup.stage_ranks})

    return _sharers(of_a_part)


def _sharers(other: Any) -> Switch:
    @contextlib.contextmanager
    def both() -> Iterator[None]:
        with mock.patch.object(deployable, "sharers", other), mock.patch.object(servers, "sharers", other):
            yield

    return Switch(oracle=both)


_SHARERS, _EXCHANGES, _SPECULATIVE = servers.sharers, servers.exchanges, enumeration.speculative_s


def _all_to_all(*given: Any) -> list[str]:
    return _EXCHANGES(*given)[:1] and ["" if _EXCHANGES(*given) == [""] else "all_to_all"]


def _first_exchange(*given: Any) -> list[str]:
    return _EXCHANGES(*given)[:1]


def _as_many_proposals(main_s: Any, draft_s: Any, proposals: int, expected: float) -> Any:
    return _SPECULATIVE(main_s, draft_s, proposals + 1, expected)


def _norms_alone(model: Model) -> float:
    return deployable.norm_params(model, model.layers, deployable.routed_layers(model))


def _needs_nothing(*given: Any) -> float:
    return 0.0


def _parts_of_groups(scenario: OracleScenario, model: Any, sigma: int, pipeline: int) -> Any:
    return scenario.batches >= pipeline


def _never(asked: servers.Asked) -> bool:
    return False


def _rule(row: str) -> Switch:
    return Switch(oracle=lambda: mock.patch.dict(servers.RULES, {row: {}}))


def _draft_rule(row: str, **other: Any) -> Switch:
    return Switch(oracle=lambda: mock.patch.dict(servers.DRAFT_RULES[row], other))


def _head(**other: Any) -> Switch:
    """Change every head that sits on a model."""

    def changed(scenario: OracleScenario) -> OracleScenario:
        draft = scenario.draft_model
        return replace(scenario, draft_model=replace(draft, **other)) if isinstance(draft, heads.Sitting) else scenario

    return Switch(changed)


def _whole_states(kind: Kind, tokens: float, word_bytes: float, *, share: float, state_share: float) -> float:
    return kind.words * word_bytes * kind.kept(tokens) * share + kind.key_bytes * tokens + kind.state_bytes


def _every_entry(kind: Kind, tokens: float) -> float:
    return tokens


def _with_cards(listed: Any, kv_cache: Any, accelerator: Any) -> Iterator[precision.Precision]:
    return precision.pairs(listed, kv_cache, replace(accelerator, flops_8bit=1.0))


def _always_busy(watts: Any, idle: Any, busy: Any, latency_s: Any, busy_s: Any, batch: Any) -> Any:
    return _JOULES(watts, idle, busy, latency_s, latency_s, batch)


def _usual_shares(profile: Any, accelerator: str, tariff: Any) -> energy.Supply:
    return _SUPPLY(None, accelerator, tariff)


def _decoding_alone(scenario: OracleScenario) -> OracleScenario:
    """Leave prompts and all that is asked of them out."""
    limits: Any = dict.fromkeys(("max_time_to_first_token_s", "max_end_to_end_s", "requests_per_s"))
    return replace(scenario, prompts=False, **limits)


def _all_at_once(accelerator: Any, engine: str) -> float:
    return math.inf


def _drafting_alone(*given: Any) -> passes.Pass:
    return passes.Pass(1, 1)


def _in_nobodys_way(profile: Any) -> Any:
    return replace(_FIRST_TOKEN(profile), prompts_in_the_way=0.0)


_FIRST_TOKEN = calibrated.first_token_of
_JOULES, _SUPPLY = energy.joules_per_token, energy.supply


SWITCHES: Mapping[str, Switch] = {
    "parts of a model have formats of their own": _patched(deployable, "recipe", _one_format),
    "fp4 is what the model or the accelerator has": _patched(deployable, "recipe", _nvfp4),
    "experts are stored in multiples": Switch(oracle=lambda: mock.patch.dict(precision.PADDED, clear=True)),
    "scales take bits": Switch(
        oracle=lambda: mock.patch.dict(
            precision.FORMATS, {"fp8": (8, 8), "int8": (8, 8), "nvfp4": (4, 4), "mxfp4": (4, 4), "int4": (4, 16)}
        )
    ),
    "norms and routers are held and read": _patched(deployable, "norm_params", mock.Mock(return_value=0.0)),
    "the cache may be of 8 bits": Switch(oracle=lambda: mock.patch.dict(precision.WORD_BYTES, fp8=2.0)),
    "a cache of 8 bits needs arithmetic of 8 bits": _patched(enumeration, "pairs", _with_cards),
    "windows": _of_layers(window=None),
    "means are of what each position attends to": _patched(Kind, "mean_attended", _mean_first),
    "a window frees the cache": _patched(Kind, "kept", _every_entry),
    "indexers": _of_layers(indexer=None),
    "tokens share entries": _of_layers(compression=1),
    "states take memory": _of_layers(state_bytes=0),
    "states are updated": _of_layers(state_words=0),
    "states are split over the ranks": _patched(Kind, "sequence_bytes", _whole_states),
    "kinds of layers are whole in a stage": _patched(deployable, "stage_kinds", _even_stages),
    "other weights of attention": _of_layers(extra_params=0),
    "values of another width": _of_layers(value_head_width=None),
    "redundant experts": _scenario(redundant_experts=(0,)),
    "a reserve": _scenario(memory_reserve_gb=0.0),
    "a reserve of the engine's": _patched(reserve, "sglang_bytes", _needs_nothing),
    "ranks have copies of what no expert routes to": _sharers(_one_copy),
    "batches are whole groups": _patched(enumeration, "_whole_groups", _parts_of_groups),
    "the exchange is the server's": _patched(servers, "exchanges", _all_to_all),
    "the exchange is a decision": _patched(servers, "exchanges", _first_exchange),
    "one token of a pass is the model's own": _patched(enumeration, "speculative_s", _as_many_proposals),
    "joinings are read": _patched(deployable, "read_norm_params", _norms_alone),
    "joinings are held": _head(words_held=0),
    "tokens that are listed": _scenario(accepted_tokens=None, max_draft_tokens=4),
    "a reserve that is given": _scenario(memory_reserve_gb="auto"),
    "a profile by default": Switch(lambda scenario: replace(scenario, profile=scenario.profile or "paper-constants")),
    "limits hold with the error": _scenario(model_error=0.0),
    "an error of its own for each accelerator": Switch(
        lambda asked: replace(asked, model_error=0.3 if asked.model_error == "profile" else asked.model_error)
    ),
    "launches of a server": _patched(calibrated, "launch_factor", mock.Mock(return_value=1.0)),
    "each of several servers has its own launches": _scenario(engine_factors=False),
    "energy has a price": _scenario(powers={}, max_carbon_kg_per_mtok=None),
    "energy is limited": _scenario(max_energy_j_per_token=None),
    "carbon is limited": _scenario(max_carbon_kg_per_mtok=None),
    "GPUs draw less while they wait": _patched(energy, "joules_per_token", _always_busy),
    "a profile has shares of the board power": _patched(energy, "supply", _usual_shares),
    "prompts are priced": Switch(_decoding_alone),
    "a part of a prompt is found": _scenario(prefix_hit=0.0),
    "the first token is in time": _scenario(max_time_to_first_token_s=None),
    "the last token is in time": _scenario(max_end_to_end_s=None),
    "a least number of requests": _scenario(requests_per_s=None),
    "prompts run in chunks": _patched(reserve, "chunk_tokens", _all_at_once),
    "prompts of others are in the way": _patched(calibrated, "first_token_of", _in_nobodys_way),
    "a draft reads prompts too": _patched(passes, "of_draft", _drafting_alone),
    "contexts that a model was made for": _of_models(lambda model: replace(model, max_context_tokens=None)),
}
"""Every rule of docs/performance-model.md that a scenario may turn on, and the oracle without it."""

SERVER_SWITCHES: Mapping[str, Switch] = {
    **{row: _rule(row) for row in servers.RULES if row not in ("accelerators", "layout")},
    **{row: _draft_rule(row, **dict.fromkeys(servers.SERVERS, ())) for row in servers.DRAFT_RULES},
    "no draft beside attention groups in SGLang": _draft_rule(
        "draft_model", sglang=servers.DRAFT_RULES["draft_model"]["vllm"]
    ),
    "dense layers that are whole in SGLang": _patched(servers, "WHOLE_DENSE_IN_SGLANG", frozenset()),
    "shared experts of any width in SGLang": _patched(servers.Asked, "sends", property(_never)),
    "copies of dense layers": _without_copies_of("dense"),
    "copies of shared experts": _without_copies_of("shared"),
    "copies of the embedding": _without_copies_of("embedding"),
    "copies of the head": _without_copies_of("head"),
}
"""Every row of the tables of docs/engines.md, and the oracle without it."""
