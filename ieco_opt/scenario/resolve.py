"""A scenario with its names looked up, its defaults filled in and its parts checked against each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ieco_opt.catalog.precision import Precision
from ieco_opt.catalog.types import Accelerator, Fidelity, Head, Model, PaperModel
from ieco_opt.documents.origin import Location
from ieco_opt.engines.profile import Profile
from ieco_opt.errors import Fault, ScenarioError
from ieco_opt.scenario import bounds
from ieco_opt.scenario.calibrations import calibrated
from ieco_opt.scenario.deployment import ResolvedDesignSpace, Scenario
from ieco_opt.scenario.drafts import draft_of
from ieco_opt.scenario.energy import energy_faults
from ieco_opt.scenario.engines import profiles_of, unserved, with_profiles
from ieco_opt.scenario.precisions import Served, complaints, precisions, weights_of
from ieco_opt.scenario.references import accelerator_of, model_of
from ieco_opt.scenario.self_contained import self_contained


@dataclass(frozen=True, slots=True)
class ResolvedScenario:
    """All that the performance model needs to know of a scenario.

    Attributes
    ----------
    scenario
        Self-contained: files that it named are read and stand in it as mappings.
    accelerators
        In the order of the scenario; each has a price, and a power where the scenario limits it.
    draft
        The draft model, or ``None`` without speculation.
    precisions
        Every pair of weights and cache; empty in fidelity ``paper``.
    engines
        Servers to choose from, in order of preference; empty for the equations alone and in fidelity ``paper``.
    """

    scenario: Scenario
    model: Model | PaperModel
    accelerators: tuple[Accelerator, ...]
    draft: Model | PaperModel | None
    design_space: ResolvedDesignSpace
    precisions: tuple[Precision, ...]
    engines: tuple[Profile, ...]


def resolve(scenario: Scenario) -> ResolvedScenario:
    """Look up what a scenario names and check its parts against each other.

    Raises
    ------
    ScenarioError
        With every unknown name, wrong mapping, repeated accelerator, and missing price or power; or with the lists
        that ask for more configurations than the scenario may.
    """
    faults: list[Fault] = []
    try:
        scenario = self_contained(scenario)
    except ScenarioError as error:
        faults.extend(error.faults)
    models = _models(scenario, faults)
    accelerators = _accelerators(scenario, faults)
    scenario, accelerators = _calibrated(scenario, accelerators, faults)
    faults += _repeated(scenario, accelerators)
    faults += _without_price(scenario, accelerators)
    faults += _without_power(scenario, accelerators)
    faults += energy_faults(scenario, accelerators)
    engines = _engines(scenario, faults)
    faults += _without_server(scenario, engines, accelerators)
    served = _served(scenario, models)
    faults += _unfit_models(scenario, served, [each for each in accelerators if each is not None])
    if faults:
        # A wrong model file is met twice: once to put it into the scenario, once as the scenario's model.
        raise ScenarioError(list(dict.fromkeys(faults)))
    space = scenario.design_space.resolved(scenario.fidelity)
    bounds.check(scenario.origin, [((), bounds.factors_of(scenario, space, len(engines)))])
    assert models[0] is not None
    return ResolvedScenario(
        scenario=scenario,
        model=models[0],
        accelerators=tuple(each for each in accelerators if each is not None),
        draft=models[1] if scenario.speculation else None,
        design_space=space,
        precisions=precisions(weights_of(scenario.weights, served[0].model), scenario.kv_cache) if served else (),
        engines=engines,
    )


def _engines(scenario: Scenario, faults: list[Fault]) -> tuple[Profile, ...]:
    """Servers to choose from; none where an engine profile of the scenario is wrong."""
    if scenario.fidelity is Fidelity.PAPER:
        return ()
    try:
        return profiles_of(with_profiles(scenario.engine, ("engine",), scenario.origin))
    except ScenarioError as error:
        faults.extend(error.faults)
        return ()


def _served(scenario: Scenario, models: Sequence[Model | PaperModel | None]) -> list[Served]:
    """The model and its draft model where they are of the real collection, each with the field that names it."""
    draft = None if scenario.speculation is None else scenario.speculation.draft_model
    named: list[tuple[Location, object]] = [(("model",), scenario.model), (("speculation", "draft_model"), draft)]
    # A head is held to what its model is.
    known = [Served(each, *named[at]) for at, each in enumerate(models) if isinstance(each, Model)]
    known = [each for each in known if not isinstance(each.model, Head)]
    return known if known and known[0].place == ("model",) else []


def _unfit_models(scenario: Scenario, served: Sequence[Served], accelerators: Sequence[Accelerator]) -> list[Fault]:
    """Precisions that there are none of, and requests longer than the model was made for."""
    if not served:
        return []
    workload = scenario.workload
    starts = "context_tokens" if workload.prompt_tokens is None else "prompt_tokens"
    requests: list[tuple[Location, int]] = [(("workload", starts), workload.first_tokens + workload.output_tokens)]
    wrong = complaints(scenario.weights, scenario.kv_cache, served, accelerators, requests)
    return [scenario.origin.fault(place, message) for place, message in wrong]


def _models(scenario: Scenario, faults: list[Fault]) -> list[Model | PaperModel | None]:
    """Look up the model and, with speculation, its draft; ``None`` stands for one that is wrong."""
    models: list[Model | PaperModel | None] = []

    def add(look_up: Callable[[], Model | PaperModel | None]) -> None:
        try:
            models.append(look_up())
        except ScenarioError as error:
            faults.extend(error.faults)
            models.append(None)

    fidelity, origin, speculation = scenario.fidelity, scenario.origin, scenario.speculation
    add(lambda: model_of(scenario.model, ("model",), fidelity, origin))
    if speculation is not None:
        add(lambda: draft_of(speculation, models[0], ("speculation",), fidelity, origin))
    return models


def _accelerators(scenario: Scenario, faults: list[Fault]) -> list[Accelerator | None]:
    """Look up the accelerators; ``None`` stands for one that is wrong, so that positions stay."""
    accelerators: list[Accelerator | None] = []
    for index, reference in enumerate(scenario.accelerators):
        location: Location = ("accelerators", index)
        try:
            accelerators.append(accelerator_of(reference, location, scenario.fidelity, scenario.origin))
        except ScenarioError as error:
            faults.extend(error.faults)
            accelerators.append(None)
    return accelerators


def _calibrated(
    scenario: Scenario, accelerators: list[Accelerator | None], faults: list[Fault]
) -> tuple[Scenario, list[Accelerator | None]]:
    """Accelerators with the profiles that they are priced with, which then stand in the scenario as mappings."""
    if scenario.fidelity is Fidelity.PAPER:
        return scenario, accelerators
    try:
        found, held = calibrated(accelerators, scenario.profile, scenario.origin)
    except ScenarioError as error:
        faults.extend(error.faults)
        return scenario, accelerators
    return scenario if held == scenario.profile else scenario.model_copy(update={"profile": held}), found


def _repeated(scenario: Scenario, accelerators: Sequence[Accelerator | None]) -> list[Fault]:
    """Refuse one name for two accelerators: results tell them apart by name."""
    faults, first = [], dict[str, int]()
    for index, accelerator in enumerate(accelerators):
        if accelerator is None:
            continue
        before = first.setdefault(accelerator.name.casefold(), index)
        if before != index:
            message = (
                f"found {accelerator.name!r}, which is accelerators[{before}] too; expected each name once "
                "(a mapping may give its own: {like: NAME, name: MY-NAME})"
            )
            faults.append(scenario.origin.fault(("accelerators", index), message))
    return faults


def _without_server(
    scenario: Scenario, engines: Sequence[Profile], accelerators: Sequence[Accelerator | None]
) -> list[Fault]:
    known = {at: each for at, each in enumerate(accelerators) if each is not None}
    positions = list(known)
    return [
        scenario.origin.fault(("accelerators", positions[at]), message)
        for at, message in unserved(engines, list(known.values()))
    ]


def _without_price(scenario: Scenario, accelerators: Sequence[Accelerator | None]) -> list[Fault]:
    return [
        scenario.origin.fault(
            ("accelerators", index),
            f"no price is known for {each.name!r}, {_give(scenario, index, each, 'usd_per_gpu_hour')}",
        )
        for index, each in enumerate(accelerators)
        if each is not None and each.usd_per_gpu_hour is None
    ]


def _without_power(scenario: Scenario, accelerators: Sequence[Accelerator | None]) -> list[Fault]:
    if scenario.limits.max_power_kw is None:
        return []
    return [
        scenario.origin.fault(
            ("limits", "max_power_kw"),
            f"no power is known for {each.name!r}, {_give(scenario, index, each, 'power_w')}",
        )
        for index, each in enumerate(accelerators)
        if each is not None and each.power_w is None
    ]


def _give(scenario: Scenario, index: int, accelerator: Accelerator, figure: str) -> str:
    """Tell how to state a figure that the catalog does not know."""
    if isinstance(scenario.accelerators[index], str):
        name = accelerator.name
        return f"expected accelerators[{index}] to state one: {{like: {name}, name: my-{name}, {figure}: X}}"
    return f"expected accelerators[{index}] to state one as {figure}"
