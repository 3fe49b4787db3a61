"""The probe as a whole: what is measured, in which share of the time, and what is written of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ieco_opt import catalog
from ieco_opt.catalog.calibration import Calibration
from ieco_opt.catalog.profiles import calibration
from ieco_opt.catalog.types import Accelerator
from ieco_opt.defaults import PROBE_SECONDS
from ieco_opt.documents.yaml_document import yaml_text
from ieco_opt.probing.card import card_text, known_card, name_of
from ieco_opt.probing.prior import base_of, prior
from ieco_opt.probing.sizes import Sizes, sizes_of
from ieco_opt.probing.timings import CPU, Timings

if TYPE_CHECKING:
    from ieco_opt.probing.devices import Machine

_PRIOR = "probed"

Doing = Callable[[str], None]
"""Is told what is measured now."""


@dataclass(frozen=True)
class Probed:
    """What a probe found.

    Attributes
    ----------
    card
        The card of the catalog that was measured; ``None`` where it knows none.
    base
        The profile that the prior starts from.
    """

    timings: Timings
    card: Accelerator | None
    base: Calibration
    day: str

    @property
    def accelerator(self) -> str:
        """Name of the accelerator entry."""
        return name_of(self.timings.device, self.card)

    def card_text(self) -> str:
        """The accelerator entry as YAML."""
        return card_text(self.timings, self.card, self.day)

    def prior(self, name: str = _PRIOR) -> Calibration:
        """The profile to start from."""
        return prior(self.timings, self.card, self.base, self.accelerator, name)

    def prior_text(self, name: str = _PRIOR) -> str:
        """The same as YAML."""
        device = self.timings.device
        heading = f"# A prior, measured by ieco-opt probe on {device.words}, {self.day}; no server was measured.\n"
        mapping = self.prior(name).model_dump(mode="json", exclude_defaults=True)
        return heading + yaml_text({**mapping, "sources": mapping.pop("sources")})

    def notes(self) -> list[str]:
        """What to know of it."""
        device = self.timings.device
        lines = list(self.timings.notes)
        if device.kind == CPU:
            lines.insert(0, f"{device.name} is no accelerator: all figures are those of the CPU")
        if self.card is None:
            lines.append(
                "the catalog has no such card: price, power and links are not measured, see `sources` of the entry"
            )
        if device.count < 2:
            lines.append("one device: all-reduces were not measured")
        return lines


def probe(
    machine: Machine,
    *,
    seconds: float = PROBE_SECONDS,
    accelerator: str | None = None,
    profile: str | None = None,
    sizes: Sizes | None = None,
    doing: Doing = lambda _: None,
) -> Probed:
    """Measure a machine.

    Parameters
    ----------
    seconds
        What the measurements take together, about.
    accelerator
        The catalog's card that it is; ``None``: told by the device's name.
    profile
        The profile that the prior starts from, a name or a file; ``None``: that of the card, or of the nearest.

    Raises
    ------
    ScenarioError
        Accelerator or profile are none.
    """
    card = catalog.accelerator(accelerator) if accelerator is not None else known_card(machine.device)
    given = None if profile is None else calibration(profile)
    taken = sizes or sizes_of(machine.device.kind, machine.device.memory_bytes)
    timings = _measured(machine, taken, seconds, doing)
    day = datetime.now(UTC).date().isoformat()
    return Probed(timings, card, given or base_of(timings, card), day)


def _measured(machine: Machine, sizes: Sizes, seconds: float, doing: Doing) -> Timings:
    from ieco_opt.probing.all_reduces import measured_all_reduces
    from ieco_opt.probing.kernels import measured_copies, measured_launches, measured_matrices

    notes: list[str] = []
    ranks = max(machine.device.count - 1, 0)
    # Matrices take half of the time, or nearly all of it with one card; launches and copies are few.
    share = seconds / 2.0 if ranks else 0.9 * seconds
    doing("copies and launches")
    few = 0.1 * seconds / (len(sizes.copy_bytes) + 2)
    copies = tuple(measured_copies(machine, sizes, few))
    launch = measured_launches(machine, sizes, few)
    doing("matrices")
    matrices = tuple(measured_matrices(machine, sizes, share, notes))
    if ranks:
        doing("all-reduces")
    left = 0.4 * seconds / max(ranks * len(sizes.message_bytes), 1)
    all_reduces = measured_all_reduces(machine, sizes, left, notes)
    return Timings(machine.device, copies, matrices, launch, all_reduces, tuple(notes))
