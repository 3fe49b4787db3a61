"""What a scenario should be told of its models: what a name was understood as, and which precision that means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ieco_opt import catalog


def notes_on_models(
    model: str | Mapping[str, object], draft: str | Mapping[str, object] | None, weights: Sequence[object]
) -> Iterator[str]:
    """Tell what the names of a model and its draft were understood as, and the precision where none is listed."""
    for each in (model, draft):
        said = catalog.said_about(each) if isinstance(each, str) else None
        if said is not None:
            yield said
    if weights:
        return
    if not isinstance(model, str):
        own: object = model.get("checkpoint")
    else:
        # A name whose ending says the precision has said it.
        own = None if "weights" in (catalog.said_about(model) or "") else catalog.checkpoint_of(model)
    if own is not None:
        name = model if isinstance(model, str) else model.get("name", "the model")
        yield f"weights are in {own}, the precision of the checkpoint of {name}"
