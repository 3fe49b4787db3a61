"""From the mapping of a profile's file to the profile, with every fault of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate
from typing import cast, get_args

from ieco_opt.catalog.precision import FORMATS, KV_CACHES
from ieco_opt.catalog.types import DRAFT_MODES
from ieco_opt.documents.origin import Origin, found
from ieco_opt.engines.columns import (
    DRAFT,
    FACTS,
    POINT,
    PRICE_COLUMNS,
    ROUTED_TEXTS,
    ROUTER_TEXTS,
    RULE_COLUMNS,
    SAID_COLUMNS,
    TEXTS,
)
from ieco_opt.engines.expressions import Expression, parse
from ieco_opt.engines.profile import (
    PLACES,
    AttentionGroups,
    CacheTransfer,
    Exchange,
    Layout,
    ModelClass,
    Prices,
    Profile,
    Router,
    Rule,
    Said,
    Sayings,
)
from ieco_opt.engines.sections import Section
from ieco_opt.engines.spread import ExchangeKind
from ieco_opt.errors import Fault, ScenarioError

_USUAL_PORT, _LAST_PORT, _LAST_STEP = 8000, 65_535, 1000
_MOST_DIGITS = 15
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_WORDS = ("any", "none")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}==[0-9][0-9a-z.]{0,20}", re.ASCII)
_EXCHANGE_COLUMNS = frozenset((*POINT, "stage_ranks", *FACTS))


def profile_of(values: object, origin: Origin) -> Profile:
    """Make a profile of the mapping that stands in its file.

    Raises
    ------
    ScenarioError
        With every fault of the file.
    """
    if not isinstance(values, Mapping):
        raise ScenarioError.single(f"found {found(values)}, expected an engine profile: a mapping", file=origin.file)
    faults: list[Fault] = []
    section = Section(values, origin, faults)
    built = _built(section)
    section.done()
    if faults:
        raise ScenarioError(faults)
    return built


def _built(section: Section) -> Profile:
    name = _name(section)
    versions = section.section("versions")
    read, first, below = (versions.text(name) for name in ("read", "from", "below"))
    versions.done()
    precisions, precision_source = _precisions(section.section("precision"))
    return Profile(
        name=name,
        title=section.text("title", name),
        version_read=read,
        version_from=first,
        version_below=below,
        vendors=section.texts("vendors"),
        images=_texts_by_name(section.section("images")),
        devices=_devices(section.section("devices")),
        port=section.whole("port", 1, _LAST_PORT) or _USUAL_PORT,
        port_step=(section.whole("port_step", 1, _LAST_STEP) if section.has("port_step") else 1) or 1,
        classes=tuple(_model_class(each) for each in section.sections("classes")),
        rules=tuple(_rule(each) for each in section.sections("accepts")),
        prices=_prices(section.section("prices")),
        precisions=precisions,
        precision_source=precision_source,
        kv_cache=_texts_by_name(section.section("kv_cache"), KV_CACHES),
        cache_transfer=_cache_transfer(section) if section.has("cache_transfer") else CacheTransfer(),
        drafts=_texts_by_name(section.section("drafts"), DRAFT_MODES) if section.has("drafts") else {},
        say=_sayings(section.section("say")),
        benchmark=_sayings(section.section("benchmark")),
        router=_router(section.section("router")) if section.has("router") else None,
        file=section.origin.file or "",
    )


def _name(section: Section) -> str:
    """The name of the engine, which stands in lists and in the names of files."""
    name = section.text("engine")
    if section.has("engine") and name != "-" and (not _NAME.fullmatch(name) or name in _WORDS):
        wanted = "a name of up to 40 lower-case letters, digits, hyphens and underscores"
        section.fault("engine", f"found {found(name)}, expected {wanted}, and neither of {', '.join(_WORDS)}")
    return name


def _texts_by_name(section: Section, known: Collection[str] | None = None) -> dict[str, str]:
    texts = {name: section.text(name) for name in section.values}
    _refuse_names(section, known)
    return texts


def _devices(section: Section) -> dict[str, str]:
    devices = _texts_by_name(section)
    for vendor, name in devices.items():
        _check_variable(section, vendor, name)
    return devices


def _check_variable(section: Section, field: str, name: str) -> None:
    """A shell takes anything else for a command."""
    if not _VARIABLE.fullmatch(name):
        section.fault(field, f"found {found(name)}, expected the name of an environment variable")


def _refuse_names(section: Section, known: Collection[str] | None) -> None:
    for name in section.values:
        if known is not None and name not in known:
            section.fault(name, f"unknown name, expected one of {', '.join(known)}")


def _model_class(section: Section) -> ModelClass:
    groups = section.choice("attention_groups", get_args(AttentionGroups))
    made = ModelClass(
        name=section.text("name"),
        experts=section.choice("experts", ("dense", "routed"), ""),
        architectures=section.texts("architectures"),
        attention_groups=cast(AttentionGroups, groups),
        source=section.text("source"),
    )
    section.done()
    return made


def _rule(section: Section) -> Rule:
    made = Rule(
        expression=section.needed("rule", RULE_COLUMNS),
        says=section.text("says"),
        source=section.text("source"),
        vendors=section.texts("vendors"),
        precisions=section.texts("precisions"),
        architectures=section.texts("architectures"),
        not_precisions=section.texts("not_precisions"),
        not_architectures=section.texts("not_architectures"),
    )
    _check_formats(section, "precisions", made.precisions)
    _check_formats(section, "not_precisions", made.not_precisions)
    section.done()
    return made


def _prices(section: Section) -> Prices:
    made = Prices(
        dense_over=section.needed("dense_over", PRICE_COLUMNS),
        shared_over=section.needed("shared_over", PRICE_COLUMNS),
        embedding_over=section.needed("embedding_over", PRICE_COLUMNS),
        head_over=section.needed("head_over", PRICE_COLUMNS),
        exchange=tuple(_exchange(each) for each in section.sections("exchange")),
        layouts=tuple(_layout(each) for each in section.sections("layouts")),
        reserve=section.choice("reserve", ("vllm", "sglang", "trtllm", "none"), "vllm"),
        source=section.text("source"),
    )
    section.done()
    return made


def _layout(section: Section) -> Layout:
    made = Layout(
        architectures=section.texts("architectures"),
        dense_over=section.expression("dense_over", PRICE_COLUMNS),
        shared_over=section.expression("shared_over", PRICE_COLUMNS),
        source=section.text("source"),
    )
    if not made.architectures:
        section.fault("architectures", "found none, expected the classes of models that are laid out so")
    section.done()
    return made


def _exchange(section: Section) -> Exchange:
    made = Exchange(
        kind=cast(ExchangeKind, section.choice("kind", get_args(ExchangeKind))),
        when=section.needed("when", _EXCHANGE_COLUMNS),
        source=section.text("source", "no source given"),
        vendors=section.texts("vendors"),
        precisions=section.texts("precisions"),
        architectures=section.texts("architectures"),
        not_architectures=section.texts("not_architectures"),
    )
    _check_formats(section, "precisions", made.precisions)
    section.done()
    return made


def _check_formats(section: Section, name: str, formats: Sequence[str]) -> None:
    unknown = [each for each in formats if each not in FORMATS]
    if unknown:
        section.fault(name, f"found {found(unknown[0])}, expected formats: {', '.join(FORMATS)}")


def _precisions(section: Section) -> tuple[dict[str, tuple[tuple[str, str], ...] | None], str]:
    source = section.text("source")
    made: dict[str, tuple[tuple[str, str], ...] | None] = {}
    for name in [each for each in section.values if each != "source"]:
        entry = section.section(name)
        if name not in FORMATS:
            section.fault(name, f"unknown format, expected one of {', '.join(FORMATS)}")
        online = entry.section("online")
        made[name] = tuple(_texts_by_name(online).items()) or None
        entry.done()
    return made, source


def _sayings(section: Section) -> Sayings:
    launcher, env, config = section.section("launcher"), section.section("env"), section.section("config")
    for name in env.values:
        _check_variable(env, name, name)
    for name in config.values:
        for outer in accumulate(name.split(".")[:-1], "{}.{}".format):
            if outer in config.values:
                config.fault(name, f"found beside {found(outer)}, which would hold it; expected one of them")
    made = Sayings(
        command=section.words("command", TEXTS),
        flags=_said(section.section("flags")),
        config=_said(config),
        env=_said(env),
        launcher=launcher.words("command", TEXTS),
        launcher_when=launcher.expression("when", SAID_COLUMNS),
    )
    launcher.done()
    section.done()
    if not made.command:
        section.fault("command", "missing, expected the words of the command")
    return made


def _said(section: Section) -> tuple[Said, ...]:
    return tuple(_saying(name, each) for name, each in section.each())


_KINDS = ("value", "text", "flag", "json")


def _saying(name: str, section: Section) -> Said:
    given = [kind for kind in _KINDS if section.has(kind)]
    if len(given) != 1:
        section.fault("", f"found {' and '.join(given) or 'none'} of value, text, flag and json, expected one of them")
    text = section.text("text", "")
    section.template("text", text, TEXTS)
    section.flag("flag")
    made = Said(
        name=name,
        value=section.expression("value", SAID_COLUMNS),
        text=text,
        parts=_said(section.section("json")),
        when=section.expression("when", SAID_COLUMNS),
        unless=section.number("unless"),
        digits=section.whole("digits", 0, _MOST_DIGITS),
        means=_means(section.section("means")),
        absent=_absent(section.section("absent")),
    )
    section.done()
    return made


def _means(section: Section) -> dict[str, Expression]:
    _refuse_names(section, (*POINT, *DRAFT))
    return {name: section.needed(name, SAID_COLUMNS) for name in section.values}


def _absent(section: Section) -> dict[str, float]:
    _refuse_names(section, (*POINT, *DRAFT))
    return {name: number for name in section.values if (number := section.number(name)) is not None}


def _cache_transfer(section: Section) -> CacheTransfer:
    part = section.section("cache_transfer")
    within, source = part.text("within"), part.text("source")
    if part.has("within") and within not in PLACES:
        part.fault("within", f"found {found(within)}, expected one of {', '.join(PLACES)}")
    part.done()
    return CacheTransfer(within, source)


def _package(section: Section) -> str:
    package = section.text("package", "")
    if package and not _PACKAGE.fullmatch(package):
        section.fault(
            "package", f"found {found(package)}, expected the name and version of a package, such as name==1.0"
        )
    return package


def _router(section: Section) -> Router:
    config = section.section("config")
    made = Router(
        command=section.words("command", ROUTER_TEXTS),
        prefill=section.words("prefill", ROUTED_TEXTS),
        decode=section.words("decode", ROUTED_TEXTS),
        config={name: config.take(name) for name in config.values},
        prefill_key=section.text("prefill_key", None if config.values else ""),
        decode_key=section.text("decode_key", None if config.values else ""),
        bootstrap_port=section.expression("bootstrap_port", SAID_COLUMNS) or parse("0", ()),
        package=_package(section),
        source=section.text("source"),
    )
    section.done()
    return made
