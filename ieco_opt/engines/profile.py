"""What is known of one server: what it accepts, what its prices depend on, and what its flags are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ieco_opt.catalog.types import Accelerator
from ieco_opt.engines.expressions import Expression
from ieco_opt.engines.spread import ExchangeKind

AttentionGroups = Literal["one", "one_or_all", "divisors"]
PLACES = ("anywhere", "generation")
"""Between which accelerators caches go."""


@dataclass(frozen=True, slots=True)
class ModelClass:
    """Models that a server runs alike.

    Attributes
    ----------
    experts
        ``dense`` or ``routed``; empty for both.
    architectures
        Classes of models by the name in ``config.json``; empty for all.
    attention_groups
        How many attention groups a stage may have: one, one or all its ranks, or any divisor of its ranks.
    """

    name: str
    experts: str
    architectures: tuple[str, ...]
    attention_groups: AttentionGroups
    source: str


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that holds for every configuration that starts.

    Attributes
    ----------
    expression
        True where it holds, over ``columns.RULE_COLUMNS``.
    says
        The rule in words.
    source
        Where the server's code has it.
    vendors, precisions, architectures
        What the rule is about; empty for all.
    not_precisions, not_architectures
        Precisions and classes of models that it is not about.
    """

    expression: Expression
    says: str
    source: str
    vendors: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    not_precisions: tuple[str, ...] = ()
    not_architectures: tuple[str, ...] = ()

    def __str__(self) -> str:
        rule = f" ({self.expression.text})" if self.expression.names else ""
        return f"{self.says}{rule} [{self.source}]"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A way to bring tokens to their experts.

    Attributes
    ----------
    when
        Where a server has it.
    vendors, precisions, architectures, not_architectures
        What it is for; empty for all.
    """

    kind: ExchangeKind
    when: Expression
    source: str
    vendors: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    not_architectures: tuple[str, ...] = ()

    @property
    def about(self) -> tuple[str, ...]:
        """What it is for, and what it is not, in words; empty for all."""
        unless = tuple(f"not {each}" for each in self.not_architectures)
        return (*self.vendors, *self.precisions, *self.architectures, *unless)


@dataclass(frozen=True, slots=True)
class Layout:
    """How a server lays out some classes of models otherwise than the rest.

    Attributes
    ----------
    architectures
        Classes of models by the name in ``config.json``.
    dense_over, shared_over
        As of :class:`Prices`; ``None`` where these are as of all models.
    """

    architectures: tuple[str, ...]
    dense_over: Expression | None
    shared_over: Expression | None
    source: str


@dataclass(frozen=True, slots=True)
class Prices:
    """What the price of a configuration depends on.

    Attributes
    ----------
    dense_over, shared_over, embedding_over, head_over
        Ranks of a stage that each kind of weights is split over; the other ranks hold copies.
    exchange
        Exchanges of experts that the server has; the first that holds is done without being asked for.
    layouts
        What is split otherwise for some classes of models; the first that is for a class counts.
    reserve
        Name of the reserve of memory in ``performance.reserve``.
    """

    dense_over: Expression
    shared_over: Expression
    embedding_over: Expression
    head_over: Expression
    exchange: tuple[Exchange, ...]
    layouts: tuple[Layout, ...]
    reserve: str
    source: str


@dataclass(frozen=True, slots=True)
class Said:
    """One flag, variable or key, and what it says.

    Attributes
    ----------
    name
        As the server calls it; dots nest the keys of a file.
    value
        Number that it says; ``None`` for a text, a bare flag or a mapping.
    text
        Text with names in braces; empty where it says none.
    parts
        Entries of a value in JSON.
    when
        Where it is said at all; ``None``: always.
    unless
        Value that is not said, because the server takes it where nothing is said.
    digits
        Digits after the point, rounded down; ``None`` for a whole number.
    means, absent
        Columns that follow from its being said, and from its not being said.
    """

    name: str
    value: Expression | None = None
    text: str = ""
    parts: tuple[Said, ...] = ()
    when: Expression | None = None
    unless: float | None = None
    digits: int | None = None
    means: Mapping[str, Expression] = field(default_factory=dict)
    absent: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sayings:
    """A command with its flags and what stands in its file.

    Attributes
    ----------
    command
        First words; ``{config}`` stands for the path of the file.
    launcher, launcher_when
        Words before them, and where they are needed.
    """

    command: tuple[str, ...]
    flags: tuple[Said, ...]
    config: tuple[Said, ...] = ()
    env: tuple[Said, ...] = ()
    launcher: tuple[str, ...] = ()
    launcher_when: Expression | None = None


@dataclass(frozen=True, slots=True)
class Router:
    """What stands before prefill and decode servers: a command that names them, or one with a file that does.

    ``package`` is the one that brings the command, with its version; empty where the server does.
    """

    command: tuple[str, ...]
    prefill: tuple[str, ...]
    decode: tuple[str, ...]
    config: Mapping[str, object]
    prefill_key: str
    decode_key: str
    bootstrap_port: Expression
    package: str
    source: str


@dataclass(frozen=True, slots=True)
class CacheTransfer:
    """Between which accelerators caches go from prefill to decode: of one ``generation``, or ``anywhere``."""

    within: str = PLACES[0]
    source: str = ""

    def place(self, accelerator: Accelerator) -> str:
        """What accelerators that exchange caches have in common; those of no known generation have a name alone."""
        if self.within != "generation":
            return ""
        return accelerator.generation or f"{accelerator.name}, whose generation is not known"


@dataclass(frozen=True, slots=True)
class Profile:
    """A server of a range of versions.

    Attributes
    ----------
    name, title
        What scenarios and what people call it.
    version_read, version_from, version_below
        Version whose code was read, and the range that the profile is for.
    vendors
        Whose accelerators it runs on.
    images
        Container image of the version that was read, by vendor or the beginning of an accelerator's name.
    devices
        Environment variable that says which accelerators of a node are used, by vendor.
    port
        That it listens on where nothing is said.
    port_step
        How far apart the ports of servers are that share a machine.
    precisions
        Formats that it loads, each with the flags that quantise a 16-bit checkpoint at loading (``None``: it cannot).
    kv_cache
        What it calls each precision of the cache.
    cache_transfer
        Which accelerators its caches go between.
    drafts
        What the server calls each mode of drafts that it has; without any it has draft models alone.
    file
        Where the profile was read from.
    """

    name: str
    title: str
    version_read: str
    version_from: str
    version_below: str
    vendors: tuple[str, ...]
    images: Mapping[str, str]
    devices: Mapping[str, str]
    port: int
    port_step: int
    classes: tuple[ModelClass, ...]
    rules: tuple[Rule, ...]
    prices: Prices
    precisions: Mapping[str, tuple[tuple[str, str], ...] | None]
    precision_source: str
    kv_cache: Mapping[str, str]
    cache_transfer: CacheTransfer
    drafts: Mapping[str, str]
    say: Sayings
    benchmark: Sayings
    router: Router | None
    file: str

    @property
    def version(self) -> str:
        """Range of versions in words."""
        return f">={self.version_from},<{self.version_below}"
