"""One server to be started: the point, the nodes, and every word that starts it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from ieco_opt.catalog.precision import parsed
from ieco_opt.catalog.types import Accelerator, Model
from ieco_opt.documents.yaml_document import yaml_text
from ieco_opt.engines.acceptance import accepts, derived
from ieco_opt.engines.as_priced import dense_ranks, lacks_exchange, priced_otherwise
from ieco_opt.engines.checkpoints import PLACEHOLDER, Checkpoint, checkpoint_of_draft
from ieco_opt.engines.columns import DRAFT, POINT
from ieco_opt.engines.command import LaunchCommand
from ieco_opt.engines.facts import EngineFacts, facts_of
from ieco_opt.engines.hosts import Devices
from ieco_opt.engines.profile import Profile
from ieco_opt.engines.saying import config, variables, words
from ieco_opt.errors import ScenarioError

Row = Mapping[str, Any]
"""Columns of a deployment or an instance, as in every table of results."""

HEAD_PORT = 20000
"""At which nodes of one SGLang server meet."""

_UNPRICED = "found no precision or no degrees, expected a point of fidelity deployable that was priced here"
_MEMORY = ("weights_gb", "reserve_gb", "memory_limit_gb")
_SLUG = re.compile(r"[^a-z0-9]+")
_LONGEST_SLUG = 50


def slug(text: str) -> str:
    """A text as a name that every file system, cluster and container takes: letters, digits and single hyphens."""
    plain = _SLUG.sub("-", text.casefold()).strip("-")[:_LONGEST_SLUG].strip("-")
    return plain if plain[:1].isalpha() else f"x-{plain}".strip("-")


def options_path(folder: Path, name: str, profile: Profile) -> str:
    """Absolute path of the file of options of a server or a router: never that of the scenario or result beside it."""
    return str((folder / f"{name}-{slug(profile.name)}-options.yaml").absolute())


@dataclass(frozen=True, slots=True)
class Serving:
    """What is served, the same for all points of a scenario.

    Attributes
    ----------
    reference, draft_reference
        How the scenario names the model and its draft model.
    context_tokens, output_tokens
        Of one request: what it has in the cache before its answer, and its answer.
    memory_utilization
        Share of the accelerator's memory that the server may use.
    engines
        Servers that the scenario chose from.
    """

    model: Model
    reference: str | Mapping[str, object] | None
    context_tokens: int
    output_tokens: int
    memory_utilization: float
    draft: Model | None = None
    draft_reference: str | Mapping[str, object] | None = None
    engines: tuple[Profile, ...] = ()


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a server runs.

    Attributes
    ----------
    hosts
        Names of its nodes, the one with rank 0 first.
    devices
        Those that it uses of each node; empty: all of all nodes.
    instance
        Number of the instance among those that share its first node, which sets its port.
    phase
        ``colocated``, ``prefill`` or ``decode``.
    alone
        Whether nothing else has to reach it but who stands before its node.
    """

    hosts: tuple[str, ...]
    devices: tuple[Devices, ...] = ()
    instance: int = 0
    phase: str = "colocated"
    alone: bool = True

    def devices_of(self, node: int) -> Devices:
        """Accelerators that it uses of one node."""
        return self.devices[node] if self.devices else None


@dataclass(frozen=True)
class Server:
    """One server, and what it takes to start it.

    Attributes
    ----------
    name
        For files, clusters and containers.
    title, kind
        For people, on one line; of all servers that are alike.
    broken
        The first rule that the point breaks, in words; empty where it starts as it is.
    not_expressible
        What the server cannot be told, or is not known.
    otherwise
        What it does in another way than the point was priced, which is among them; empty where nothing is.
    """

    profile: Profile
    accelerator: Accelerator
    facts: EngineFacts
    numbers: Mapping[str, float]
    texts: Mapping[str, str]
    flags: tuple[str, ...]
    name: str
    title: str
    kind: str
    placed: Placed
    broken: str = ""
    not_expressible: tuple[str, ...] = ()
    otherwise: str = ""

    @property
    def nodes(self) -> int:
        """Nodes that it takes."""
        return int(self.numbers["nodes"])

    @property
    def gpus_per_node(self) -> int:
        """Accelerators that it uses on each node."""
        return int(self.numbers["gpus"] / self.numbers["nodes"])

    @property
    def port(self) -> int:
        """Port that it listens on."""
        return int(self.numbers["port"])

    @property
    def address(self) -> str:
        """Where others reach it."""
        return f"{self.placed.hosts[0]}:{self.port}"

    @property
    def image(self) -> str | None:
        """Container image of the version that the profile was read from."""
        images, name = self.profile.images, self.accelerator.name.casefold()
        own = [image for beginning, image in images.items() if name.startswith(beginning.casefold())]
        return own[0] if own else images.get(self.accelerator.vendor or "nvidia")

    def words(
        self, node: int = 0, *, instead: Mapping[str, str] | None = None, reached: bool = False, **texts: str
    ) -> tuple[str, ...]:
        """Words of the command on one node.

        Parameters
        ----------
        instead
            As of :func:`ieco_opt.engines.saying.words`.
        reached
            Whether it has to listen to other machines.
        texts
            Texts in the place of its own, such as the path of its file.
        """
        numbers = {**self.numbers, "node": node}
        if reached:
            numbers["reached_from_outside"] = 1
        said = words(self.profile.say, numbers, {**self.texts, **texts}, instead)
        return (*said, *self.flags)

    def env(self, node: int = 0) -> dict[str, str]:
        """Environment variables of the command on one node."""
        used = variables(self.profile.say, self.numbers, self.texts)
        devices = self.placed.devices_of(node)
        name = self.profile.devices.get(self.accelerator.vendor or "nvidia")
        if devices is not None and name is not None:
            used[name] = ",".join(map(str, devices))
        return used

    @cached_property
    def config(self) -> str:
        """Content of its file; empty where it has none."""
        values = config(self.profile.say, self.numbers, self.texts)
        return yaml_text(values) if values else ""

    def benchmark(self) -> tuple[str, ...]:
        """Words of the client that measures it with the scenario's lengths and the point's batch."""
        return words(self.profile.benchmark, self.numbers, self.texts)

    def command(self) -> LaunchCommand:
        """What a caller needs to start it."""
        # mpirun and srun start all ranks from one command.
        ranks = 1 if self.profile.say.launcher else self.nodes
        lines = tuple(self.words(node) for node in range(ranks))
        return LaunchCommand(
            name=self.name,
            title=self.title,
            engine=self.profile.name,
            version=self.profile.version,
            image=self.image,
            files={self.texts["config"]: self.config} if self.config else {},
            not_expressible=self.not_expressible,
            nodes=lines,
            node_env=tuple(self.env(node) for node in range(ranks)),
            hosts=self.placed.hosts,
            phase=self.placed.phase,
            benchmark=self.benchmark(),
        )


@dataclass(frozen=True, slots=True)
class Named:
    """What a server is called.

    Attributes
    ----------
    name, title, kind
        As of :class:`Server`.
    out_folder
        Where its file shall lie.
    """

    name: str
    title: str
    kind: str
    out_folder: Path


def server_of(
    profile: Profile,
    row: Row,
    serving: Serving,
    accelerator: Accelerator,
    placed: Placed,
    named: Named,
    *,
    trust_remote_code: bool = False,
) -> Server:
    """Make the server of a point.

    Parameters
    ----------
    row
        Columns of the point.

    Raises
    ------
    ScenarioError
        The row has no precision or no degrees: nothing can be launched.
    """
    if any(row.get(each) is None for each in ("weights", "tensor_parallel", "batch")):
        raise ScenarioError.single(_UNPRICED, field=named.title)
    draft = serving.draft if row.get("draft_tokens") else None
    cache, weights = str(row.get("kv_cache") or "bf16"), parsed(str(row["weights"]))
    known = partial(facts_of, serving.model, weights, accelerator, kv_cache=cache, reference=serving.reference)
    facts = known(draft=draft, phase=placed.phase)
    numbers = _numbers(profile, row, facts, serving, accelerator, placed, trust_remote_code)
    of_draft = checkpoint_of_draft(serving.draft_reference, draft, facts.checkpoint, weights, accelerator)
    flags, missing = _quantisation(profile, facts.checkpoint)
    otherwise = priced_otherwise(profile, serving.engines, row, facts, numbers)
    draft_flags, draft_missing = ((), ()) if of_draft is None else _quantisation(profile, of_draft)
    texts = _texts_of_place(profile, placed, named, numbers["gpus"]) | {
        "model": facts.checkpoint.repository or PLACEHOLDER,
        "draft_mode": profile.drafts.get(facts.draft_mode, ""),
        "draft_model": (of_draft and of_draft.repository) or PLACEHOLDER,
        "draft_quantization": next((value for flag, value in draft_flags if flag == "--quantization"), ""),
        "kv_cache": profile.kv_cache.get(cache, cache),
    }
    return Server(
        profile=profile,
        accelerator=accelerator,
        facts=facts,
        numbers={**numbers, **facts.numbers, "draft_online": bool(texts["draft_quantization"])},
        texts=texts,
        flags=tuple(word for pair in flags for word in pair),
        name=named.name,
        title=named.title,
        kind=named.kind,
        placed=placed,
        broken=_broken(profile, row, facts, numbers, [each.name for each in serving.engines if row.get("engine")]),
        not_expressible=(
            *missing,
            *(f"draft model: {each}" for each in draft_missing),
            *_unknown_memory(profile, row),
            *filter(None, [otherwise]),
        ),
        otherwise=otherwise,
    )


def _texts_of_place(profile: Profile, placed: Placed, named: Named, gpus: float) -> dict[str, str]:
    """What flags say of where a server runs, and on how many GPUs."""
    return {
        "head": placed.hosts[0],
        "head_port": str(HEAD_PORT + profile.port_step * placed.instance),
        "config": options_path(named.out_folder, named.name, profile),
        "phase": placed.phase,
        "gpus": str(int(gpus)),
    }


def _broken(
    profile: Profile, row: Row, facts: EngineFacts, numbers: Mapping[str, float], asked: Collection[str]
) -> str:
    """Why a server does not start a point; ``asked`` are those that the point's ``engines`` were looked for among."""
    if row.get("tensor_layout") == "2d":
        return "no server has two-dimensional tensor parallelism"
    rule = accepts(profile, facts, numbers).reason()
    if rule is not None:
        return str(rule)
    exchange = lacks_exchange(profile, row, facts, numbers)
    if exchange:
        return exchange
    if profile.name in asked and profile.name not in str(row.get("engines")).split(","):
        return "with what it keeps for itself, its memory does not hold the batch"
    return ""


def _numbers(
    profile: Profile,
    row: Row,
    facts: EngineFacts,
    serving: Serving,
    accelerator: Accelerator,
    placed: Placed,
    trust_remote_code: bool,
) -> dict[str, float]:
    """Every number that a rule or a flag may be about."""
    nan = float("nan")
    numbers = {each: _number(row.get(each), 0.0) for each in POINT}
    numbers |= {each: _number(row.get(each), nan) for each in DRAFT}
    numbers |= derived(numbers)
    numbers |= dense_ranks(profile, row, facts, numbers)
    memory = {each: _number(row.get(each), nan) for each in _MEMORY}
    return (
        numbers
        | memory
        | {
            "nodes": float(len(placed.hosts)),
            "node_size": float(accelerator.node_size),
            "context_tokens": serving.context_tokens,
            "output_tokens": serving.output_tokens,
            "memory_utilization": serving.memory_utilization,
            "kv_cache_8bit": row.get("kv_cache") == "fp8",
            "all_to_all": row.get("exchange") == "all_to_all",
            "memory_known": all(value == value for value in memory.values()),
            "prefill": placed.phase == "prefill",
            "decode": placed.phase == "decode",
            "reached_from_outside": not placed.alone,
            "trust_remote_code": trust_remote_code,
            "node": 0,
            "instance": placed.instance,
            "port": profile.port + profile.port_step * placed.instance,
        }
    )


def _number(value: object, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float) else otherwise


def _unknown_memory(profile: Profile, row: Row) -> tuple[str, ...]:
    """What a flag would say of the memory and the point does not: rows of older files have no such columns."""
    said = {name for each in (*profile.say.flags, *profile.say.config) if each.value for name in each.value.names}
    unknown = [name for name in _MEMORY if name in said and row.get(name) is None]
    return (f"the share of the memory: {', '.join(unknown)} of this point are not known",) if unknown else ()


def _quantisation(profile: Profile, held: Checkpoint) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Flags that quantise a checkpoint while it is loaded, and what is missing."""
    if not held.online:
        return (), ((held.missing,) if held.missing else ())
    flags = profile.precisions.get(held.format)
    if flags is None:
        return (), (f"{held.missing}, and {profile.title} makes none of {held.repository} while it loads",)
    return flags, ()
