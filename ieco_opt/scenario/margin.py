"""Planning with the error: by what factor times and costs may be worse before a limit is missed (docs/scenario.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ieco_opt.catalog.expected_error import expected_error
from ieco_opt.catalog.types import Accelerator
from ieco_opt.scenario.deployment import Scenario
from ieco_opt.scenario.fleet import Fleet
from ieco_opt.scenario.resolve import resolve
from ieco_opt.scenario.resolve_fleet import resolve_fleet

ModelError = float | Literal["profile"]
"""As the field ``model_error`` says it."""


def margin_of(model_error: ModelError, accelerator: Accelerator) -> float:
    """1 + e of every configuration on an accelerator, which has the calibration that it is priced with."""
    return 1.0 + error_of(model_error, accelerator)


def error_of(model_error: ModelError, accelerator: Accelerator) -> float:
    """Relative error e that limits are to hold with."""
    return expected_error(accelerator.calibration, accelerator) if model_error == "profile" else model_error


def errors_of(model_error: ModelError, accelerators: Sequence[Accelerator]) -> dict[str, float]:
    """The errors of several accelerators by name."""
    return {each.name: error_of(model_error, each) for each in accelerators}


def band_error(scenario: Scenario) -> ModelError:
    """Error at the pessimistic end of a band: that of the scenario, or where it plans with none that of its profile."""
    return scenario.model_error or "profile"


def limits_hold(scenario: Scenario | Fleet) -> str | None:
    """In words up to what error the limits of a scenario hold; ``None`` where they hold for the model as it is."""
    if scenario.model_error == 0.0:
        return None
    if isinstance(scenario, Scenario):
        accelerators = list(resolve(scenario).accelerators)
    else:
        accelerators = [pool.accelerator for pool in resolve_fleet(scenario).pools]
    return f"limits hold if the model is {in_words(errors_of(scenario.model_error, accelerators))} too optimistic"


def in_words(errors: dict[str, float]) -> str:
    """Errors of accelerators as text, such as `15 %`, or `12 % (H100-SXM) or 30 % (L40S)`."""
    alike: dict[float, list[str]] = {}
    for name, error in errors.items():
        alike.setdefault(error, []).append(name)
    if len(alike) == 1:
        return _percent(next(iter(alike)))
    return " or ".join(f"{_percent(error)} ({', '.join(names)})" for error, names in alike.items())


def with_error(margin: float) -> str:
    """What is said beside a figure that is to hold with an error of the model."""
    return "" if margin == 1.0 else f" with an error of {_percent(margin - 1.0)}"


def _percent(error: float) -> str:
    return f"{100.0 * error:.3g} %"
