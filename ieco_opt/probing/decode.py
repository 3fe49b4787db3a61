"""`probe --decode`: times of decode steps over batches and contexts, as rows that `calibrate` and `validate` read."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ieco_opt import catalog
from ieco_opt.catalog.types import Model
from ieco_opt.defaults import PROBE_BATCHES, PROBE_CONTEXTS, PROBE_SECONDS
from ieco_opt.errors import ScenarioError
from ieco_opt.probing.card import known_card, name_of
from ieco_opt.probing.decode_model import Layers, Weights, step_of
from ieco_opt.probing.decode_shapes import (
    LayerKind,
    fits,
    fitting_layers,
    layer_kinds,
    row_of,
    whole_step_s,
)
from ieco_opt.probing.timings import CUDA

if TYPE_CHECKING:
    import pandas as pd

    from ieco_opt.probing.devices import Machine

_SHARE_OF_FREE = 0.85
"""Part of a card's free memory that weights and cache may take; the rest is for what operations leave behind."""

_SHARE_OF_MACHINE = 0.25
"""The same of the memory of a machine whose CPU is measured."""

Doing = Callable[[str], None]


@dataclass(frozen=True)
class Decoded:
    """Measured rows, and what to know of them."""

    rows: pd.DataFrame
    notes: tuple[str, ...]


def model_named(name: str) -> Model:
    """A model of the catalog, or of a file that describes one.

    Raises
    ------
    ScenarioError
        It is neither.
    """
    found = catalog.model_from_file(Path(name)) if catalog.is_file_name(name) else catalog.model(name)
    assert isinstance(found, Model)
    return found


def decoded(
    machine: Machine,
    model: Model,
    *,
    batches: Sequence[int] = PROBE_BATCHES,
    contexts: Sequence[int] = PROBE_CONTEXTS,
    layers: int | None = None,
    accelerator: str | None = None,
    seconds: float = PROBE_SECONDS,
    doing: Doing = lambda _: None,
) -> Decoded:
    """Measure decode steps of a model of that shape on one device, with random 16-bit weights.

    Layers of each kind are measured together, as many as fit; a step without layers is subtracted, and the time of
    one layer counts for all of its kind.

    Parameters
    ----------
    layers
        At most so many layers of each kind.
    accelerator
        The catalog's card that it is; ``None``: told by the device's name.
    seconds
        What all timings take together, about.

    Raises
    ------
    ScenarioError
        The model has layers that cannot be measured, or not one of them fits.
    """
    kinds = layer_kinds(model)
    card = catalog.accelerator(accelerator) if accelerator is not None else known_card(machine.device)
    asked = list(product(batches, contexts))
    free = free_bytes(machine)
    fitting = [each for each in asked if fits(model, kinds, free, *each)]
    if not fitting:
        message = f"found {model.name}, of which not one layer fits in {free / 1e9:.3g} GB, expected a smaller one"
        raise ScenarioError.single(message, field="decode")
    counts = {kind: fitting_layers(model, kind, free, fitting, layers) for kind in kinds}
    steps = _Steps(machine, model, seconds / (len(kinds) * len(fitting) + len(batches)))
    times = _step_times(steps, counts, fitting, doing)
    import pandas as pd

    name = name_of(machine.device, card)
    rows = [row_of(model, name, *each, taken, counts) for each, taken in times.items()]
    beyond = [f"batch {each[0]} with {each[1]:,} tokens does not fit" for each in asked if each not in fitting]
    about = _about(model, card is not None, counts, name)
    return Decoded(pd.DataFrame(rows), (*dict.fromkeys([*beyond, *steps.notes]), *about))


def _step_times(
    steps: _Steps, counts: Mapping[LayerKind, int], requests: Sequence[tuple[int, int]], doing: Doing
) -> dict[tuple[int, int], float]:
    """Seconds of a step of the whole model by batch and context."""
    doing("steps without layers")
    heads = {batch: steps.taken([], batch) for batch in dict.fromkeys(batch for batch, _ in requests)}
    stacks: dict[tuple[int, int], list[tuple[int, int, float]]] = {each: [] for each in requests}
    for kind, count in counts.items():
        doing(f"{count} of {kind.layers} layers")
        made = Layers(steps.weights, steps.model, kind, count)
        for batch, context in requests:
            stacks[batch, context].append((kind.layers, count, steps.taken(made.parts(batch, context), batch)))
            _emptied(steps.machine)
        del made
        _emptied(steps.machine)
    return {(batch, context): whole_step_s(heads[batch], found) for (batch, context), found in stacks.items()}


def free_bytes(machine: Machine) -> float:
    """Memory that weights and cache may take."""
    if machine.device.kind == CUDA:
        return _SHARE_OF_FREE * float(machine.torch.cuda.mem_get_info()[0])
    return _SHARE_OF_MACHINE * machine.device.memory_bytes


class _Steps:
    """Times steps of one model; on cards in a captured graph where they can be captured."""

    def __init__(self, machine: Machine, model: Model, seconds: float) -> None:
        self.machine, self.model, self.seconds = machine, model, seconds
        self.notes: list[str] = []
        self.weights = Weights(machine)
        self.head: Any = self.weights.of(model.vocabulary, model.width)

    def taken(self, layers: list[Any], batch: int) -> float:
        step = step_of(self.weights, self.model, self.head, layers, batch)
        try:
            run = self.machine.captured(step)
        except (RuntimeError, NotImplementedError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            self.notes.append(f"steps ran without a captured graph, which is slower: {reason[:160]}")
            run = step
        return self.machine.timed(run, self.seconds)


def _emptied(machine: Machine) -> None:
    gc.collect()
    if machine.device.kind == CUDA:
        machine.torch.cuda.empty_cache()


def _about(model: Model, is_known: bool, counts: dict[LayerKind, int], accelerator: str) -> list[str]:
    lines = []
    taken = sum(counts.values())
    if taken < model.layers:
        lines.append(f"{taken} of {model.layers} layers were measured, and their time scaled to all")
    if not is_known:
        lines.append(
            f"{accelerator} is no accelerator of the catalog: `validate` and `calibrate` leave its rows out"
            " (--accelerator NAME says which it is)"
        )
    if model.name not in catalog.model_names():
        lines.append(f"{model.name} is no model of the catalog: `validate` and `calibrate` leave its rows out")
    return lines
