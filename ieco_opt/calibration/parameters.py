"""Which constants of profiles are fitted, how far each may move, and where each row finds its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ieco_opt.catalog.calibration import Calibration
from ieco_opt.performance.calibrated import Constants
from ieco_opt.performance.collectives import Array


@dataclass(frozen=True, slots=True)
class Fitted:
    """A constant, or one entry of a list of constants.

    Attributes
    ----------
    field, entry
        Field of ``Calibration``, and the name of the entry of a list.
    spread
        Standard error of the logarithm of its prior; 0: it is not fitted.
    common
        Whether profiles that are fitted together share it.
    most
        Upper bound.
    """

    field: str
    entry: str
    spread: float
    common: bool = False
    most: float = np.inf

    def of(self, calibration: Calibration) -> float:
        """Its value in a profile."""
        found = getattr(calibration, self.field)
        return float(getattr(found, self.entry) if self.entry else found)

    @property
    def name(self) -> str:
        """Dotted name."""
        return f"{self.field}.{self.entry}" if self.entry else self.field


def _shares(field: str, spreads: dict[str, float], own: tuple[str, ...] = ()) -> list[Fitted]:
    return [Fitted(field, entry, spread, entry not in own, 1.0) for entry, spread in spreads.items()]


_OWN = ("bf16", "fp8", "fp4", "int4")

FITTED: dict[str, list[Fitted]] = {
    # Steps of servers differ by less than this, and a layer's launches say nearly the same.
    "step_s": [Fitted("step_s", "", 0.0)],
    "layer_s": [Fitted("layer_s", "", 0.5)],
    "layer_kernels": [
        Fitted("layer_kernels", entry, 0.5, common=True)
        for entry in ("experts", "latent_attention", "quantised_experts", "weight_only_experts")
    ],
    # Weights in 16 bits are a small part of the quantised models that are measured: kernels say more of their share.
    "linear_share": _shares("linear_share", {"bf16": 0.03, "fp8": 0.2, "fp4": 0.2, "int4": 0.2}),
    "expert_share": _shares("expert_share", {"bf16": 0.03, "fp8": 0.2, "fp4": 0.2, "int4": 0.5}, own=("int4",)),
    "cache_share": [Fitted("cache_share", "", 0.5, most=1.0)],
    # Arithmetic of decoding hardly ever sets the time of a measurement.
    "decode_share": _shares("decode_share", {"bf16": 0.0, "fp8": 0.0, "fp4": 0.0, "int4": 0.0}),
    "attention_share": [Fitted("attention_share", "", 0.3, common=True, most=1.0)],
    "prefill_share": _shares("prefill_share", {"bf16": 0.4, "fp8": 0.4, "fp4": 0.5, "int4": 0.5}, own=_OWN),
    "prefill_attention_share": [Fitted("prefill_attention_share", "", 0.5, common=True, most=1.0)],
    "exchange_s": [Fitted("all_gather", "seconds", 0.5), Fitted("all_to_all", "seconds", 0.5)],
    "exchange_share": [
        Fitted("all_gather", "bandwidth_share", 0.5, common=True, most=1.0),
        Fitted("all_to_all", "bandwidth_share", 0.5, common=True, most=1.0),
    ],
    "all_reduce_share": [Fitted("all_reduce_share", "", 0.5, common=True, most=1.0)],
    "quantised_exchange": [Fitted("quantised_exchange", "", 0.5, common=True)],
}
"""Constants by the field of ``Constants`` that they fill, in its order."""

ENGINE_SPREAD, PAIR_SPREAD = 0.15, 0.15
"""Spreads of the factor of a server, and of that of a server and a model."""

ENGINE, PAIR = "engines", "pairs"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number that is fitted: which, of which profiles, with its prior; a factor also of which server and model."""

    name: str
    profiles: tuple[int, ...]
    prior: float
    spread: float
    most: float = np.inf
    engine: str = ""
    model: str = ""


@dataclass(frozen=True)
class Parameters:
    """Parameters of some profiles, and where each row finds its constants among them.

    ``places`` has positions for each field of ``Constants``, shapes (rows,) or (rows, entries); ``factors`` those of
    the factors on launches, shape (rows, 2). Numbers that are not fitted stand behind the fitted ones; the last is 1.
    """

    parameters: tuple[Parameter, ...]
    fixed: Array
    places: dict[str, NDArray[np.intp]]
    factors: NDArray[np.intp]

    def constants(self, logarithms: Array) -> Constants:
        """Constants of each row."""
        values = np.concatenate([np.exp(logarithms), self.fixed])
        columns: dict[str, Any] = {name: values[place] for name, place in self.places.items()}
        columns["layer_s"] = columns["layer_s"] * values[self.factors].prod(axis=1)
        return Constants(**columns)

    def of_rows(self, rows: NDArray[np.intp]) -> Parameters:
        """The same for some of the rows."""
        places = {name: place[rows] for name, place in self.places.items()}
        return Parameters(self.parameters, self.fixed, places, self.factors[rows])


def parameters_of(
    profiles: Sequence[Calibration], profile_of_row: NDArray[np.intp], engines: Sequence[str], models: Sequence[str]
) -> Parameters:
    """Parameters of profiles that are fitted together to rows; each row has its profile, server and model."""
    found = _Found()
    places: dict[str, NDArray[np.intp]] = {}
    for field, entries in FITTED.items():
        columns = np.stack([found.constant(entry, profiles)[profile_of_row] for entry in entries], axis=1)
        places[field] = columns[:, 0] if len(entries) == 1 else columns
    factors = np.empty((len(engines), 2), dtype=np.intp)
    for row, (profile, engine, model) in enumerate(zip(profile_of_row, engines, models, strict=True)):
        factors[row] = found.factors(int(profile), profiles[profile], engine, model)
    return found.done(places, factors)


class _Found:
    """Parameters as they are met; numbers that are not fitted count from -1 downwards until all are known."""

    def __init__(self) -> None:
        self.parameters: list[Parameter] = []
        self.fixed: list[float] = []
        self.known: dict[tuple[str, str, int], int] = {}

    def constant(self, entry: Fitted, profiles: Sequence[Calibration]) -> NDArray[np.intp]:
        """Where each profile has a constant."""
        everyone = tuple(range(len(profiles)))
        shared = [everyone] if entry.common else [(each,) for each in everyone]
        places = np.empty(len(profiles), dtype=np.intp)
        for group in shared:
            values = [entry.of(profiles[each]) for each in group]
            prior = float(np.exp(np.mean(np.log(values))))
            if entry.spread > 0.0:
                self.parameters.append(Parameter(entry.name, group, prior, entry.spread, entry.most))
                places[list(group)] = len(self.parameters) - 1
            else:
                self.fixed.append(prior)
                places[list(group)] = -len(self.fixed)
        return places

    def factors(self, profile: int, calibration: Calibration, engine: str, model: str) -> tuple[int, int]:
        """Where a row has the factors of its server, and of its server and model."""
        of_engine = calibration.engines.get(engine, 1.0)
        of_pair = calibration.pairs.get(engine, {}).get(model, 1.0)
        return (
            self._factor(Parameter(f"{ENGINE}.{engine}", (profile,), of_engine, ENGINE_SPREAD, engine=engine)),
            self._factor(
                Parameter(f"{PAIR}.{engine}.{model}", (profile,), of_pair, PAIR_SPREAD, engine=engine, model=model)
            ),
        )

    def _factor(self, parameter: Parameter) -> int:
        key = (parameter.engine, parameter.model, parameter.profiles[0])
        if key not in self.known:
            self.parameters.append(parameter)
            self.known[key] = len(self.parameters) - 1
        return self.known[key]

    def done(self, places: dict[str, NDArray[np.intp]], factors: NDArray[np.intp]) -> Parameters:
        """Put numbers that are not fitted behind those that are."""
        behind = len(self.parameters) - 1
        moved = {name: np.where(place < 0, behind - place, place) for name, place in places.items()}
        return Parameters(tuple(self.parameters), np.array(self.fixed), moved, factors)
