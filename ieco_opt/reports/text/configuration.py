"""Why not this configuration, for people in a terminal: plain text, at most ``width`` columns."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

from ieco_opt.errors import printable
from ieco_opt.reports.text import wording
from ieco_opt.reports.text.table import Column, indented, joined
from ieco_opt.results.comparison import Obstacle
from ieco_opt.results.configuration import Better, ConfigurationAnswer, Forbidden, MemoryNeed, Verdict

LEAST_WIDTH = 60

T = TypeVar("T")

_WORTH = (("tokens/s", "/user"), ("$/Mtok", ""))
_WORSE = {"fastest": "slower", "cheapest": "more expensive", "preferred": "lower in speed^k / cost"}
_WORSE |= {"energy": "higher in energy", "carbon": "higher in carbon"}


def render(answer: ConfigurationAnswer, width: int = 80) -> str:
    """Put what becomes of a configuration into text."""
    width = max(width, LEAST_WIDTH)
    known = [each for each in answer.verdicts if each.forbidden and each.deployment is not None]
    unknown = [each for each in answer.verdicts if each.forbidden and each.deployment is None]
    over = [each for each in unknown if _memory(each) is not None]
    everywhere = _everywhere(answer)
    parts = [
        _title(answer),
        _possible(answer),
        _priced(answer, known),
        [] if not everywhere else ["Wherever it runs", *(f"  {text}" for text in everywhere)],
        _over_memory(answer, over, set(everywhere)),
        _refused(answer, [each for each in unknown if each not in over], set(everywhere)),
        [_footer(answer)],
    ]
    return "\n\n".join("\n".join(indented(printable(line), width) for line in lines) for lines in parts if lines)


def _title(answer: ConfigurationAnswer) -> list[str]:
    asked, count, all_of_them = answer.asked, len(answer.possible), len(answer.verdicts)
    draft = f", verify width {asked.draft_tokens}" if asked.draft_tokens else ""
    lines = [f"{answer.scenario.name}: why not {asked}? ({wording.counted(asked.gpus, 'GPU')}{draft})"]
    places = " of the scenario (accelerator, precision, server)"
    if all_of_them > 1:
        lines.append(f"  in {count or 'none'} of {all_of_them} places{places}")
    return [*lines, *(f"  {line}" for line in wording.margin(answer.scenario))]


def _possible(answer: ConfigurationAnswer) -> list[str]:
    """Where the scenario can have it, best first, and by how much the best of them loses."""
    if not answer.possible:
        return []
    ordered = sorted(answer.possible, key=_by(answer))
    first, lines = ordered[0], []
    assert first.deployment is not None
    if len(ordered) > 1:
        lines.append(
            "The scenario can have it, best first. Cost %, speed %: how much more expensive than the cheapest at its "
            "speed, how much slower than the fastest at its cost"
        )
        numbers = [((*_worth(each), _lost(each.cheaper), _lost(each.faster)), each) for each in ordered]
        lines += _table(answer, (*_WORTH, ("cost", "%"), ("speed", "%")), numbers)
        lines += ["", f"The first of them: {wording.configuration(first.deployment)}"]
    else:
        lines += ["The scenario can have it", f"  {wording.configuration(first.deployment)}"]
    return [*lines, f"  {wording.worth(first.deployment)}", *_losses(answer, first)]


def _by(answer: ConfigurationAnswer) -> Callable[[Verdict], tuple[float, float]]:
    """Order of the objective."""

    def key(verdict: Verdict) -> tuple[float, float]:
        item = verdict.deployment
        assert item is not None
        cheapest_first = (item.cost_usd_per_mtok, item.latency_s)
        loss = 0.0 if verdict.better is None else verdict.better.loss
        return cheapest_first if answer.objective == "cheapest" else (loss, item.latency_s)

    return key


def _losses(answer: ConfigurationAnswer, verdict: Verdict) -> list[str]:
    lines = []
    if verdict.on_frontier:
        lines.append("  on the frontier: none is as fast and cheaper, none as cheap and faster")
    if verdict.is_best:
        return [*lines, f"  the {wording.objective(answer.objective)} deployment: none is better"]
    lines += _beaten(verdict.cheaper, "at its speed", "more expensive than the cheapest")
    lines += _beaten(verdict.faster, "at its cost", "slower than the fastest")
    power = "" if answer.preference is None else f" (greatest speed^{answer.preference:g} / cost)"
    worse = f"{_WORSE[answer.objective]} than the {wording.objective(answer.objective)} of all{power}"
    return [*lines, *_beaten(verdict.better, "by the objective", worse)]


def _beaten(better: Better | None, where: str, worse: str) -> list[str]:
    if better is None:
        return []
    item = better.deployment
    return [
        f"  {where} {wording.percent(better.loss)} {worse}: {item.speed_tokens_per_s:.4g} tokens/s/user at "
        f"${item.cost_usd_per_mtok:.4g}",
        f"    {wording.configuration(item)}",
    ]


def _priced(answer: ConfigurationAnswer, verdicts: Sequence[Verdict]) -> list[str]:
    """What would run if lists and limits of the scenario let it."""
    lines: list[str] = []
    for members in _grouped(verdicts, lambda each: tuple(map(_short, each.forbidden))):
        lines.append(f"  {'; '.join(map(_short, members[0].forbidden))}")
        members = sorted(members, key=lambda each: -(each.deployment.speed_tokens_per_s if each.deployment else 0.0))
        numbers = [(_worth(each), each) for each in members]
        lines += [f"  {row}" for row in _table(answer, _WORTH, numbers)]
    return ["It would run, but the scenario forbids it", *lines] if lines else []


def _short(reason: Forbidden) -> str:
    """What in the scenario forbids it."""
    return f"{reason.field} = {reason.value}" if reason.obstacle is Obstacle.LIMIT else _said(reason)


def _said(reason: Forbidden) -> str:
    if reason.rule is not None:
        return f"{reason.rule}; here {reason.here}" if reason.here else reason.rule
    return reason.text if reason.field is None else f"{reason.text} ({reason.field})"


def _over_memory(answer: ConfigurationAnswer, verdicts: Sequence[Verdict], said: set[str]) -> list[str]:
    """What does not fit, with the parts of the memory that it needs; servers that need the same in one row."""
    lines = []
    for members in _grouped(verdicts, lambda each: tuple(_rest(each, said))):
        lines += [f"  {reason}, and" for reason in _rest(members[0], said)]
        needs = [(need, each) for each in members if (need := _memory(each)) is not None]
        needs.sort(key=lambda each: each[0].over_gb)
        names = [name for name in _PARTS if any(getattr(need, f"{name}_gb") > 0.0 for need, _ in needs)]
        numbers = [(_sizes(need, names), each) for need, each in needs]
        lines += _table(
            answer, (("needs", "GB a GPU"), ("of", ""), ("over", ""), *((name, "") for name in names)), numbers
        )
    return ["Over memory", *lines] if lines else []


def _sizes(need: MemoryNeed, names: Sequence[str]) -> tuple[str, ...]:
    parts = (f"{getattr(need, f'{name}_gb'):.3g}" for name in names)
    return f"{need.needed_gb:.4g}", f"{need.limit_gb:.4g}", f"{need.over_gb:.3g}", *parts


_NEEDS = (("needs", "GB a GPU"), ("of", ""), ("over", ""))
_PARTS = ("weights", "cache", "draft", "reserve")


def _rest(verdict: Verdict, said: set[str]) -> list[str]:
    """Reasons besides memory that nobody has read yet."""
    return [text for each in verdict.forbidden if each.memory is None and (text := _said(each)) not in said]


def _memory(verdict: Verdict) -> MemoryNeed | None:
    return next((reason.memory for reason in verdict.forbidden if reason.memory is not None), None)


def _everywhere(answer: ConfigurationAnswer) -> list[str]:
    """What forbids it in every place, where there are several and it is worth something in none."""
    if len(answer.verdicts) < 2 or any(each.deployment is not None for each in answer.verdicts):
        return []
    first, *others = answer.verdicts
    return [text for text in _rest(first, set()) if all(text in _rest(each, set()) for each in others)]


def _refused(answer: ConfigurationAnswer, verdicts: Sequence[Verdict], said: set[str]) -> list[str]:
    """Rules and lists, each set of them once with all places that it is about."""
    lines = []
    for members in _grouped(verdicts, lambda each: tuple(_rest(each, said))):
        reasons = _rest(members[0], said)
        if reasons:
            lines += [f"  {_places(answer, members)}", *(f"    {text}" for text in reasons)]
    return ["It cannot run", *lines] if lines else []


def _places(answer: ConfigurationAnswer, members: Sequence[Verdict]) -> str:
    """Where some verdicts are from: servers, then accelerators with precisions."""
    engines = dict.fromkeys(each.engine for each in members)
    own = [each for each in answer.verdicts if each.engine in engines]
    named = ", ".join(name for name in engines if name is not None)
    if len(members) == len(own):
        return f"{named}, everywhere" if named and len(own) > len(engines) else named or "everywhere"
    precisions: dict[str, list[str]] = {}
    for each in members:
        precisions.setdefault(each.accelerator, []).append(_precision(each))
    alike = _grouped(precisions.items(), lambda each: tuple(dict.fromkeys(each[1])))
    where = [
        " in ".join(filter(None, (", ".join(name for name, _ in group), ", ".join(dict.fromkeys(group[0][1])))))
        for group in alike
    ]
    return f"{named}: {'; '.join(where)}" if named else "; ".join(where)


def _precision(verdict: Verdict) -> str:
    cache = f" cache {verdict.kv_cache}" if verdict.kv_cache not in (None, "bf16") else ""
    return f"{verdict.weights or ''}{cache}"


def _place(answer: ConfigurationAnswer, verdict: Verdict, engines: str) -> str:
    """Accelerator, precision and servers of verdicts that say the same, with what was chosen for them."""
    parts = [verdict.accelerator, _precision(verdict), engines]
    held, item = verdict.parallelism, verdict.deployment
    if answer.chosen_experts:
        parts.append(f"EP{held.expert}" + (f"+{held.redundant_experts}" if held.redundant_experts else ""))
    if held.layout == "2d":
        parts.append("2d")
    if item is not None and item.exchange not in (None, "none"):
        parts.append(wording.EXCHANGE_WORDS[item.exchange])
    return " ".join(filter(None, parts))


def _worth(verdict: Verdict) -> tuple[str, str]:
    assert verdict.deployment is not None
    return f"{verdict.deployment.speed_tokens_per_s:.4g}", f"{verdict.deployment.cost_usd_per_mtok:.4g}"


def _lost(better: Better | None) -> str:
    return "-" if better is None else wording.percent(better.loss).removesuffix(" %")


def _table(
    answer: ConfigurationAnswer,
    heads: Sequence[tuple[str, str]],
    numbers: Iterable[tuple[tuple[str, ...], Verdict]],
) -> list[str]:
    """Numbers, and where they hold; servers for which all is the same are in one row."""
    alike = _grouped(numbers, lambda each: (each[0], _place(answer, each[1], "")))
    places = [_place(answer, group[0][1], "/".join(each.engine for _, each in group if each.engine)) for group in alike]
    columns = [Column(*head, tuple(group[0][0][at] for group in alike)) for at, head in enumerate(heads)]
    return [f"  {line}" for line in joined([*columns, Column("where", "", tuple(places), words=True)]).split("\n")]


def _grouped(items: Iterable[T], key: Callable[[T], Hashable]) -> list[list[T]]:
    groups: dict[Hashable, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.values())


def _footer(answer: ConfigurationAnswer) -> str:
    if answer.best is None:
        return "no deployment meets the limits, and that is proven; `ieco-opt explain` says why"
    return f"exact: all configurations searched, no tolerances; {answer.seconds:.1f} s"
