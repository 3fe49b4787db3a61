"""What a scenario of kind ``fleet`` says, checked and frozen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Discriminator, PrivateAttr, Tag, field_validator, model_validator

from ieco_opt.catalog.precision import label
from ieco_opt.documents.origin import Location, Origin, shortened
from ieco_opt.scenario import calibration_fields, engine_fields, fields
from ieco_opt.scenario.calibrations import AUTOMATIC
from ieco_opt.scenario.deployment import DesignSpace
from ieco_opt.scenario.engines import is_file, spoken
from ieco_opt.scenario.fleet_limits import FleetLimits
from ieco_opt.scenario.fleet_notes import notes_on_nodes, notes_on_points
from ieco_opt.scenario.model_notes import notes_on_models
from ieco_opt.scenario.pool import Pool
from ieco_opt.scenario.speculation import Speculation
from ieco_opt.scenario.strict import SaysForAll, Strict
from ieco_opt.scenario.version import VERSION, notes_on_version

PhaseName = Annotated[Literal["colocated", "prefill", "decode"], fields.expecting("'colocated', 'prefill' or 'decode'")]


Entry = TypeVar("Entry", bound="Pool | FleetWorkload | RequestClass")


def _each_name_once(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Refuse a name (of a request class: what stands for it) that an earlier entry has."""
    seen: set[str] = set()
    faults: list[tuple[Location, object, str]] = []
    for index, entry in enumerate(entries):
        name = entry.label if isinstance(entry, RequestClass) else entry.name
        if name in seen:
            faults.append(((index, "name"), name, "each name once"))
        seen.add(name)
    if faults:
        raise fields.refused_at(faults)
    return entries


class RequestClass(Strict):
    """Requests of one size within a mix."""

    name: fields.Title | None = None
    """Name that operating points use; by default `PROMPT/OUTPUT`."""

    share: fields.Limit
    """Share of the requests, in proportion to the sum of all shares."""

    prompt_tokens: fields.TokensOfRequest
    """Tokens of the prompt."""

    output_tokens: fields.TokensOfRequest
    """Tokens that are generated."""

    @property
    def label(self) -> str:
        """The name, or the sizes."""
        return self.name or f"{self.prompt_tokens}/{self.output_tokens}"


class OperatingPoint(Strict):
    """A measured or estimated instance type, or one request class of it."""

    accelerator: fields.Title | None = None
    """Name of the catalog: the point can run on every pool of the workload with this accelerator."""

    pool: fields.Title | None = None
    """Name of the one pool it can run on."""

    gpus: fields.Degree
    """GPUs of one instance."""

    throughput_tokens_per_s: fields.Limit | None = None
    """Capacity of one instance in generated tokens."""

    throughput_requests_per_s: fields.Limit | None = None
    """Capacity of one instance in requests."""

    speed_tokens_per_s: fields.Limit | None = None
    """Speed that one request sees."""

    time_to_first_token_s: fields.Limit | None = None
    """Time to first token; of a prefill point with its transfer."""

    phase: PhaseName = "colocated"
    """What the instance does."""

    request_class: fields.Title | None = None
    """Class of the request mix that the row is about."""

    kind: fields.Title | None = None
    """Name of the instance type; rows of one name describe one type."""

    @model_validator(mode="after")
    def _complete(self) -> OperatingPoint:
        faults: list[tuple[Location, object, str]] = []
        if (self.accelerator is None) == (self.pool is None):
            faults.append((("accelerator",), self.accelerator, "either accelerator or pool"))
        if (self.throughput_tokens_per_s is None) == (self.throughput_requests_per_s is None):
            expected = "either throughput_tokens_per_s or throughput_requests_per_s"
            faults.append((("throughput_tokens_per_s",), self.throughput_tokens_per_s, expected))
        elif self.phase == "prefill" and self.throughput_requests_per_s is None:
            expected = "throughput_requests_per_s instead, since prefill generates no tokens"
            faults.append((("throughput_tokens_per_s",), self.throughput_tokens_per_s, expected))
        if faults:
            raise fields.refused_at(faults)
        return self


OperatingPoints = Annotated[
    Annotated[fields.Name, fields.expecting("a CSV file or a list of mappings"), Tag("<name>")]
    | Annotated[tuple[OperatingPoint, ...], fields.listed("operating points, or a CSV file"), Tag("<list>")],
    Discriminator(lambda value: "<name>" if isinstance(value, str) else "<list>"),
]


class FleetWorkload(Strict):
    """Requests of one model that have to be served."""

    name: fields.Title
    """Name that results use."""

    model: fields.ModelReference | None = None
    """Model: a name of the catalog, a file or a mapping; may be left out where there are operating points."""

    weights: fields.Precisions = ()
    """Precisions of the weights that the solver may choose from: names of usual recipes, or mappings of formats by
    part; by default that of the checkpoint that the model names."""

    kv_cache: fields.KvCaches = ("bf16",)
    """Precisions of the cache that the solver may choose from."""

    engine: engine_fields.Engines = ("any",)
    """Servers that the solver may choose from: names, or engine profiles of your own as files or mappings; any: all
    that the package knows; none: the equations alone."""

    engine_factors: calibration_fields.EngineFactors = False
    """Whether several engines are each priced with the launches that their measurements say; one engine always is."""

    requests_per_s: fields.Limit | None = None
    """Requests that arrive in a second; may be left out where the one workload is served as often as possible."""

    prompt_tokens: fields.TokensOfRequest | None = None
    """Tokens of one prompt."""

    output_tokens: fields.TokensOfRequest | None = None
    """Tokens that one request generates."""

    request_mix: (
        Annotated[tuple[RequestClass, ...], AfterValidator(_each_name_once), fields.listed("request classes")] | None
    ) = None
    """Classes of requests that share instances, instead of one size."""

    slices: fields.Degree | None = None
    """Equal slices of each class, each of which goes to one instance type; by default classes split at will."""

    min_speed: fields.Limit | None = None
    """Least speed that one request sees, in tokens/s."""

    max_time_to_first_token_s: fields.Limit | None = None
    """Longest time to first token."""

    headroom: fields.Headroom = 0.0
    """Share by which capacity must exceed the demand."""

    min_instances: fields.Degree = 1
    """Least instances of each phase."""

    max_instances: fields.Degree | None = None
    """Most instances of each phase."""

    pools: fields.PoolNames | None = None
    """Pools that may be used; by default all."""

    serving: fields.Modes = ("colocated", "disaggregated")
    """Modes that the solver may choose from."""

    speculation: Speculation | None = None
    """Speculative decoding; left out, there is none."""

    design_space: DesignSpace = DesignSpace()
    """The degrees and batches that the solver may choose from."""

    memory_utilization: fields.Share = 0.9
    """Share of the accelerator's memory that the server may use."""

    memory_reserve_gb: fields.Reserve = "auto"
    """Memory of each GPU that holds neither weights nor cache, in 1e9 bytes; by default as the engine does."""

    prefix_hit: fields.PrefixHit = 0.0
    """Share of each prompt that is found in the prefix cache and not computed again."""

    operating_points: OperatingPoints | None = None
    """Measured or estimated instance types, instead of the performance model or beside it."""

    @field_validator("design_space", mode="before")
    @classmethod
    def _may_be_empty(cls, value: object) -> object:
        return {} if value is None else value

    @model_validator(mode="after")
    def _complete(self) -> FleetWorkload:
        faults: list[tuple[Location, object, str]] = []
        sizes = {"prompt_tokens": self.prompt_tokens, "output_tokens": self.output_tokens}
        for name, value in sizes.items():
            if self.request_mix is None and value is None:
                faults.append(((name,), None, "this field, or a request_mix"))
            if self.request_mix is not None and value is not None:
                faults.append(((name,), value, "nothing beside request_mix, whose classes have sizes of their own"))
        if self.model is None and self.operating_points is None:
            faults.append((("model",), None, "a model, operating_points, or both"))
        if self.model is None and self.weights:
            given = [label(entry) for entry in self.weights]
            faults.append((("weights",), given, "nothing without a model"))
        if self.model is None and self.speculation is not None:
            faults.append((("speculation",), {}, "nothing without a model"))
        if self.model is None:
            own = [(at, each) for at, each in enumerate(self.engine) if is_file(each) or not isinstance(each, str)]
            faults += [(("engine", at), each, "no engine profile without a model") for at, each in own]
        if self.max_instances is not None and self.max_instances < self.min_instances:
            expected = f"at least min_instances, which is {self.min_instances}"
            faults.append((("max_instances",), self.max_instances, expected))
        if self.slices is not None and self.request_mix is None:
            faults.append((("slices",), self.slices, "nothing without a request_mix"))
        if faults:
            raise fields.refused_at(faults)
        return self

    @property
    def demand(self) -> float:
        """Requests that arrive in a second; 1 where as many as possible are served."""
        return 1.0 if self.requests_per_s is None else self.requests_per_s

    @property
    def servers(self) -> tuple[str, ...]:
        """Names of the servers that are asked, ``any`` or ``none``; of an engine profile, its engine."""
        return spoken(self.engine)

    @property
    def classes(self) -> tuple[RequestClass, ...]:
        """The request mix, or the one size as a mix of one class."""
        if self.request_mix is not None:
            return self.request_mix
        assert self.prompt_tokens is not None
        assert self.output_tokens is not None
        # Both were checked, and this is asked hundreds of times.
        prompt, output = self.prompt_tokens, self.output_tokens
        return (RequestClass.model_construct(share=1.0, prompt_tokens=prompt, output_tokens=output),)


Pools = Annotated[tuple[Pool, ...], AfterValidator(_each_name_once), fields.listed("pools")]
Workloads = Annotated[tuple[FleetWorkload, ...], AfterValidator(_each_name_once), fields.listed("workloads")]


class Fleet(SaysForAll):
    """Workloads to be served from pools of accelerators.

    Raises
    ------
    ScenarioError
        With every fault of the fields given.
    """

    version: fields.Version = VERSION
    """Version of the file's format; 2 says that tensor_parallel counts the ranks of one attention group."""

    kind: Annotated[Literal["fleet"], fields.expecting("'fleet'")] = "fleet"
    """Kind of the scenario."""

    name: fields.Title = "fleet"
    """Name that results carry; by default the name of the file."""

    pools: Pools
    """What instances may run on."""

    workloads: Workloads
    """What has to be served."""

    profile: calibration_fields.Profiles = (AUTOMATIC,)
    """Calibration: auto (the profile of each accelerator's generation), profiles as names, files or mappings, or
    paper-constants."""

    limits: FleetLimits = FleetLimits()
    """What a plan must meet."""

    model_error: fields.ModelError = 0.0
    """Limits hold if the model is so much too optimistic: a share such as 0.15, or profile, the expected error of each
    accelerator."""

    objective: Annotated[
        Literal["cost", "power", "gpus", "energy", "carbon", "throughput", "frontier"],
        fields.expecting("'cost', 'power', 'gpus', 'energy', 'carbon', 'throughput' or 'frontier'"),
    ] = "cost"
    """What is minimised; throughput: the greatest common factor on all demands; frontier: cost against a common factor
    on all least speeds."""

    _origin: Origin = PrivateAttr(default_factory=Origin)

    @field_validator("limits", mode="before")
    @classmethod
    def _may_be_empty(cls, value: object) -> object:
        return {} if value is None else value

    @model_validator(mode="after")
    def _names_exist(self) -> Fleet:
        known = {pool.name for pool in self.pools}
        faults: list[tuple[Location, object, str]] = []
        expected = f"the name of a pool ({shortened(sorted(known))})"
        for index, workload in enumerate(self.workloads):
            for position, name in enumerate(workload.pools or ()):
                if name not in known:
                    faults.append((("workloads", index, "pools", position), name, expected))
            faults += _unknown_in_points(index, workload, known, expected)
        faults += [(("workloads", index, "requests_per_s"), None, expected) for index, expected in self.without_rate()]
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

    def without_rate(self) -> Iterator[tuple[int, str]]:
        """Workloads that need a rate of requests and have none, and what is expected."""
        alone = len(self.workloads) == 1
        for index, workload in enumerate(self.workloads):
            if workload.requests_per_s is None and not (alone and self.objective == "throughput"):
                also = ", or the objective throughput" if alone else ""
                yield index, f"requests that arrive in a second{also}"

    def with_max_setups(self, most: int) -> Fleet:
        """The same scenario, which may list so many configurations (see ``bounds.DEFAULT_MAX_SETUPS``)."""
        copied = self.model_copy()
        copied._origin = replace(self._origin, max_setups=most)
        return copied

    def notes(self) -> tuple[str, ...]:
        """Tell which of the fields given meant something else before, and what no plan can use."""
        unsaid = [
            at
            for at, each in enumerate(self.workloads)
            if "version" not in self.model_fields_set and each.design_space.meant_otherwise_before
        ]
        meanings = notes_on_version([f"workloads[{at}].design_space.tensor_parallel" for at in unsaid])
        return (*meanings, *self._notes_on_use())

    def _notes_on_use(self) -> Iterator[str]:
        for pool in self.pools:
            size = pool.node_size
            yield from notes_on_nodes(pool.name, pool.accelerator, pool.gpus, size, pool.rented_by, self._origin)
        for workload in self.workloads:
            draft = None if workload.speculation is None else workload.speculation.looked_up
            notes = calibration_fields.without_factors(self.profile, asked=workload.engine_factors)
            if workload.model is not None:
                notes = (*notes_on_models(workload.model, draft, workload.weights), *notes)
            yield from (f"workload {workload.name}: {note}" for note in notes)
            rows = workload.operating_points if isinstance(workload.operating_points, tuple) else ()
            points = [row.accelerator for row in rows if row.accelerator is not None]
            pools = [each.accelerator for each in self.pools if workload.pools is None or each.name in workload.pools]
            yield from notes_on_points(workload.name, points, pools, self._origin)

    def to_mapping(self) -> dict[str, Any]:
        """Write the scenario as a mapping that JSON can hold; fields that were left out stay out, but for the version.

        Whatever ``resolve_fleet`` and the loaders return is self-contained: files that the scenario named have
        become mappings in it.
        """
        return {"version": self.version, "kind": self.kind, "name": self.name} | self.model_dump(
            mode="json", exclude_unset=True
        )


def _unknown_in_points(
    index: int, workload: FleetWorkload, pools: set[str], expected: str
) -> Iterable[tuple[Location, object, str]]:
    """Names in operating points that the scenario does not know."""
    if not isinstance(workload.operating_points, tuple):
        return
    classes = {each.label for each in workload.classes}
    for row, point in enumerate(workload.operating_points):
        at: Location = ("workloads", index, "operating_points", row)
        if point.pool is not None and point.pool not in pools:
            yield (*at, "pool"), point.pool, expected
        if workload.request_mix is None and point.request_class is not None:
            yield (*at, "request_class"), point.request_class, "nothing without a request_mix"
        elif workload.request_mix is not None and point.request_class not in classes:
            yield (*at, "request_class"), point.request_class, f"a class of request_mix ({shortened(sorted(classes))})"
        elif workload.request_mix is not None and point.kind is None:
            yield (*at, "kind"), None, "the name of the kind of instance that the class is served by"
