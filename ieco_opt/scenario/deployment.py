"""What a scenario of kind ``deployment`` says, checked and frozen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import (
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    field_validator,
    model_validator,
)

from ieco_opt.catalog.precision import label
from ieco_opt.catalog.types import Fidelity
from ieco_opt.documents.origin import Location, Origin
from ieco_opt.scenario import calibration_fields, engine_fields, fields
from ieco_opt.scenario.calibrations import AUTOMATIC
from ieco_opt.scenario.engines import spoken
from ieco_opt.scenario.model_notes import notes_on_models
from ieco_opt.scenario.speculation import Speculation
from ieco_opt.scenario.strict import Strict
from ieco_opt.scenario.version import VERSION, notes_on_version
from ieco_opt.scenario.workload import Workload

DEFAULT_BATCH_MAX = 16_384
DEFAULT_MAX_GPUS = 512

_STAGE_RANKS = (1, 2, 4, 8, 16, 32, 64)
_PIPELINE_PARALLEL = (1, 2, 4, 8, 16)
_ATTENTION_DATA_PARALLEL = (1, 2, 4, 8, 16, 32)


class BatchRange(Strict):
    """Every integer batch between two bounds, both included."""

    min: fields.Degree = 1
    """Least number of sequences in flight."""

    max: fields.Degree = DEFAULT_BATCH_MAX
    """Greatest number of sequences in flight."""

    @model_validator(mode="after")
    def _in_order(self) -> BatchRange:
        if self.min > self.max:
            raise fields.refused_at([(("min",), self.min, f"at most max, which is {self.max}")])
        return self


Batches = Annotated[
    Annotated[BatchRange, Tag("<range>")] | Annotated[fields.BatchList, Tag("<list>")],
    Discriminator(fields.kind_of_batches),
]


@dataclass(frozen=True, slots=True)
class ResolvedDesignSpace:
    """A design space with every default filled in.

    Attributes
    ----------
    tensor_parallel, stage_ranks
        TP, and TP x DP, as far as they are restricted; at least one of them is.
    expert_parallel
        Degrees listed, or ``None`` for `auto`; likewise ``redundant_experts``.
    batch_min, batch_max
        Bounds of the batch, both included.
    batches
        The batches listed, sorted, or ``None`` where every integer within the bounds is one.
    """

    tensor_parallel: tuple[int, ...] | None
    stage_ranks: tuple[int, ...] | None
    tensor_layout: tuple[str, ...]
    pipeline_parallel: tuple[int, ...]
    expert_parallel: tuple[int, ...] | None
    redundant_experts: tuple[int, ...] | None
    attention_data_parallel: tuple[int, ...]
    batch_min: int
    batch_max: int
    batches: tuple[int, ...] | None
    max_gpus: int

    def possible_stage_ranks(self) -> tuple[int, ...]:
        """Numbers of ranks that one stage may have: those listed, or all TP x DP within ``max_gpus``, sorted."""
        if self.stage_ranks is not None:
            return self.stage_ranks
        products = {ranks * groups for ranks in self.tensor_parallel or () for groups in self.attention_data_parallel}
        return tuple(sorted(ranks for ranks in products if ranks <= self.max_gpus))


class DesignSpace(Strict):
    """The degrees and batches that the solver may choose from; a field left out takes its default."""

    tensor_parallel: fields.Degrees | None = None
    """TP, the tensor ranks of one attention group; by default any."""

    attention_data_parallel: fields.Degrees | None = None
    """DP, the attention groups of one pipeline stage; by default the powers of two from 1 to 32."""

    stage_ranks: fields.Degrees | None = None
    """What TP x DP may be; by default any where tensor_parallel is given, else the powers of two from 1 to 64."""

    tensor_layout: fields.Layouts | None = None
    """Layouts of tensor parallelism; by default 1d in fidelity deployable and both in paper."""

    pipeline_parallel: fields.Degrees | None = None
    """Pipeline stages; by default the powers of two from 1 to 16."""

    expert_parallel: fields.ExpertDegrees | None = None
    """Expert-parallel degrees; by default auto (all that divide the ranks, or the paper's rule)."""

    redundant_experts: fields.RedundantExperts | None = None
    """Copies of experts in each layer; by default auto (the least with which they divide over expert_parallel)."""

    batch: Batches | None = None
    """Sequences in flight, as a range of integers or a list; by default 1 to 16384."""

    max_gpus: fields.Degree | None = None
    """Most GPUs of one deployment; by default 512."""

    @property
    def meant_otherwise_before(self) -> bool:
        """Whether version 1 read other configurations in the same numbers."""
        only_one_group = self.attention_data_parallel == (1,)
        return self.tensor_parallel is not None and self.stage_ranks is None and not only_one_group

    def resolved(self, fidelity: Fidelity) -> ResolvedDesignSpace:
        """Fill in the defaults of a fidelity."""
        layouts = ("1d",) if fidelity is Fidelity.DEPLOYABLE else ("1d", "2d")
        batches = self.batch if isinstance(self.batch, tuple) else None
        bounds = self.batch if isinstance(self.batch, BatchRange) else BatchRange()
        unrestricted = self.tensor_parallel is None and self.stage_ranks is None
        return ResolvedDesignSpace(
            tensor_parallel=self.tensor_parallel,
            stage_ranks=_STAGE_RANKS if unrestricted else self.stage_ranks,
            tensor_layout=self.tensor_layout or layouts,
            pipeline_parallel=self.pipeline_parallel or _PIPELINE_PARALLEL,
            expert_parallel=self.expert_parallel if isinstance(self.expert_parallel, tuple) else None,
            redundant_experts=self.redundant_experts if isinstance(self.redundant_experts, tuple) else None,
            attention_data_parallel=self.attention_data_parallel or _ATTENTION_DATA_PARALLEL,
            batch_min=batches[0] if batches else bounds.min,
            batch_max=batches[-1] if batches else bounds.max,
            batches=batches,
            max_gpus=self.max_gpus or DEFAULT_MAX_GPUS,
        )


class Limits(Strict):
    """What a deployment must meet; a field left out is no limit."""

    min_speed: fields.Limit | None = None
    """Least speed that one request sees, in tokens/s."""

    max_cost: fields.Limit | None = None
    """Greatest cost, in $ per million generated tokens."""

    max_throughput: fields.Limit | None = None
    """Greatest throughput that finds a demand, in tokens/s over all requests."""

    min_throughput: fields.Limit | None = None
    """Least throughput, in tokens/s over all requests."""

    max_power_kw: fields.Limit | None = None
    """Greatest board power of all GPUs together, in kW."""

    max_energy_j_per_token: fields.Limit | None = None
    """Greatest energy of one generated token, in joules."""

    max_carbon_kg_per_mtok: fields.Limit | None = None
    """Greatest carbon dioxide of a million generated tokens, in kg."""

    max_time_to_first_token_s: fields.Limit | None = None
    """Longest time to first token, in seconds; needs workload.prompt_tokens."""

    max_end_to_end_s: fields.Limit | None = None
    """Longest time to the last token of an answer, in seconds; needs workload.prompt_tokens."""

    @model_validator(mode="after")
    def _are_consistent(self) -> Limits:
        least, most = self.min_throughput, self.max_throughput
        if least is not None and most is not None and least > most:
            raise fields.refused_at([(("min_throughput",), least, f"at most max_throughput, which is {most}")])
        return self


class Scenario(Strict):
    """One deployment to be optimised.

    Raises
    ------
    ScenarioError
        With every fault of the fields given.
    """

    version: fields.Version = VERSION
    """Version of the file's format; 2 says that tensor_parallel counts the ranks of one attention group."""

    kind: Annotated[Literal["deployment"], fields.expecting("'deployment'")] = "deployment"
    """Kind of the scenario."""

    name: fields.Title = "deployment"
    """Name that results carry; by default the name of the file."""

    # Declared before the fields whose rules depend on it.
    fidelity: Annotated[Fidelity, Field(strict=False), fields.expecting("'deployable' or 'paper'")] = (
        Fidelity.DEPLOYABLE
    )
    """Reading of the performance model: deployable, or paper with the names of the paper collection."""

    model: fields.ModelReference
    """Model: a name of the catalog, a file (model YAML or Hugging Face config.json) or a mapping."""

    weights: fields.Precisions = ()
    """Precisions of the weights that the solver may choose from: names of usual recipes, or mappings of formats by
    part; by default that of the checkpoint that the model names; left out in fidelity paper."""

    kv_cache: fields.KvCaches = ("bf16",)
    """Precisions of the cache that the solver may choose from."""

    engine: engine_fields.Engines = ("any",)
    """Servers that the solver may choose from: names, or engine profiles of your own as files or mappings; any: all
    that the package knows; none: the equations alone."""

    engine_factors: calibration_fields.EngineFactors = False
    """Whether several engines are each priced with the launches that their measurements say; one engine always is."""

    profile: calibration_fields.Profiles = (AUTOMATIC,)
    """Calibration: auto (the profile of each accelerator's generation), profiles as names, files or mappings, or
    paper-constants."""

    accelerators: fields.Accelerators
    """Accelerators that the solver may choose from: names of the catalog or mappings."""

    workload: Workload
    """Sizes of the requests that are served."""

    design_space: DesignSpace = DesignSpace()
    """The degrees and batches that the solver may choose from."""

    speculation: Speculation | None = None
    """Speculative decoding; left out, there is none."""

    limits: Limits = Limits()
    """What a deployment must meet."""

    model_error: fields.ModelError = 0.0
    """Limits hold if the model is so much too optimistic: a share such as 0.15, or profile, the expected error of each
    accelerator."""

    memory_utilization: fields.Share = 0.9
    """Share of the accelerator's memory that the server may use (used by fidelity deployable)."""

    memory_reserve_gb: fields.Reserve = "auto"
    """Memory of each GPU that holds neither weights nor cache, in 1e9 bytes; by default as the engine does."""

    _origin: Origin = PrivateAttr(default_factory=Origin)

    @field_validator("design_space", "limits", mode="before")
    @classmethod
    def _may_be_empty(cls, value: object) -> object:
        # What YAML reads where every line of a section is commented out.
        return {} if value is None else value

    @model_validator(mode="after")
    def _belong_to_workload(self) -> Scenario:
        limits, faults = self.limits, list[tuple[Location, object, str]]()
        if self.workload.prompt_tokens is None:
            expected = "nothing without workload.prompt_tokens: decoding alone is priced"
            for name in ("max_time_to_first_token_s", "max_end_to_end_s"):
                found = getattr(limits, name)
                faults += [] if found is None else [(("limits", name), found, expected)]
        elif self.fidelity is Fidelity.PAPER:
            expected = "context_tokens instead in fidelity paper, which prices no prompts"
            faults.append((("workload", "prompt_tokens"), self.workload.prompt_tokens, expected))
        least = self.workload.least_throughput
        if least is not None and limits.min_throughput is not None:
            expected = f"nothing beside workload.requests_per_s, which asks for {least:g} tokens/s"
            faults.append((("limits", "min_throughput"), limits.min_throughput, expected))
        if least is not None and limits.max_throughput is not None and least > limits.max_throughput:
            expected = f"at most limits.max_throughput / output_tokens, which is {limits.max_throughput:g} tokens/s"
            faults.append((("workload", "requests_per_s"), self.workload.requests_per_s, expected))
        if faults:
            raise fields.refused_at(faults)
        return self

    @model_validator(mode="after")
    def _belong_to_fidelity(self) -> Scenario:
        if self.fidelity is Fidelity.PAPER:
            faults: list[tuple[Location, object, str]] = []
            if self.weights:
                expected = "none in fidelity paper, where the model's name says the precision"
                faults.append((("weights",), [label(entry) for entry in self.weights], expected))
            if "engine" in self.model_fields_set:
                faults.append(
                    (("engine",), ", ".join(self.servers), "nothing in fidelity paper, which knows no server")
                )
            if "profile" in self.model_fields_set:
                expected = "nothing in fidelity paper, whose constants are the paper's"
                faults.append((("profile",), self.profile, expected))
            if "engine_factors" in self.model_fields_set:
                expected = "nothing in fidelity paper, which knows no server"
                faults.append((("engine_factors",), self.engine_factors, expected))
            if "model_error" in self.model_fields_set:
                expected = "nothing in fidelity paper, whose equations have no measured error"
                faults.append((("model_error",), self.model_error, expected))
            faults += self.speculation.unknown_to_paper() if self.speculation is not None else ()
            if faults:
                raise fields.refused_at(faults)
        return self

    def model_post_init(self, context: object) -> None:
        """Keep where the scenario came from, which the loader passes as context."""
        if isinstance(context, Origin):
            self._origin = context

    @property
    def origin(self) -> Origin:
        """File, folder and lines that the scenario was read from."""
        return self._origin

    @property
    def servers(self) -> tuple[str, ...]:
        """Names of the servers that are asked, ``any`` or ``none``; of an engine profile, its engine."""
        return spoken(self.engine)

    def with_max_setups(self, most: int) -> Scenario:
        """The same scenario, which may list so many configurations (see ``bounds.DEFAULT_MAX_SETUPS``)."""
        copied = self.model_copy()
        copied._origin = replace(self._origin, max_setups=most)
        return copied

    def notes(self) -> tuple[str, ...]:
        """Tell which of the fields given have no effect in the scenario's fidelity, or meant something else before."""
        unsaid = "version" not in self.model_fields_set and self.design_space.meant_otherwise_before
        meanings = notes_on_version(["design_space.tensor_parallel"] if unsaid else [])
        if self.fidelity is Fidelity.DEPLOYABLE:
            draft = None if self.speculation is None else self.speculation.looked_up
            factors = calibration_fields.without_factors(self.profile, asked=self.engine_factors)
            return *meanings, *notes_on_models(self.model, draft, self.weights), *factors
        given = {
            "workload.output_tokens": "output_tokens" in self.workload.model_fields_set,
            "design_space.redundant_experts": "redundant_experts" in self.design_space.model_fields_set,
            **{name: name in self.model_fields_set for name in ("kv_cache", "memory_utilization", "memory_reserve_gb")},
        }
        return *meanings, *(f"{name} has no effect in fidelity paper" for name in given if given[name])

    def to_mapping(self) -> dict[str, Any]:
        """Write the scenario as a mapping that JSON can hold; fields that were left out stay out, but for the version.

        Whatever ``resolve`` and the loaders return is self-contained: files that the scenario named have become
        mappings in it.
        """
        return {"version": self.version, "kind": self.kind, "name": self.name} | self.model_dump(
            mode="json", exclude_unset=True
        )
