"""Profiles as tables, for `ieco-opt catalog`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ieco_opt.catalog.tables import CatalogRow
from ieco_opt.engines.profile import Exchange, Profile, Rule, Said
from ieco_opt.engines.store import profiles

if TYPE_CHECKING:
    import pandas as pd


def describe(profile: Profile) -> list[CatalogRow]:
    """List what a profile says, each rule with its place in the server's code."""
    return list(_rows(profile))


def _rows(profile: Profile) -> Iterator[CatalogRow]:
    yield CatalogRow("name", profile.name, "", profile.file)
    yield CatalogRow("title", profile.title, "", "")
    yield CatalogRow("versions", f"{profile.version}, read in {profile.version_read}", "", "")
    yield CatalogRow("vendors", ", ".join(profile.vendors), "", "")
    for accelerators, image in profile.images.items():
        yield CatalogRow(f"image_{accelerators}", image, "", "")
    for each in profile.classes:
        models = ", ".join(each.architectures) or f"{each.experts or 'all other'} models"
        yield CatalogRow(f"class_{each.name}", f"attention groups: {each.attention_groups}; {models}", "", each.source)
    for number, rule in enumerate(profile.rules):
        yield CatalogRow(f"accepts_{number}", _rule_text(rule), "", rule.source)
    prices = profile.prices
    for name in ("dense_over", "shared_over", "embedding_over", "head_over"):
        yield CatalogRow(name, getattr(prices, name).text, "ranks", prices.source)
    for layout in prices.layouts:
        for name, over in (("dense_over", layout.dense_over), ("shared_over", layout.shared_over)):
            if over is not None:
                of = f"{over.text} ({', '.join(layout.architectures)})"
                yield CatalogRow(f"{name}_of_classes", of, "ranks", layout.source)
    for exchange in prices.exchange:
        yield CatalogRow(f"exchange_{exchange.kind}", _exchange_text(exchange), "", exchange.source)
    for fmt, flags in profile.precisions.items():
        online = " ".join(f"{name} {value}" for name, value in flags or ())
        made = f"checkpoints, and while loading by {online}" if online else "checkpoints"
        yield CatalogRow(f"precision_{fmt}", made, "", profile.precision_source)
    moves = profile.cache_transfer
    yield CatalogRow("cache_transfer", f"within: {moves.within}", "", moves.source)
    for mode, word in profile.drafts.items():
        yield CatalogRow(f"draft_{mode}", word, "", profile.file)
    for said in (*profile.say.flags, *profile.say.config):
        yield CatalogRow(f"says_{said.name}", _said_text(said), "", "")


def _rule_text(rule: Rule) -> str:
    unless = (f"not {each}" for each in (*rule.not_precisions, *rule.not_architectures))
    about = [*rule.vendors, *rule.precisions, *rule.architectures, *unless]
    return f"{rule.says}: {rule.expression.text}" + (f" ({', '.join(about)})" if about else "")


def _exchange_text(exchange: Exchange) -> str:
    return exchange.when.text + (f" ({', '.join(exchange.about)})" if exchange.about else "")


def _said_text(said: Said) -> str:
    value = said.text or (said.value.text if said.value is not None else "")
    if said.parts:
        value = "; ".join(f"{part.name}: {_said_text(part)}" for part in said.parts)
    when = f" where {said.when.text}" if said.when is not None else ""
    unless = f", left out at {said.unless:g}" if said.unless is not None else ""
    return f"{value or 'set'}{when}{unless}"


def to_dataframe() -> pd.DataFrame:
    """Tabulate the profiles of the package, one row each."""
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "name": each.name,
                "title": each.title,
                "versions": each.version,
                "version_read": each.version_read,
                "vendors": ", ".join(each.vendors),
                "precisions": ", ".join(each.precisions),
                "rules": len(each.rules),
            }
            for each in profiles()
        ]
    )
