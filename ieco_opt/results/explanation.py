"""An explanation: what decides the best deployment, or which limits infeasible_subset."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ieco_opt.results.deployment import Deployment
from ieco_opt.scenario import Scenario

FORMAT = "ieco_opt explanation"
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class TimeShare:
    """One of the four times of the model's pass, or of the draft model's.

    Attributes
    ----------
    part
        ``model`` or ``draft``.
    resource
        ``kernel``, ``network``, ``memory`` or ``arithmetic``.
    seconds
        Per generated token.
    share
        Of the latency; what is hidden has a share too, but the latency does not contain it.
    hidden
        Whether the time goes on behind a longer one: the lesser of memory and arithmetic.
    """

    part: str
    resource: str
    seconds: float
    share: float
    hidden: bool


@dataclass(frozen=True, slots=True)
class Loosened:
    """The optimum under a limit that is looser than the scenario's, found by solving again.

    Attributes
    ----------
    value
        The limit's new value; ``None`` where it is removed.
    gain
        How much faster, cheaper or (`preferred`) higher in speed^k / cost the optimum is, as a share.
    """

    value: float | None
    deployment: Deployment
    gain: float


@dataclass(frozen=True, slots=True)
class LimitEffect:
    """What one limit of the scenario does to the optimum.

    Attributes
    ----------
    limit
        Field of the scenario.
    value
        What the scenario says; for a list of batches the list.
    binds
        Whether the optimum is better without it.
    step
        The unit by which it was relaxed, in words; ``None`` where there is none (a list of batches).
    relaxed, removed
        The optimum with the limit relaxed by one unit, and without it; ``None`` where it does not bind, since then
        neither changes anything.
    improves_from
        The value nearest to the scenario's at which the optimum is faster (or cheaper) than now; ``None`` where the
        limit does not bind, for a list of batches, and for `preferred`.
    """

    limit: str
    value: float | tuple[int, ...]
    unit: str
    binds: bool
    step: str | None
    relaxed: Loosened | None
    removed: Loosened | None
    improves_from: float | None


@dataclass(frozen=True, slots=True)
class RunnerUp:
    """The best deployment whose setup is that of none before it.

    ``loss`` is how much slower, more expensive or lower in speed^k / cost it is than the winner, as a share of the
    winner's.
    """

    deployment: Deployment
    loss: float


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one limit.

    Attributes
    ----------
    limit
        Field of the scenario.
    value
        What the scenario says; for a list of batches the list.
    needed
        The value nearest to it that makes the scenario feasible (within 1e-12, so that rounding cannot spoil it), for
        a list of batches the one to add; ``None`` where no value of this limit alone does.
    deployment
        The best deployment by the objective once the change is made.
    """

    limit: str
    value: float | tuple[int, ...]
    unit: str
    needed: float | None
    deployment: Deployment | None


@dataclass(frozen=True, slots=True)
class InfeasibleSubset:
    """Why a scenario is infeasible.

    Attributes
    ----------
    members
        Limits that no deployment meets together, though without any one of them some would: each with the least
        change of it alone, the other limits of the scenario unchanged, that makes the scenario feasible.
    together
        Where no single limit helps: the fewest limits that do, loosened by the same share, the least one.
    rejected
        Where nothing exists even with every limit removed, and ``members`` is empty: setups by the reason why not.
    """

    members: tuple[Change, ...]
    together: tuple[Change, ...]
    rejected: dict[str, int]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What decides the answer to a scenario.

    Attributes
    ----------
    chosen, times, limits, runner_ups
        Of a feasible scenario: the best deployment, where its time goes, what each limit costs and who comes next.
    binding_together
        Where no limit binds alone but some do together: the fewest whose removal changes the optimum.
    infeasible_subset
        Of an infeasible scenario; ``None`` where it is feasible.
    confirmed
        Whether the solver finished and found the same; false where a limit stopped it, ``None`` where the scenario is
        infeasible and nothing is left to solve.
    """

    scenario: Scenario
    objective: str
    preference: float | None
    chosen: Deployment | None
    times: tuple[TimeShare, ...]
    limits: tuple[LimitEffect, ...]
    binding_together: tuple[str, ...]
    runner_ups: tuple[RunnerUp, ...]
    infeasible_subset: InfeasibleSubset | None
    confirmed: bool | None
    versions: dict[str, str]
    seconds: float

    @property
    def feasible(self) -> bool:
        """Whether any deployment meets the limits."""
        return self.infeasible_subset is None

    @property
    def binding(self) -> tuple[str, ...]:
        """Fields of the limits that bind."""
        return tuple(effect.limit for effect in self.limits if effect.binds)

    def to_json(self, path: str | Path | None = None) -> str:
        """Write the explanation with its scenario and versions; also returns the text.

        Raises
        ------
        ScenarioError
            The file cannot be written.
        """
        values = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "objective": self.objective,
            "preference": self.preference,
            "feasible": self.feasible,
            "scenario": self.scenario.to_mapping(),
            "chosen": _plain(self.chosen),
            "times": _plain(self.times),
            "limits": _plain(self.limits),
            "binding": self.binding,
            "binding_together": self.binding_together,
            "runner_ups": _plain(self.runner_ups),
            "infeasible_subset": _plain(self.infeasible_subset),
            "confirmed": self.confirmed,
            "versions": self.versions,
            "seconds": self.seconds,
        }
        text = json.dumps(_finite(values), indent=2, allow_nan=False) + "\n"
        if path is not None:
            from ieco_opt.documents.destinations import replace_file

            replace_file(Path(path), text.encode())
        return text


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [asdict(item) for item in value]
    return None if value is None else asdict(value)


def _finite(value: Any) -> Any:
    """Replace infinity and what is no number, at any depth, by what JSON has for them."""
    if isinstance(value, dict):
        return {name: _finite(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
