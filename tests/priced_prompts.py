"""Random small scenarios that price prompts, each with every deployment that the oracle of instances knows of it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from oracle import Setup
from oracle.enumeration import OracleScenario
from oracle.precision import Precision, listed
from oracle.serving import (
    Decoding,
    Request,
    Service,
    Speculation,
    decodings,
    figures,
    fits,
    generation_s,
    phase_setups,
)
from random_scenarios import numbered, oracle_scenario

Mapping = dict[str, Any]
LIMITS = ("max_time_to_first_token_s", "max_end_to_end_s", "max_cost", "min_speed", "min_throughput")


@dataclass(frozen=True, slots=True)
class Priced:
    """A deployment by the oracle, with what it is worth; figures are those of the model as it is."""

    accelerator: str
    precision: Precision
    setup: Setup
    decoding: Decoding
    batch: int
    margin: float
    latency_s: float
    cost: float
    first_s: float
    last_s: float
    requests_per_s: float

    def meets(self, limits: Mapping) -> bool:
        """Whether it is within limits with the error of the model."""
        throughput = self.batch / self.latency_s / self.margin
        late, never = (limits.get(name, np.inf) for name in LIMITS[:2]), limits.get("max_cost", np.inf)
        return (
            all(self.margin * found <= most for found, most in zip((self.first_s, self.last_s), late, strict=True))
            and self.margin * self.cost <= never
            and 1.0 / self.latency_s / self.margin >= limits.get("min_speed", 0.0)
            and throughput >= limits.get("min_throughput", 0.0)
        )


def drawn(number: int) -> tuple[Mapping, list[Priced]] | None:
    """Draw a scenario that prices prompts and all its deployments; nothing where it has none, or is of the paper."""
    case, rng = numbered(number, **_more(number))
    if case.oracle.fidelity == "paper":
        return None
    mapping = {name: value for name, value in case.mapping.items() if name != "limits"}
    output = rng.choice((1, 40, 300, 2000))
    prompt = rng.choice((1, 500, 3000, 9000))
    most = [each.max_context_tokens for each in _models(case.oracle) if each.max_context_tokens is not None]
    if most and prompt + output > min(most):
        prompt = output = max(1, min(most) // 4)
    mapping["workload"] = {"prompt_tokens": prompt, "output_tokens": output}
    if rng.random() < 0.4:
        mapping["workload"]["prefix_hit"] = rng.choice((0.3, 0.9))
    every = list(everything(mapping))
    return (mapping, every) if every else None


def limited(mapping: Mapping, every: list[Priced], rng: random.Random) -> tuple[Mapping, list[Priced]]:
    """Draw limits, none of which a deployment meets to the last bit, and what they leave."""
    limits: Mapping = {}
    for name in rng.sample(LIMITS, rng.choice((1, 2, 2, 3))):
        values = np.unique(
            [
                {
                    "max_time_to_first_token_s": each.margin * each.first_s,
                    "max_end_to_end_s": each.margin * each.last_s,
                    "max_cost": each.margin * each.cost,
                    "min_speed": 1.0 / each.latency_s / each.margin,
                    "min_throughput": each.batch / each.latency_s / each.margin,
                }[name]
                for each in every
            ]
        )
        at = float(np.quantile(values, rng.choice((0.1, 0.4, 0.6, 0.9))))
        nearest = float(values[np.argmin(np.abs(values - at))])
        limits[name] = at if abs(at / nearest - 1.0) > 1e-6 else nearest * (0.99999 if name[:3] == "min" else 1.00001)
    asked = mapping | {"limits": dict(limits)}
    if "min_throughput" in limits and rng.random() < 0.5:
        least = asked["limits"].pop("min_throughput") / mapping["workload"]["output_tokens"]
        asked["workload"] = mapping["workload"] | {"requests_per_s": least}
    return asked, [each for each in every if each.meets(limits)]


def everything(mapping: Mapping) -> Iterator[Priced]:
    """Every deployment of a scenario without limits, one integer batch after the other."""
    context = {"context_tokens": 1} | {"output_tokens": mapping["workload"]["output_tokens"]}
    oracle = oracle_scenario(mapping | {"workload": context})
    for accelerator in oracle.accelerators:
        service = service_of(mapping, oracle, accelerator)
        margin = 1.0 + oracle.error_of(accelerator)
        for precision in service.precisions:
            for setup, batches, exists in phase_setups(service, "colocated", precision):
                for decoding in decodings(service, "colocated", setup):
                    held = batches[exists & fits(service, "colocated", precision, setup, decoding, batches)]
                    if held.size:
                        yield from _priced(service, precision, setup, decoding, held, margin)


def _priced(
    service: Service, precision: Precision, setup: Setup, decoding: Decoding, batch: Any, margin: float
) -> Iterator[Priced]:
    latency = generation_s(service, "colocated", precision, setup, decoding, batch)
    known = figures(service, "colocated", precision, setup, decoding, latency, batch)
    assert service.accelerator.usd_per_gpu_hour is not None
    cost = 1e6 * setup.gpus * service.accelerator.usd_per_gpu_hour / 3600.0 * latency / batch
    last = known.pass_s + (service.request.output_tokens - 1.0) * latency
    for row in range(len(batch)):
        yield Priced(
            *(service.accelerator.name, precision, setup, decoding, int(batch[row]), margin),
            *(float(column[row]) for column in (latency, cost, known.pass_s, last, known.capacity)),
        )


def service_of(mapping: Mapping, oracle: OracleScenario, accelerator: Any) -> Service:
    """The scenario on one accelerator as a service of the oracle of instances."""
    workload, drafted = mapping["workload"], mapping.get("speculation")
    speculation = None
    if drafted is not None:
        assert oracle.draft_model is not None
        speculation = Speculation(
            oracle.draft_model, oracle.acceptance, oracle.max_draft_tokens, oracle.accepted_tokens
        )
    return Service(
        model=oracle.model,
        accelerator=accelerator,
        weights=listed(mapping["weights"], ""),
        request=Request(workload["prompt_tokens"], workload["output_tokens"]),
        kv_cache=oracle.kv_cache,
        prefix_hit=workload.get("prefix_hit", 0.0),
        tensor_parallel=oracle.tensor_parallel,
        stage_ranks=oracle.stage_ranks,
        pipeline_parallel=oracle.pipeline_parallel,
        expert_parallel=oracle.expert_parallel,
        redundant_experts=oracle.redundant_experts,
        attention_data_parallel=oracle.attention_data_parallel,
        tensor_layout=oracle.tensor_layout,
        batches=oracle.batches,
        max_gpus=oracle.max_gpus,
        memory_utilization=oracle.memory_utilization,
        engine=oracle.engine,
        memory_reserve_gb=oracle.memory_reserve_gb,
        profile=oracle.profile,
        engine_factors=oracle.engine_factors,
        speculation=speculation,
    )


def nondominated(every: list[Priced]) -> list[tuple[float, float]]:
    """Latency and cost of what nothing dominates, fastest first; equals but for rounding are one."""
    kept: list[tuple[float, float]] = []
    for each in sorted(every, key=lambda one: (one.latency_s, one.cost)):
        if not kept or each.cost < kept[-1][1] * (1.0 - 1e-12):
            if kept and each.latency_s <= kept[-1][0] * (1.0 + 1e-12):
                kept.pop()
            kept.append((each.latency_s, each.cost))
    return kept


def _models(oracle: OracleScenario) -> list[Any]:
    return [each for each in (oracle.model, oracle.draft_model) if each is not None]


def _more(number: int) -> Mapping:
    """Draw the profile and the error that the scenario plans with."""
    rng = random.Random(f"prompts {number}")  # noqa: S311 - chance, not secrets
    found: Mapping = {"profile": rng.choice(("paper-constants", "auto", None))}
    if rng.random() < 0.4:
        found["model_error"] = rng.choice((0.05, 0.4, "profile"))
    return found
