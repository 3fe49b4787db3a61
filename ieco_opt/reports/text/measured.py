"""How near measurements of this model on these accelerators the model of times came."""

from __future__ import annotations

from collections.abc import Iterator

from ieco_opt.catalog.profiles import calibrations
from ieco_opt.catalog.types import Fidelity, Model
from ieco_opt.performance.validated import measured
from ieco_opt.results.plan import FleetPlan, FleetResult
from ieco_opt.scenario.references import model_of


def near_measurements(result: FleetResult, plan: FleetPlan) -> list[str]:
    """Say it of the model of a plan of one workload, a line an accelerator; nothing of profiles of one's own."""
    reference = result.scenario.workloads[0].model
    if reference is None:
        return []
    model = model_of(reference, ("workloads", 0, "model"), Fidelity.DEPLOYABLE, result.scenario.origin)
    return [*_lines(model, plan)] if isinstance(model, Model) else []


def _lines(model: Model, plan: FleetPlan) -> Iterator[str]:
    packaged = {each.name: each for each in calibrations()}
    used = {(row.profile, row.accelerator): None for row in plan.instances if row.profile in packaged}
    for profile, accelerator in used:
        found = measured(packaged[profile or ""], accelerator, model)
        if found is None:
            yield f"{model.name} was not measured on {accelerator}"
            continue
        median, p90 = (f"{100.0 * error:.0f} %" for error in (found.median_error, found.p90_error))
        rows = f"half of {found.rows:,} rows; worst tenth beyond {p90}"
        yield f"within {median} of measurements of {found.model} on {accelerator} ({rows})"
