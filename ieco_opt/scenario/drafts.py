"""The draft that a scenario or a workload asks for, looked up or made of its model."""

from __future__ import annotations

from ieco_opt.catalog.heads import eagle3_head, eagle3_head_read, mtp_head
from ieco_opt.catalog.types import Fidelity, Model, PaperModel
from ieco_opt.documents.origin import Location, Origin
from ieco_opt.errors import ScenarioError
from ieco_opt.scenario.references import model_of
from ieco_opt.scenario.speculation import Speculation


def draft_of(
    speculation: Speculation,
    model: Model | PaperModel | None,
    location: Location,
    fidelity: Fidelity,
    origin: Origin,
) -> Model | PaperModel | None:
    """Find a draft model, or make a head of the model; ``None`` where the model of a head is wrong itself.

    Parameters
    ----------
    location
        Of ``speculation`` in the scenario.

    Raises
    ------
    ScenarioError
        With faults at the fields of ``speculation``.
    """
    reference = speculation.looked_up
    found = None
    if reference is not None:
        found = model_of(reference, (*location, "draft_model"), fidelity, origin)
    if speculation.mode == "draft_model":
        return found
    if not isinstance(model, Model):
        return None
    try:
        if speculation.mode == "mtp":
            return mtp_head(model)
        if isinstance(found, Model):
            return eagle3_head_read(found, model)
        named = speculation.draft_model
        return eagle3_head(model, named if isinstance(named, str) else "")
    except ScenarioError as error:
        raise ScenarioError(origin.placed((*location, "mode"), error.faults)) from None
