"""What a scenario lists of weights and caches, checked against its models and accelerators; and their contexts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ieco_opt.catalog.precision import PRECISIONS, KvCache, Precision, recipe, takes_cache
from ieco_opt.catalog.types import Accelerator, Model
from ieco_opt.documents.origin import Location
from ieco_opt.errors import ScenarioError

Complaint = tuple[Location, str]
"""Place of a fault, and what was found and is expected."""

Weights = Sequence[str | Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Served:
    """A model, or its draft, with the place where the scenario names it and what stands there."""

    model: Model
    place: Location
    reference: object

    def raised(self, tokens: int) -> str:
        """What to write for a context of so many tokens; a mapping has the field itself."""
        field = ".".join(map(str, self.place))
        if isinstance(self.reference, str):
            return f"{field}: {{like: {self.reference}, max_context_tokens: {tokens}}}"
        return f"{field}.max_context_tokens: {tokens}"


def weights_of(weights: Weights, model: Model) -> tuple[str | Mapping[str, str], ...]:
    """The entries listed, or the precision of the model's own checkpoint."""
    return tuple(weights) or ((model.checkpoint,) if model.checkpoint is not None else ())


def precisions(weights: Weights, kv_caches: Sequence[KvCache]) -> tuple[Precision, ...]:
    """Every pair of weights and cache, in the order of the lists."""
    return tuple(Precision(entry, kv_cache) for entry in weights for kv_cache in kv_caches)


def complaints(
    weights: Weights,
    kv_caches: Sequence[str],
    served: Sequence[Served],
    accelerators: Sequence[Accelerator],
    requests: Iterable[tuple[Location, int]],
) -> Iterator[Complaint]:
    """What models cannot do of what is asked for; the first of ``served`` is the model, others are drafts.

    ``requests`` are the tokens of a prompt and its answer, with the field that says them.
    """
    yield from _of_precisions(weights, kv_caches, served, accelerators)
    for place, tokens in requests:
        message = too_long(tokens, served)
        if message is not None:
            yield place, message


def _of_precisions(
    weights: Weights, kv_caches: Sequence[str], served: Sequence[Served], accelerators: Sequence[Accelerator]
) -> Iterator[Complaint]:
    listed = weights_of(weights, served[0].model)
    if not listed:
        expected = f"a list of precisions ({', '.join(PRECISIONS)}), or a model whose checkpoint says one"
        yield ("weights",), f"found nothing, expected {expected}"
    for each in served:
        for at, entry in enumerate(listed):
            for accelerator in accelerators:
                try:
                    recipe(each.model, entry, accelerator)
                except ScenarioError as error:
                    place = ("weights", at) if weights and each is served[0] else each.place
                    yield place, error.faults[0].message
                    break
    if accelerators and not any(takes_cache(each, cache) for each in accelerators for cache in kv_caches):
        names = ", ".join(each.name for each in accelerators)
        yield ("kv_cache",), f"found {', '.join(kv_caches)}, which needs 8-bit arithmetic, expected bf16 on {names}"


def too_long(tokens: int, served: Sequence[Served]) -> str | None:
    """Why no model of ``served`` takes a request of so many tokens, prompt and answer together."""
    for each in served:
        most = each.model.max_context_tokens
        if most is not None and tokens > most:
            expected = f"expected at most the {most:,} that {each.model.name} was made for"
            scaled = f"where its positions are scaled, say so: {each.raised(tokens)}"
            return f"found {tokens:,} tokens with the answer, {expected}; {scaled}"
    return None
