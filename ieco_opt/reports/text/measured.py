"""How near measurements of this model on these accelerators the model of times came."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ieco_opt.catalog.calibration import Calibration, calibration_from_mapping
from ieco_opt.catalog.types import Fidelity, Model
from ieco_opt.performance.validated import measured
from ieco_opt.results.plan import FleetPlan, FleetResult
from ieco_opt.scenario.references import model_of


def near_measurements(result: FleetResult, plan: FleetPlan) -> list[str]:
    """Say it of the model of a plan of one workload, a line an accelerator, where a profile says what was measured."""
    reference = result.scenario.workloads[0].model
    if reference is None:
        return []
    model = model_of(reference, ("workloads", 0, "model"), Fidelity.DEPLOYABLE, result.scenario.origin)
    # A result holds its profiles as mappings.
    held = [calibration_from_mapping(each) for each in result.scenario.profile if isinstance(each, Mapping)]
    return [*_lines(model, held, plan)] if isinstance(model, Model) else []


def _lines(model: Model, profiles: Sequence[Calibration], plan: FleetPlan) -> Iterator[str]:
    fitted = {each.name: each for each in profiles if each.fitted_on is not None and each.fitted_on.measured}
    for name, accelerator in dict.fromkeys((row.profile or "", row.accelerator) for row in plan.instances):
        if name not in fitted:
            continue
        found = measured(fitted[name], accelerator, model)
        if found is None:
            yield f"{model.name} was not measured on {accelerator}"
            continue
        median, p90 = (f"{100.0 * error:.0f} %" for error in (found.median_error, found.p90_error))
        rows = f"half of {found.rows:,} rows; worst tenth beyond {p90}"
        yield f"within {median} of measurements of {found.model} on {accelerator} ({rows})"
