"""One configuration that somebody asks about: where it runs, what forbids it, and by how much it loses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ieco_opt.defaults import ObjectiveName
from ieco_opt.documents.types import Count, Flag, FromZero, Record, Text, Whole
from ieco_opt.results.comparison import Obstacle
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.encoding import plain
from ieco_opt.results.json_record import JsonRecord
from ieco_opt.results.parallelism import Parallelism, Row
from ieco_opt.results.versions import Versions
from ieco_opt.scenario import Scenario

FORMAT = "ieco_opt configuration"


@dataclass(frozen=True, slots=True)
class AskedConfiguration(Record):
    """Degrees, batch and draft tokens that are asked about.

    Attributes
    ----------
    expert_parallel, redundant_experts
        ``None`` where the best of those that the scenario admits is meant.
    draft_tokens
        Verify width; 0 without a draft model.
    """

    tensor_parallel: Whole
    batch: Whole
    attention_data_parallel: Whole = 1
    pipeline_parallel: Whole = 1
    expert_parallel: Whole | None = None
    redundant_experts: Count | None = None
    draft_tokens: Count = 0

    @property
    def stage_ranks(self) -> int:
        """Ranks of one stage: TP x DP."""
        return self.tensor_parallel * self.attention_data_parallel

    @property
    def gpus(self) -> int:
        """GPUs of one instance: TP x DP x PP."""
        return self.stage_ranks * self.pipeline_parallel

    def __str__(self) -> str:
        parts = [f"TP{self.tensor_parallel}"]
        degrees = (("DP", self.attention_data_parallel), ("PP", self.pipeline_parallel))
        parts += [f"{letters}{degree}" for letters, degree in degrees if degree > 1]
        if self.expert_parallel is not None:
            parts.append(f"EP{self.expert_parallel}")
        if self.redundant_experts is not None:
            parts.append(f"R{self.redundant_experts}")
        if self.draft_tokens:
            parts.append(f"K{self.draft_tokens}")
        return ",".join([*parts, f"B{self.batch}"])


@dataclass(frozen=True, slots=True)
class MemoryNeed(Record):
    """What the most loaded GPU would have to hold, in 1e9 bytes; averages over all GPUs in fidelity ``paper``."""

    needed_gb: FromZero
    limit_gb: FromZero
    weights_gb: FromZero
    cache_gb: FromZero
    draft_gb: FromZero
    reserve_gb: FromZero

    @property
    def over_gb(self) -> float:
        """By how much it is too much."""
        return self.needed_gb - self.limit_gb


@dataclass(frozen=True, slots=True)
class Forbidden(Record):
    """One reason why a configuration cannot be had.

    Attributes
    ----------
    text
        In short words.
    field, value
        Field of the scenario that says so and what it says; ``None`` where nothing there does.
    rule, source, here
        Rule of a server or of the model with its expression and source, the source alone, and what the names of the
        expression stand for in this configuration; ``None`` where none does.
    memory
        What the memory would have to hold, where it is over.
    """

    obstacle: Obstacle
    text: Text
    field: Text | None
    value: Text | None
    rule: Text | None
    source: Text | None
    here: Text | None
    memory: MemoryNeed | None


@dataclass(frozen=True, slots=True)
class Better(Record):
    """A deployment of the scenario that is better than a configuration.

    ``loss`` is how much more expensive, slower or (`preferred`) lower in speed^k / cost the configuration is, as a
    share of it.
    """

    deployment: Deployment
    loss: FromZero


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict(Row):
    """A configuration on one accelerator with one precision on one server.

    Attributes
    ----------
    weights, kv_cache
        Precisions; ``None`` in fidelity ``paper``.
    engine
        Name of the server; ``None`` for the equations alone.
    parallelism
        The degrees, with the best expert degree where none was named: of those that exist the fastest, else the one
        that comes nearest.
    deployment
        What it is worth; also where only lists and limits of the scenario forbid it. ``None`` where a rule or the
        memory does.
    forbidden
        Why the scenario cannot have it; empty where it can.
    cheaper, faster
        The cheapest deployment of the scenario that is as fast, and the fastest that is as cheap; ``None`` where the
        configuration itself is, and where it is forbidden.
    better
        The best deployment of the scenario by the objective; ``None`` likewise.
    """

    accelerator: Text
    weights: Text | None
    kv_cache: Literal["bf16", "fp8"] | None
    engine: Text | None
    parallelism: Parallelism
    deployment: Deployment | None
    forbidden: tuple[Forbidden, ...]
    cheaper: Better | None
    faster: Better | None
    better: Better | None

    @property
    def possible(self) -> bool:
        """Whether the scenario can have it."""
        return not self.forbidden

    @property
    def on_frontier(self) -> bool:
        """Whether no deployment is as fast and cheaper, or as cheap and faster."""
        return self.possible and self.cheaper is None and self.faster is None

    @property
    def is_best(self) -> bool:
        """Whether no deployment is better by the objective."""
        return self.possible and self.better is None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationAnswer(JsonRecord, Record):
    """What becomes of a configuration in a scenario.

    Attributes
    ----------
    verdicts
        One for every accelerator, precision and server of the scenario, in its order.
    chosen_experts
        Whether the best expert degree was looked for.
    best
        The best deployment of the scenario by the objective; ``None`` where no deployment meets the limits.
    """

    scenario: Scenario
    asked: AskedConfiguration
    objective: ObjectiveName
    preference: FromZero | None
    chosen_experts: Flag
    verdicts: tuple[Verdict, ...]
    best: Deployment | None
    seconds: FromZero
    versions: Versions

    @property
    def possible(self) -> tuple[Verdict, ...]:
        """Where the scenario can have the configuration."""
        return tuple(each for each in self.verdicts if each.possible)

    def to_dict(self) -> dict[str, Any]:
        """Everything, as the JSON file holds it."""
        values: dict[str, Any] = {"format": FORMAT} | plain(self)
        values["scenario"] = self.scenario.to_mapping()
        values["asked"] |= {"text": str(self.asked)}
        return values

    def __repr__(self) -> str:
        count = len(self.possible)
        return f"{self.scenario.name}: {self.asked} in {count} of {len(self.verdicts)} places"
