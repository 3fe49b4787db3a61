"""What a scenario must say of its accelerators before their energy can be priced, limited or least."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ieco_opt.catalog.types import Accelerator, Fidelity
from ieco_opt.defaults import EnergyObjective
from ieco_opt.documents.origin import Location
from ieco_opt.errors import Fault, ScenarioError
from ieco_opt.scenario.deployment import Scenario

_OF_PAPER = "nothing in fidelity paper, which prices no energy"


def energy_faults(scenario: Scenario, accelerators: Sequence[Accelerator | None]) -> list[Fault]:
    """What is missing for the prices and limits of energy that a scenario has; ``None``: an accelerator is wrong."""
    limits = scenario.limits
    asked: list[tuple[EnergyObjective, Location, float | None]] = [
        ("energy", ("limits", "max_energy_j_per_token"), limits.max_energy_j_per_token),
        ("carbon", ("limits", "max_carbon_kg_per_mtok"), limits.max_carbon_kg_per_mtok),
    ]
    faults = []
    for at, each in enumerate(accelerators):
        if each is not None and each.power is not None:
            place: Location = ("accelerators", at, "power")
            if scenario.fidelity is Fidelity.PAPER:
                faults.append(scenario.origin.fault(place, f"expected {_OF_PAPER}"))
            elif each.power_w is None:
                message = f"no board power is known for {each.name!r}, expected accelerators[{at}] to state power_w"
                faults.append(scenario.origin.fault(place, message))
    for objective, place, value in asked:
        if value is not None:
            faults += _faults(scenario, accelerators, objective, place, f"found {value:g}, expected {_OF_PAPER}")
    return faults


def require_energy(scenario: Scenario, accelerators: Sequence[Accelerator], objective: EnergyObjective) -> None:
    """Refuse an objective that the accelerators of a scenario know too little for.

    Raises
    ------
    ScenarioError
        With what each of them lacks.
    """
    of_paper = f"found '{objective}', expected another one in fidelity paper, which prices no energy"
    if faults := _faults(scenario, accelerators, objective, ("objective",), of_paper):
        raise ScenarioError(faults)


def _faults(
    scenario: Scenario,
    accelerators: Sequence[Accelerator | None],
    objective: EnergyObjective,
    place: Location,
    of_paper: str,
) -> list[Fault]:
    if scenario.fidelity is Fidelity.PAPER:
        return [scenario.origin.fault(place, of_paper)]
    return [
        scenario.origin.fault(place, message)
        for at, each in enumerate(accelerators)
        if each is not None
        for message in _missing(at, each, objective)
    ]


def _missing(at: int, accelerator: Accelerator, objective: EnergyObjective) -> Iterator[str]:
    if accelerator.power_w is None:
        yield f"no board power is known for {accelerator.name!r}, expected accelerators[{at}] to state power_w"
    if objective == "carbon" and (accelerator.power is None or accelerator.power.kg_co2_per_kwh is None):
        yield (
            f"no carbon is known for {accelerator.name!r}, expected accelerators[{at}] to state it: "
            f"{{like: {accelerator.name}, power: {{kg_co2_per_kwh: X}}}}"
        )
