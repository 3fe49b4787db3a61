"""Measured sets of accepted tokens: how many tokens a pass yields that verifies so many proposals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from ieco_opt.catalog.tables import CatalogRow
from ieco_opt.documents.near import near
from ieco_opt.documents.origin import found
from ieco_opt.documents.packaged import packaged_rows
from ieco_opt.errors import ScenarioError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class AcceptanceSet:
    """Mean tokens of a pass by the number of proposals that it verifies, its own token among them.

    Attributes
    ----------
    model, mode
        Of the catalog, and what proposed: what was measured.
    """

    name: str
    model: str
    mode: str
    accepted_tokens: Mapping[int, float]
    source: str


def acceptance_set(name: str) -> AcceptanceSet:
    """Look a measured set up by its name; case does not matter.

    Raises
    ------
    ScenarioError
        There is none of this name.
    """
    known = _sets()
    if name.casefold() in known:
        return known[name.casefold()]
    close = near(name, list(known))
    hint = f", perhaps {close}" if close else ""
    expected = f"numbers by drafts, or a measured set (`ieco-opt catalog list acceptance`){hint}"
    raise ScenarioError.single(f"found {found(name)}, expected {expected}")


def acceptance_names() -> tuple[str, ...]:
    """Names of the measured sets."""
    return tuple(_sets())


def describe(name: str) -> list[CatalogRow]:
    """Every value of a measured set with its source."""
    held = acceptance_set(name)
    rows = [CatalogRow(each, getattr(held, each), "", "") for each in ("name", "model", "mode")]
    return rows + [
        CatalogRow(f"accepted_tokens_{drafts}", f"{tokens:g}", "tokens a pass", held.source)
        for drafts, tokens in held.accepted_tokens.items()
    ]


def written(accepted_tokens: Mapping[int, float]) -> str:
    """Tokens of a pass by the number of proposals, on one line."""
    return ", ".join(f"{drafts}: {tokens:g}" for drafts, tokens in accepted_tokens.items())


def to_dataframe() -> pd.DataFrame:
    """Tabulate the measured sets, one row each."""
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "name": each.name,
                "model": each.model,
                "mode": each.mode,
                "accepted_tokens": written(each.accepted_tokens),
                "source": each.source,
            }
            for each in _sets().values()
        ]
    )


@cache
def _sets() -> dict[str, AcceptanceSet]:
    rows = packaged_rows("ieco_opt.catalog", "acceptance.yaml")
    return {
        row["name"]: AcceptanceSet(
            **row | {"accepted_tokens": {int(each): float(value) for each, value in row["accepted_tokens"].items()}}
        )
        for row in rows
    }
