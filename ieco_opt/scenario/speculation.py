"""What a scenario says of speculation: what proposes tokens, and how many of them are accepted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from ieco_opt.catalog import is_file_name
from ieco_opt.catalog.acceptance import acceptance_set
from ieco_opt.catalog.types import DraftMode
from ieco_opt.documents.origin import Location, plain_scalar
from ieco_opt.engines.checkpoints import is_repository
from ieco_opt.errors import ScenarioError
from ieco_opt.scenario import fields
from ieco_opt.scenario.strict import Strict

MOST_DRAFTS = 63

_DRAFTS = f"numbers of drafts, from 1 to {MOST_DRAFTS}"

Fault = tuple[Location, object, str]


def _by_drafts(value: object) -> dict[int, float]:
    """Check tokens of a pass by the number of its proposals; names of fields are text in JSON."""
    assert isinstance(value, Mapping)
    checked: dict[int, float] = {}
    faults: list[Fault] = []
    for key, given in value.items():
        text, tokens = str(key), plain_scalar(given)
        place: Location = (text[:60],)
        drafts = int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(MOST_DRAFTS)) else 0
        if isinstance(key, bool) or not 1 <= drafts <= MOST_DRAFTS or drafts in checked:
            faults.append((place, key, f"{_DRAFTS}, each once"))
        elif isinstance(tokens, bool) or not isinstance(tokens, int | float) or not 1.0 <= tokens <= drafts + 1:
            faults.append((place, given, f"tokens of a pass, its own among them: a number from 1 to {drafts + 1}"))
        else:
            checked[drafts] = float(tokens)
    ordered = sorted(checked.items())
    for (_, least), (drafts, tokens) in pairwise(ordered):
        if tokens < least:
            faults.append(((str(drafts),), tokens, f"at least {least:g}, as with fewer drafts"))
    if not value:
        faults.append(((), {}, f"tokens of a pass by {_DRAFTS}"))
    if faults:
        raise fields.refused_at(faults)
    return dict(ordered)


def _schema(schema: dict[str, Any]) -> None:
    schema["minProperties"], schema["propertyNames"] = 1, {"pattern": "^[1-9][0-9]?$"}


AcceptedTokens = Annotated[
    Annotated[fields.Name, fields.expecting("numbers by drafts, or a measured set"), Tag("<name>")]
    | Annotated[dict[int, float], Field(json_schema_extra=_schema), BeforeValidator(_by_drafts), Tag("<mapping>")],
    Discriminator(fields.kind_of_reference),
]


class Speculation(Strict):
    """Speculative decoding, which the solver may use or leave."""

    mode: Annotated[DraftMode, fields.expecting("'draft_model', 'mtp' or 'eagle3'")] = "draft_model"
    """What proposes tokens: a draft model, a multi-token-prediction layer of the model, or an EAGLE-3 head for it."""

    draft_model: fields.ModelReference | None = None
    """Draft model: a name of the catalog, a file or a mapping; with mode eagle3 the repository of the head, or its
    config.json."""

    acceptance: fields.Share | None = None
    """Probability that one proposed token is accepted."""

    accepted_tokens: AcceptedTokens | None = None
    """Instead of acceptance: tokens that a pass yields, its own one among them, by the number of proposals that it
    verifies; or the name of a measured set of the catalog."""

    max_draft_tokens: fields.DraftTokens | None = None
    """Most tokens that the model verifies in one pass: its own next one, and those that were proposed; by default as
    many as accepted_tokens lists."""

    @model_validator(mode="after")
    def _complete(self) -> Speculation:
        faults = [*self._wrong_draft(), *self._wrong_acceptance()]
        if faults:
            raise fields.refused_at(faults)
        return self

    def _wrong_draft(self) -> Iterator[Fault]:
        draft = self.draft_model
        if self.mode == "draft_model" and draft is None:
            yield ("draft_model",), None, "a draft model, or mode: mtp or mode: eagle3"
        if self.mode == "mtp" and draft is not None:
            yield ("draft_model",), draft, "nothing beside mode: mtp, whose layer is the model's own"
        if self.mode == "eagle3" and isinstance(draft, str) and not (is_repository(draft) or is_file_name(draft)):
            yield ("draft_model",), draft, "the repository of the head (owner/name), or its config.json"

    def _wrong_acceptance(self) -> Iterator[Fault]:
        most, given = self.max_draft_tokens, self.accepted_tokens
        if (self.acceptance is None) == (given is None):
            found = None if given is None else self.acceptance
            yield ("acceptance",), found, "one of acceptance and accepted_tokens"
            return
        if given is None:
            if most is None:
                yield ("max_draft_tokens",), None, "an integer from 2 to 64 beside acceptance"
            return
        try:
            measured = self.measured or {}
        except ScenarioError as error:
            yield ("accepted_tokens",), given, error.faults[0].message.partition(", expected ")[2]
            return
        if most is not None and most <= min(measured):
            yield ("max_draft_tokens",), most, f"at least {min(measured) + 1}, for the fewest of accepted_tokens"

    @property
    def measured(self) -> dict[int, float] | None:
        """Tokens of a pass by the number of its proposals; ``None`` where ``acceptance`` says them."""
        if isinstance(self.accepted_tokens, str):
            return dict(acceptance_set(self.accepted_tokens).accepted_tokens)
        return self.accepted_tokens

    @property
    def choices(self) -> int:
        """Numbers of tokens that a pass may verify, one among them."""
        if self.measured is None:
            return self.max_draft_tokens or 1
        most = self.max_draft_tokens or MOST_DRAFTS + 1
        return 1 + sum(drafts < most for drafts in self.measured)

    @property
    def looked_up(self) -> str | dict[str, object] | None:
        """The draft, where it is a model that is looked up or read; not where only its repository is named."""
        draft = self.draft_model
        only_named = isinstance(draft, str) and not is_file_name(draft)
        return None if self.mode == "eagle3" and only_named else draft

    def unknown_to_paper(self) -> list[Fault]:
        """What fidelity paper does not know."""
        expected = "in fidelity paper, which knows draft models and an acceptance alone"
        faults: list[Fault] = []
        if self.mode != "draft_model":
            faults.append((("speculation", "mode"), self.mode, f"draft_model {expected}"))
        if self.accepted_tokens is not None:
            faults.append((("speculation", "accepted_tokens"), self.accepted_tokens, f"none {expected}"))
        return faults
