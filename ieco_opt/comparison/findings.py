"""What keeps a proposal from being launched, with all that is known of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ieco_opt.design_space.alternatives import Alternatives
from ieco_opt.design_space.limits import Limits
from ieco_opt.pareto.resident import Resident
from ieco_opt.performance.energy import Measure
from ieco_opt.performance.servers import Refusal
from ieco_opt.results.comparison import Obstacle, Reason
from ieco_opt.scenario.margin import with_error


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason against a proposal.

    Attributes
    ----------
    text, excess
        As in :class:`~ieco_opt.results.comparison.Reason`.
    field
        What says so in the scenario; empty where nothing there does.
    rule, source
        What says so of a server or of the model, with its expression and its source; empty where nothing does.
    here
        What the names of its expression stand for.
    held
        What the memory would have to hold, where it is over.
    """

    obstacle: Obstacle
    text: str
    excess: float = 0.0
    field: str = ""
    rule: str = ""
    source: str = ""
    here: str = ""
    held: Resident | None = None

    def reason(self) -> Reason:
        """What a comparison says of it."""
        return Reason(self.obstacle, self.text, self.excess)


def not_offered(text: str, field: str = "") -> Finding:
    """Something that the design space of the scenario does not have."""
    return Finding(Obstacle.NOT_OFFERED, text, field=field)


def refused(text: str, refusal: Refusal) -> Finding:
    """Something that a rule of a server refuses, in short words."""
    rule = refusal.rule
    return Finding(Obstacle.NOT_OFFERED, text, rule=str(rule), source=rule.source, here=refusal.here)


def ruled_out(text: str, rule: str, source: str) -> Finding:
    """The same of a rule that no profile has."""
    return Finding(Obstacle.NOT_OFFERED, text, rule=f"{rule} [{source}]", source=source)


def missed_limits(
    limits: Limits, alternative: Alternatives, latency: float, cost: float, batch: float
) -> Iterator[Finding]:
    """Limits that are missed, each with the figure that misses it: but for caps, with the error of the model."""
    margin = float(alternative.margin[0])
    speed, least, most = 1.0 / (latency * margin), batch / (latency * margin), batch / latency
    cost, power, error = cost * margin, float(alternative.power_kw[0]), with_error(margin)
    for missed, name, found, limit, unit in (
        (speed < limits.min_speed, "min_speed", speed, limits.min_speed, f"tokens/s{error}"),
        (cost > limits.max_cost, "max_cost", cost, limits.max_cost, f"$ per million tokens{error}"),
        (most > limits.max_throughput, "max_throughput", most, limits.max_throughput, "tokens/s"),
        (least < limits.min_throughput, "min_throughput", least, limits.min_throughput, f"tokens/s{error}"),
        (power > limits.max_power_kw, "max_power_kw", power, limits.max_power_kw, "kW"),
        *_overspent(limits, alternative, latency, batch),
        *_late(limits, alternative, latency, batch),
    ):
        if missed:
            text = f"{found:.4g} {unit} misses limits.{name} = {limit:g}"
            yield Finding(Obstacle.LIMIT, text, field=f"limits.{name}")


def _late(
    limits: Limits, alternative: Alternatives, latency: float, batch: float
) -> Iterator[tuple[bool, str, float, float, str]]:
    """Limits on the time to the first token and to the last one, likewise."""
    at, sequences, unit = np.array([latency]), np.array([batch]), f"s{with_error(float(alternative.margin[0]))}"
    for name, most, seconds in (
        ("max_time_to_first_token_s", limits.max_time_to_first_token_s, alternative.time_to_first_token_s),
        ("max_end_to_end_s", limits.max_end_to_end_s, alternative.end_to_end_s),
    ):
        if np.isfinite(most):
            found = float(alternative.at_limits(seconds(at, sequences))[0])
            yield found > most, name, found, most, unit


def _overspent(
    limits: Limits, alternative: Alternatives, latency: float, batch: float
) -> Iterator[tuple[bool, str, float, float, str]]:
    """Limits on energy and carbon, each with whether it is missed, what is taken, how much may be, and the unit."""
    margin = float(alternative.margin[0])
    for measure in (Measure.ENERGY, Measure.CARBON):
        most = limits.on(measure)
        if np.isfinite(most):
            measured = replace(alternative, measure=measure).measured(np.array([latency]), np.array([batch]))
            taken = float(measured[0]) * margin
            yield taken > most, measure.limit, taken, most, f"{measure.unit}{with_error(margin)}"
