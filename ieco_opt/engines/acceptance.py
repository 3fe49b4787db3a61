"""Which configurations a server starts as they are: rules on columns, all at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, reduce
from itertools import cycle, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ieco_opt.engines.columns import ALL_TO_ALL, DRAFT, RULE_COLUMNS, TABLES
from ieco_opt.engines.expressions import Expression, parse
from ieco_opt.engines.facts import EngineFacts
from ieco_opt.engines.offers import offered
from ieco_opt.engines.profile import ModelClass, Profile, Rule
from ieco_opt.engines.spread import EXCHANGES

Columns = Mapping[str, Any]

ACCEPTED = -1
"""Number in place of a broken rule where none is."""

_GROUPS = {
    "one": ("attention_data_parallel == 1", "this model runs with one attention group"),
    "one_or_all": ("attention_data_parallel in (1, stage_ranks)", "a stage has one attention group, or one a rank"),
    "divisors": ("stage_ranks % attention_data_parallel == 0", "attention groups divide the ranks of a stage"),
}
_NEVER = parse("1 == 0", ())
_TO_ALL = EXCHANGES.index("all_to_all")


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a server says to each of many configurations.

    Attributes
    ----------
    mask
        Whether it starts as it is.
    broken
        Number of the first rule that it breaks, ``ACCEPTED`` where none.
    rules
        The rules that apply to the model, precision and accelerator, in order.
    """

    mask: NDArray[np.bool_]
    broken: NDArray[np.int64]
    rules: tuple[Rule, ...]

    def reason(self, at: int = 0) -> Rule | None:
        """The first rule that one configuration breaks; ``None`` where it is accepted."""
        number = int(self.broken.reshape(-1)[at])
        return None if number == ACCEPTED else self.rules[number]


def class_of(profile: Profile, facts: EngineFacts) -> ModelClass | None:
    """The first class of a profile that fits a model; ``None`` where the server does not run it."""
    kind = "routed" if facts.routed else "dense"
    for each in profile.classes:
        named = not each.architectures or facts.architecture in each.architectures
        if named and each.experts in ("", kind):
            return each
    return None


def rules_for(profile: Profile, facts: EngineFacts) -> tuple[Rule, ...]:
    """The rules of a profile that are about a model, precision and accelerator, the most general first."""
    return (*_general_rules(profile, facts), *(each for each in profile.rules if _applies(each, facts)))


def _general_rules(profile: Profile, facts: EngineFacts) -> Iterator[Rule]:
    """What follows from the lists of a profile: vendors, classes, precisions."""
    if facts.vendor is not None and facts.vendor not in profile.vendors:
        says = f"{profile.title} runs on {' and '.join(profile.vendors)}, not on {facts.vendor}"
        yield Rule(_NEVER, says, f"{profile.file}: vendors")
    if facts.checkpoint.format not in profile.precisions:
        yield Rule(_NEVER, f"{profile.title} loads no {facts.checkpoint.format}", profile.precision_source)
    if facts.kv_cache not in profile.kv_cache:
        yield Rule(_NEVER, f"{profile.title} keeps no cache in {facts.kv_cache}", f"{profile.file}: kv_cache")
    if facts.draft_mode != "draft_model" and facts.draft_mode not in profile.drafts:
        says = f"{profile.title} has no drafts of mode {facts.draft_mode}"
        yield Rule(_general("draft_tokens == 0"), says, f"{profile.file}: drafts")
    model_class = class_of(profile, facts)
    if model_class is None:
        yield Rule(_NEVER, f"{profile.title} does not run this kind of model", f"{profile.file}: classes")
    else:
        text, says = _GROUPS[model_class.attention_groups]
        yield Rule(_general(text), says, model_class.source)


@cache
def _general(text: str) -> Expression:
    return parse(text, RULE_COLUMNS)


def _applies(rule: Rule, facts: EngineFacts) -> bool:
    fmt = facts.checkpoint.format
    return (
        (not rule.vendors or facts.vendor in rule.vendors)
        and (not rule.precisions or fmt in rule.precisions)
        and fmt not in rule.not_precisions
        and (not rule.architectures or facts.architecture in rule.architectures)
        and facts.architecture not in rule.not_architectures
    )


def accepts(profile: Profile, facts: EngineFacts, columns: Columns) -> Accepted:
    """Say which configurations a server starts as they are, and the first rule that each of the others breaks.

    Parameters
    ----------
    columns
        Arrays that broadcast against each other, or numbers, by the names of ``columns.POINT``; ``draft_tokens`` is 0
        without a draft model, and the columns of the draft model may be left out then. ``nodes`` and ``node_size`` are
        those of the accelerator's nodes; left out, everything is on one node. Rules that name ``all_to_all`` hold for
        the exchange of experts that the column says; left out, for one of those that the server has.

    Returns
    -------
    Accepted
        Arrays of the shape that the columns broadcast to.
    """
    values = completed(columns)
    shape = np.broadcast_shapes(*(np.shape(value) for value in values.values()))
    rules = rules_for(profile, facts)
    broken = np.full(shape, ACCEPTED, dtype=np.int64)
    ways = _ways(profile, facts, values, any(_names_exchange(each) for each in rules))
    asked = [{**facts.numbers, **values, ALL_TO_ALL: to_all} for to_all, _ in ways]
    good = [where for _, where in ways]
    for number, rule in enumerate(rules):
        # What names no exchange holds for all of them alike.
        holds = [_holds(rule, facts, each) for each in (asked if _names_exchange(rule) else asked[:1])]
        if all(each.all() for each in holds):
            continue
        good = [where & each for where, each in zip(good, cycle(holds), strict=False)]
        broken[np.broadcast_to(~reduce(np.logical_or, good), shape) & (broken == ACCEPTED)] = number
    return Accepted(broken == ACCEPTED, broken, rules)


def _ways(profile: Profile, facts: EngineFacts, values: Columns, asked: bool) -> list[tuple[Any, Any]]:
    """Values of ``all_to_all`` that rules are asked with, and where the server may do so."""
    if ALL_TO_ALL in values or not asked:
        return [(values.get(ALL_TO_ALL, 0.0), np.True_)]
    to_all = offered(profile, facts, values)
    other = np.delete(to_all, _TO_ALL, axis=-1).any(axis=-1)
    to_all = to_all[..., _TO_ALL]
    # Without any exchange a rule is about one that sends no tokens.
    return [(0.0, other | ~to_all), (1.0, to_all)]


def _names_exchange(rule: Rule) -> bool:
    return ALL_TO_ALL in rule.expression.names


def exchanges(profile: Profile, facts: EngineFacts, columns: Columns) -> NDArray[np.bool_]:
    """Which exchanges of experts a server has for configurations that it accepts; none for a dense model.

    Parameters
    ----------
    columns
        As of :func:`accepts`.

    Returns
    -------
    numpy.ndarray
        The shape that the columns broadcast to, with a last axis over ``EXCHANGES``.
    """
    values = completed(columns)
    found = offered(profile, facts, values)
    for rule in filter(_names_exchange, rules_for(profile, facts)):
        for at in range(len(EXCHANGES)):
            found[..., at] &= _holds(rule, facts, {**facts.numbers, **values, ALL_TO_ALL: float(at == _TO_ALL)})
    return found


def values_in(rule: Rule, facts: EngineFacts, columns: Columns) -> dict[str, tuple[float, ...]]:
    """What the names of a rule stand for in one configuration; several values where the model has several."""
    known = {
        ALL_TO_ALL: 0.0,
        **facts.numbers,
        **{name: np.reshape(value, -1)[0] for name, value in completed(columns).items()},
    }
    for table in TABLES:
        known |= dict(zip(table, zip(*facts.tables.get(table, ()), strict=True), strict=False))
    return {name: tuple(dict.fromkeys(np.atleast_1d(known[name]).tolist())) for name in sorted(rule.expression.names)}


def completed(columns: Columns) -> dict[str, Any]:
    """Add what follows from the degrees, and what stands for nothing."""
    values: dict[str, Any] = {name: np.asarray(value, dtype=float) for name, value in columns.items()}
    values.setdefault("redundant_experts", np.asarray(0.0))
    values.setdefault("draft_tokens", np.asarray(0.0))
    for name in DRAFT:
        values.setdefault(name, np.asarray(np.nan))
    values |= derived(values)
    values.setdefault("node_size", np.asarray(np.inf))
    values.setdefault("nodes", np.maximum(1.0, np.ceil(values["gpus"] / values["node_size"])))
    return values


def derived(values: Columns) -> dict[str, Any]:
    """What follows from the degrees alone: ranks of a stage, and accelerators."""
    stage_ranks = values["tensor_parallel"] * values["attention_data_parallel"]
    return {"stage_ranks": stage_ranks, "gpus": stage_ranks * values["pipeline_parallel"]}


def _holds(rule: Rule, facts: EngineFacts, values: Columns) -> Any:
    """Whether a rule holds for every kind of attention and width that it is about; one truth where that is all."""
    tables = _tables_of(rule.expression.names)
    result: Any = np.True_
    for rows in product(*(facts.tables.get(table, ()) for table in tables)):
        pairs = zip(tables, rows, strict=True)
        of_row = {name: value for table, row in pairs for name, value in zip(table, row, strict=True)}
        result = np.logical_and(result, rule.expression({**values, **of_row} if of_row else values))
    return result


@cache
def _tables_of(names: frozenset[str]) -> tuple[tuple[str, ...], ...]:
    """Tables that an expression with such names is about."""
    return tuple(table for table in TABLES if not names.isdisjoint(table))
