"""The oracle of deployments without one rule of the model, to count how often a rule decides what is drawn."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from oracle import OracleScenario, deployable, enumerate_deployments, enumeration, pareto, precision
from oracle.kinds import Kind
from oracle.reserve import Reserve

from ieco_opt.catalog.attention import LatentAttention
from ieco_opt.catalog.types import Model

Context = Callable[[], contextlib.AbstractContextManager[Any]]

DECISION = (
    *("accelerator", "weights", "kv_cache", "stage_ranks", "tensor_parallel", "tensor_layout", "pipeline_parallel"),
    *("expert_parallel", "redundant_experts", "attention_data_parallel", "batch", "draft_tokens"),
)


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
    with switch.oracle():
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


def _one_copy(model: Model, setup: Any, engine: str) -> deployable.Sharers:
    return deployable.Sharers(setup.stage_ranks, setup.stage_ranks, setup.stage_ranks)


def _reserve_of_any(scenario: OracleScenario) -> Reserve:
    return Reserve(scenario.memory_utilization, "any", scenario.memory_reserve_gb)


def _whole_states(kind: Kind, tokens: float, word_bytes: float, *, share: float, state_share: float) -> float:
    return kind.words * word_bytes * kind.kept(tokens) * share + kind.key_bytes * tokens + kind.state_bytes


def _every_entry(kind: Kind, tokens: float) -> float:
    return tokens


def _with_cards(listed: Any, kv_cache: Any, accelerator: Any) -> Iterator[precision.Precision]:
    return precision.pairs(listed, kv_cache, replace(accelerator, flops_8bit=1.0))


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
    "a reserve of the engine's": _patched(OracleScenario, "reserve", property(_reserve_of_any)),
    "attention groups have copies of what no expert routes to": _patched(deployable, "sharers", _one_copy),
    "a reserve that is given": _scenario(memory_reserve_gb="auto"),
    "contexts that a model was made for": _of_models(lambda model: replace(model, max_context_tokens=None)),
}
"""Every rule of docs/performance-model.md that a scenario may turn on, and the oracle without it."""
