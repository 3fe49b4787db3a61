"""The mixed-integer program of one deployment, in Pyomo.

One binary per segment (a setup with its speculation and draft, on a range of batches) and one integer per segment, the
sequences m of one attention group in a micro-batch: choose one segment and its m. The batch is m times the step of the
segment (DP x PP; 1 in fidelity `paper`). Latency is the larger of its memory and arithmetic lines, and so is the
cost of one decoding step; its energy and carbon are the larger of such lines too, where they matter. Units inside the
program are microseconds, micro-dollars, tokens/s, kW, joules and milligrams, so that every coefficient lies between
about 1e-6 and 1e7; the solver's tolerances are absolute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from ieco_opt.design_space.alternatives import Alternatives
from ieco_opt.design_space.limits import Limits
from ieco_opt.design_space.segments import LatencyLines, Line, counted, latency_lines
from ieco_opt.design_space.setups import Integers
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.energy import Measure

if TYPE_CHECKING:
    from pyomo.core.base.PyomoModel import ConcreteModel

MICRO = 1e6

_STEPS = {Measure.COST: "step_cost_uusd", Measure.ENERGY: "step_energy_j", Measure.CARBON: "step_carbon_mg"}
"""Variables of what one step takes."""


class Objective(StrEnum):
    """What the program minimises."""

    LATENCY = "latency"
    COST = "cost"


@dataclass(frozen=True, slots=True)
class ProgramData:
    """What one program decides over.

    Attributes
    ----------
    alternatives, lo, hi
        One entry a segment: what it decides and the batches it ranges over, multiples of its ``batch_step``. Their
        ``measure`` (cost, energy or carbon) is what the epsilons below are of.
    limits
        Limits of the scenario.
    objective
        With ``COST`` the program minimises step cost - ``reference_cost`` * batch, whose optimum is negative
        where something cheaper than ``reference_cost`` exists (one step of Dinkelbach's iteration); or so of energy.
    latency_cap_s, cost_cap, reference_cost
        Epsilons: seconds, and $ per million tokens (energy: J per token; carbon: kg per million tokens).
    """

    alternatives: Alternatives
    lo: Integers
    hi: Integers
    limits: Limits
    objective: Objective
    latency_cap_s: float = np.inf
    cost_cap: float = np.inf
    reference_cost: float = 0.0
    names: Sequence[str] | None = None


def build_program(data: ProgramData) -> ConcreteModel:
    """Assemble the program; every component is named, so that an exported file can be read."""
    import pyomo.core as pyo

    model = pyo.ConcreteModel(name="deployment")
    names = [f"r{index}" for index in range(len(data.lo))] if data.names is None else list(data.names)
    model.segments = pyo.Set(initialize=names, ordered=True)
    model.choose = pyo.Var(model.segments, domain=pyo.Binary)
    step = data.alternatives.batch_step
    # Pyomo takes mappings as they are; of functions it asks the arguments each time, which takes longer than the rows.
    bounds = {name: (0, most) for name, most in zip(names, (data.hi // step).tolist(), strict=True)}
    model.group_batch = pyo.Var(model.segments, domain=pyo.NonNegativeIntegers, bounds=bounds)
    each = dict(zip(names, step.tolist(), strict=True))
    model.batch = pyo.Expression(expr=pyo.quicksum(each[name] * model.group_batch[name] for name in names))
    lines = latency_lines(data.alternatives, data.lo, data.hi).of_groups(step)
    rooflines = _rooflines(lines, lines.launch_and_network)
    # A set that is named is made once, and not again for each constraint over it.
    model.resources = pyo.Set(initialize=list(rooflines), ordered=True)
    model.latency_us = pyo.Var(domain=pyo.NonNegativeReals)
    model.step_cost_uusd = pyo.Var(domain=pyo.NonNegativeReals)
    define_choice_constraint(model)
    define_batch_constraints(model, names, data)
    define_latency_constraints(model, names, rooflines)
    define_hourly_cost_constraints(model, names, lines, data.alternatives)
    define_energy_constraints(model, names, lines, data)
    define_epsilon_constraints(model, data)
    define_prompt_constraints(model, names, rooflines, data)
    define_limit_constraints(model, names, data)
    define_objective(model, data)
    return model


def define_choice_constraint(model: Any) -> None:
    """Exactly one segment: sum_r y_r = 1."""
    import pyomo.core as pyo

    model.one_segment = pyo.Constraint(expr=pyo.quicksum(model.choose.values()) == 1)


def define_batch_constraints(model: Any, names: Sequence[str], data: ProgramData) -> None:
    """Sequences of the chosen segment only: lo_r y_r <= m_r <= hi_r y_r, with bounds in sequences of a group.

    Memory capacity of every GPU is in hi_r; so are, exactly, the limits that bound the batch.
    """
    import pyomo.core as pyo

    step = data.alternatives.batch_step
    lo = dict(zip(names, (data.lo // step).tolist(), strict=True))
    hi = dict(zip(names, (data.hi // step).tolist(), strict=True))
    chosen, batch = dict(model.choose), dict(model.group_batch)
    least = {name: lo[name] * chosen[name] <= batch[name] for name in names}
    most = {name: batch[name] <= hi[name] * chosen[name] for name in names}
    model.batch_at_least = pyo.Constraint(model.segments, rule=least)
    model.batch_at_most = pyo.Constraint(model.segments, rule=most)


def define_latency_constraints(model: Any, names: Sequence[str], rooflines: Mapping[str, Line]) -> None:
    """Latency is no less than either roofline: t >= sum_r (intercept_r y_r + slope_r m_r), one row a resource.

    Where some segment speculates there is a row for each pair of a resource of the model and one of the draft.
    """
    import pyomo.core as pyo

    rows = {name: model.latency_us >= _along(model, names, line.scaled(MICRO)) for name, line in rooflines.items()}
    model.latency = pyo.Constraint(model.resources, rule=rows)


def define_hourly_cost_constraints(
    model: Any, names: Sequence[str], lines: LatencyLines, alternatives: Alternatives
) -> None:
    """Cost of one step: z >= sum_r cost_r (intercept_r y_r + slope_r m_r), the same rows in micro-dollars.

    Where energy has a price, a busy second costs more: launches and the network count at the price of idling alone.
    """
    import pyomo.core as pyo

    cost = _per_step(lines, alternatives, Measure.COST)
    rows = {name: model.step_cost_uusd >= _along(model, names, line) for name, line in cost.items()}
    model.step_cost = pyo.Constraint(model.resources, rule=rows)


def define_energy_constraints(model: Any, names: Sequence[str], lines: LatencyLines, data: ProgramData) -> None:
    """Energy of one step, where it matters: e >= sum_r (idle_r latency row + busy_r busy row), and e <= cap held.

    The busy row is the latency row without launches and network. Carbon likewise, in milligrams. ``held`` is the batch
    with the margin for the error of the model, as of ``define_limit_constraints``. The caps are exact through lo_r,
    since energy per token never rises with the batch; rows and caps bound it from below.
    """
    import pyomo.core as pyo

    limits, measures = data.limits, counted(data.alternatives, data.limits)
    if Measure.ENERGY in measures:
        energy = _per_step(lines, data.alternatives, Measure.ENERGY)
        model.step_energy_j = pyo.Var(domain=pyo.NonNegativeReals)
        rows = {name: model.step_energy_j >= _along(model, names, line) for name, line in energy.items()}
        model.step_energy = pyo.Constraint(model.resources, rule=rows)
    if Measure.CARBON in measures:
        carbon = _per_step(lines, data.alternatives, Measure.CARBON)
        model.step_carbon_mg = pyo.Var(domain=pyo.NonNegativeReals)
        rows = {name: model.step_carbon_mg >= _along(model, names, line) for name, line in carbon.items()}
        model.step_carbon = pyo.Constraint(model.resources, rule=rows)
    if not limits.on_energy:
        return
    held = _batch_times(model, names, data, 1.0 / data.alternatives.margin)
    if np.isfinite(limits.max_energy_j_per_token):
        cap = limits.max_energy_j_per_token * held
        model.max_energy_j_per_token = pyo.Constraint(expr=model.step_energy_j <= cap)
    if np.isfinite(limits.max_carbon_kg_per_mtok):
        cap = limits.max_carbon_kg_per_mtok * held
        model.max_carbon_kg_per_mtok = pyo.Constraint(expr=model.step_carbon_mg <= cap)


def define_prompt_constraints(
    model: Any, names: Sequence[str], rooflines: Mapping[str, Line], data: ProgramData
) -> None:
    """Time to first token and to the last one, where they are limited: one row a resource.

    sum_r M_r [(f_r + p_r + n_r intercept_r) y_r + (p_r w_r + n_r slope_r) m_r] <= cap, with f the seconds whatever the
    prompt, p those of a prompt alone, w the prompts in the way for each sequence of a group, M_r the margin for the
    error of the model, and n_r the tokens whose time counts: those of a pass, or all but one more. The caps are exact
    through hi_r, since both times rise with the batch.
    """
    import pyomo.core as pyo

    limits, prompts, margin = data.limits, data.alternatives.prompts, data.alternatives.margin
    if not limits.on_prompts:
        return
    alone = Line(prompts.fixed_s + prompts.prompt_s, prompts.prompt_s * prompts.in_the_way)
    first, last = prompts.tokens_per_pass, prompts.tokens_per_pass + prompts.output_tokens - 1.0

    def within(cap_s: float, tokens: Array) -> dict[str, Any]:
        return {
            resource: _along(model, names, (alone + line.scaled(tokens)).scaled(margin * MICRO)) <= cap_s * MICRO
            for resource, line in rooflines.items()
        }

    if np.isfinite(limits.max_time_to_first_token_s):
        rows = within(limits.max_time_to_first_token_s, first)
        model.max_time_to_first_token_s = pyo.Constraint(model.resources, rule=rows)
    if np.isfinite(limits.max_end_to_end_s):
        model.max_end_to_end_s = pyo.Constraint(model.resources, rule=within(limits.max_end_to_end_s, last))


def define_epsilon_constraints(model: Any, data: ProgramData) -> None:
    """Caps of an epsilon-constraint step: t <= latency cap, z <= cost cap * b with b = sum_r step_r m_r.

    Where energy or carbon is to be least, its cap is in the place of that of the cost.
    """
    import pyomo.core as pyo

    if np.isfinite(data.latency_cap_s):
        model.latency_cap = pyo.Constraint(expr=model.latency_us <= data.latency_cap_s * MICRO)
    if np.isfinite(data.cost_cap):
        within = _taken(model, data) <= data.cost_cap * model.batch
        if data.alternatives.measure is Measure.COST:
            model.cost_cap = pyo.Constraint(expr=within)
        elif data.alternatives.measure is Measure.ENERGY:
            model.energy_cap = pyo.Constraint(expr=within)
        else:
            model.carbon_cap = pyo.Constraint(expr=within)


def define_limit_constraints(model: Any, names: Sequence[str], data: ProgramData) -> None:
    """Limits of the scenario, as rows.

    With M_r = 1 + e the margin of a segment for the error of the model (1 without one),
    speed: t <= sum_r y_r / (M_r min_speed); cost: z <= max_cost sum_r (step_r / M_r) m_r;
    throughput: sum_r (step_r / M_r) m_r >= floor t and b <= cap t with b = sum_r step_r m_r;
    power: sum_r power_r y_r <= cap. M_r never depends on the batch and only the chosen segment has y_r and m_r, so
    each row says of it what the limit says. In the program of the pessimistic end t and z have the margin in them:
    there M_r = 1, and the cap of the throughput, which is nominal, is sum_r (1 + e_r) step_r m_r <= cap t.
    The throughput cap is exact only through hi_r, since t may exceed the latency of the chosen segment; the row is
    implied there and kept for readers of the program.
    """
    import pyomo.core as pyo

    limits, margin = data.limits, data.alternatives.margin
    if limits.min_speed > 0.0:
        longest = _of_the_chosen(model, names, MICRO / (margin * limits.min_speed))
        model.min_speed = pyo.Constraint(expr=model.latency_us <= longest)
    held = _batch_times(model, names, data, 1.0 / margin)
    if np.isfinite(limits.max_cost):
        model.max_cost = pyo.Constraint(expr=model.step_cost_uusd <= limits.max_cost * held)
    if limits.min_throughput > 0.0:
        model.min_throughput = pyo.Constraint(expr=held >= limits.min_throughput / MICRO * model.latency_us)
    if np.isfinite(limits.max_throughput):
        nominal = _batch_times(model, names, data, data.alternatives.margin_within)
        model.max_throughput = pyo.Constraint(expr=nominal <= limits.max_throughput / MICRO * model.latency_us)
    if np.isfinite(limits.max_power_kw):
        power = dict(zip(names, data.alternatives.power_kw.tolist(), strict=True))
        model.max_power_kw = pyo.Constraint(
            expr=pyo.quicksum(power[name] * model.choose[name] for name in names) <= limits.max_power_kw
        )


def define_objective(model: Any, data: ProgramData) -> None:
    """Least latency, or least step cost - reference cost * tokens of one step; or energy or carbon in its place."""
    import pyomo.core as pyo

    if data.objective is Objective.LATENCY:
        expression = model.latency_us
    else:
        expression = _taken(model, data) - data.reference_cost * model.batch
    model.objective = pyo.Objective(expr=expression, sense=pyo.minimize)


@dataclass(frozen=True, slots=True)
class Decision:
    """The segment that a solved program chose, as a position in its data, and its batch."""

    position: int
    batch: int


def read_decision(model: Any, steps: Integers) -> Decision:
    """Round the chosen segment and its batch from a model whose variables hold a solution.

    Parameters
    ----------
    steps
        What a batch of each segment is a multiple of.
    """
    chosen = [(name.value or 0.0) for name in model.choose.values()]
    position = int(np.argmax(chosen))
    groups = list(model.group_batch.values())[position].value or 0.0
    return Decision(position, round(groups) * int(steps[position]))


def _taken(model: Any, data: ProgramData) -> Any:
    """Variable of what one step takes of the measure."""
    return getattr(model, _STEPS[data.alternatives.measure])


def _per_step(lines: LatencyLines, alternatives: Alternatives, measure: Measure) -> dict[str, Line]:
    """What one step takes if each resource were the slower one, by its name, in the units of the program."""
    rate, busy_rate = alternatives.rates(measure)
    unit = 1.0 if measure is Measure.ENERGY else MICRO
    rows = {name: line.scaled(rate * unit) for name, line in _rooflines(lines, lines.launch_and_network).items()}
    if not busy_rate.any():
        return rows
    busy = _rooflines(lines, lines.apart)
    return {name: line + busy[name].scaled(busy_rate * unit) for name, line in rows.items()}


def _rooflines(lines: LatencyLines, base: Line) -> dict[str, Line]:
    """Latency, or busy time with another ``base``, if each resource were the slower one, by name of the resource."""
    model = {"memory": lines.memory, "arithmetic": lines.arithmetic}
    draft = {"draft_memory": lines.draft_memory, "draft_arithmetic": lines.draft_arithmetic}
    if not any(line.intercept.any() or line.slope.any() for line in draft.values()):
        return {name: base + line for name, line in model.items()}
    return {
        f"{name}_and_{draft_name}": base + line + draft_line
        for name, line in model.items()
        for draft_name, draft_line in draft.items()
    }


def _of_the_chosen(model: Any, names: Sequence[str], values: Array) -> Any:
    """sum_r value_r y_r, which is the value itself where all segments have the same."""
    if (values == values[0]).all():
        return float(values[0])
    import pyomo.core as pyo

    return pyo.quicksum(value * model.choose[name] for name, value in zip(names, values.tolist(), strict=True))


def _batch_times(model: Any, names: Sequence[str], data: ProgramData, factors: Array) -> Any:
    """sum_r factor_r step_r m_r: the batch times the factor of the chosen segment."""
    if (factors == 1.0).all():
        return model.batch
    import pyomo.core as pyo

    each = (factors * data.alternatives.batch_step).tolist()
    return pyo.quicksum(weight * model.group_batch[name] for name, weight in zip(names, each, strict=True))


def _along(model: Any, names: Sequence[str], line: Line) -> Any:
    """sum_r (intercept_r y_r + slope_r m_r)."""
    from pyomo.core.expr.numeric_expr import LinearExpression

    coefficients = [*line.intercept.tolist(), *line.slope.tolist()]
    variables = [model.choose[name] for name in names] + [model.group_batch[name] for name in names]
    return LinearExpression(constant=0, linear_coefs=coefficients, linear_vars=variables)
