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
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

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
    model: ConcreteModel = build_columns(data).model
    return model


def build_columns(data: ProgramData, again: Columns | None = None) -> Columns:
    """Assemble the program, and keep its variables at hand.

    Parameters
    ----------
    again
        What this gave of data of the same :func:`shape_of`, whose program is given these numbers: most of what small
        programs take is what Pyomo does for each component.
    """
    step, most = data.alternatives.batch_step, (data.hi // data.alternatives.batch_step).tolist()
    lines = latency_lines(data.alternatives, data.lo, data.hi).of_groups(step)
    rooflines = _rooflines(lines, lines.launch_and_network)
    columns = _new_columns(data, list(rooflines)) if again is None else again
    for variable, bound in zip(columns.batch.values(), most, strict=True):
        variable.setub(bound)
    define_batch_constraints(columns, data)
    define_latency_constraints(columns, rooflines)
    define_hourly_cost_constraints(columns, lines, data.alternatives)
    define_energy_constraints(columns, lines, data)
    define_epsilon_constraints(columns, data)
    define_prompt_constraints(columns, rooflines, data)
    define_limit_constraints(columns, data)
    define_objective(columns, data)
    return columns if again is columns else replace(columns, new=False)


def _new_columns(data: ProgramData, resources: list[str]) -> Columns:
    """A program of variables, and the choice among segments alone."""
    import pyomo.core as pyo

    model = pyo.ConcreteModel(name="deployment")
    names = [f"r{index}" for index in range(len(data.lo))] if data.names is None else list(data.names)
    model.segments = pyo.Set(initialize=names, ordered=True)
    # A set that is named is made once, and not again for each constraint over it.
    model.resources = pyo.Set(initialize=resources, ordered=True)
    model.choose = pyo.Var(model.segments, domain=pyo.Binary)
    model.group_batch = pyo.Var(model.segments, domain=pyo.NonNegativeIntegers, bounds=(0, None))
    model.latency_us = pyo.Var(domain=pyo.NonNegativeReals)
    define_choice_constraint(model)
    return Columns(model, dict(model.choose), dict(model.group_batch), new=True)


def shape_of(data: ProgramData) -> tuple[object, ...]:
    """What programs have in common whose components are the same, whatever their numbers are."""
    limits = (getattr(data.limits, each.name) != each.default for each in fields(data.limits))
    caps = np.isfinite(data.latency_cap_s), np.isfinite(data.cost_cap)
    drafts, names = data.alternatives.draft_share.any(), None if data.names is None else tuple(data.names)
    return len(data.lo), names, data.alternatives.measure, bool(drafts), *map(bool, caps), *limits


@dataclass(frozen=True, slots=True)
class Columns:
    """A program that is given its numbers, with the variables of its segments by name.

    ``new`` where it has no rows yet; one that is used again has them, with other numbers.
    """

    model: Any
    choose: dict[str, Any]
    batch: dict[str, Any]
    new: bool

    def put(self, name: str, rows: Any, over: Any = None) -> None:
        """Give a constraint its row, or its rows ``over`` a set, in the place of those that it has."""
        if self.new:
            import pyomo.core as pyo

            made = pyo.Constraint(expr=rows) if over is None else pyo.Constraint(over, rule=rows)
            self.model.add_component(name, made)
        elif over is None:
            self.model.component(name).set_value(rows)
        else:
            constraint = self.model.component(name)
            for index, row in rows.items():
                constraint[index].set_value(row)

    def along(self, line: Line, *less: Any) -> Any:
        """sum_r (intercept_r y_r + slope_r m_r), less some variables."""
        from pyomo.core.expr.numeric_expr import LinearExpression

        coefficients = [*line.intercept.tolist(), *line.slope.tolist(), *(-1.0 for _ in less)]
        variables = [*self.choose.values(), *self.batch.values(), *less]
        return LinearExpression(constant=0, linear_coefs=coefficients, linear_vars=variables)

    def weighted(self, weights: NDArray[Any]) -> Any:
        """sum_r weight_r m_r."""
        import pyomo.core as pyo

        return pyo.quicksum(weight * each for weight, each in zip(weights.tolist(), self.batch.values(), strict=True))

    def chosen(self, values: Array) -> Any:
        """sum_r value_r y_r."""
        import pyomo.core as pyo

        return pyo.quicksum(value * each for value, each in zip(values.tolist(), self.choose.values(), strict=True))


def define_choice_constraint(model: Any) -> None:
    """Exactly one segment: sum_r y_r = 1."""
    import pyomo.core as pyo

    model.one_segment = pyo.Constraint(expr=pyo.quicksum(model.choose.values()) == 1)


def define_batch_constraints(columns: Columns, data: ProgramData) -> None:
    """Sequences of the chosen segment only: lo_r y_r <= m_r <= hi_r y_r, with bounds in sequences of a group.

    Memory capacity of every GPU is in hi_r; so are, exactly, the limits that bound the batch.
    """
    model, step, chosen, batch = columns.model, data.alternatives.batch_step, columns.choose, columns.batch
    lo = zip(batch, (data.lo // step).tolist(), strict=True)
    hi = zip(batch, (data.hi // step).tolist(), strict=True)
    least = {name: least * chosen[name] <= batch[name] for name, least in lo}
    most = {name: batch[name] <= most * chosen[name] for name, most in hi}
    columns.put("batch_at_least", least, model.segments)
    columns.put("batch_at_most", most, model.segments)


def define_latency_constraints(columns: Columns, rooflines: Mapping[str, Line]) -> None:
    """Latency is no less than either roofline: t >= sum_r (intercept_r y_r + slope_r m_r), one row a resource.

    Where some segment speculates there is a row for each pair of a resource of the model and one of the draft.
    """
    model = columns.model
    rows = {name: line.scaled(MICRO) for name, line in rooflines.items()}
    columns.put("latency", _above(columns, rows, model.latency_us), model.resources)


def define_hourly_cost_constraints(columns: Columns, lines: LatencyLines, alternatives: Alternatives) -> None:
    """Cost of one step: z >= sum_r cost_r (intercept_r y_r + slope_r m_r), the same rows in micro-dollars.

    Where energy has a price, a busy second costs more: launches and the network count at the price of idling alone.
    """
    model = columns.model
    if columns.new:
        import pyomo.core as pyo

        model.step_cost_uusd = pyo.Var(domain=pyo.NonNegativeReals)
    cost = _per_step(lines, alternatives, Measure.COST)
    columns.put("step_cost", _above(columns, cost, model.step_cost_uusd), model.resources)


def define_energy_constraints(columns: Columns, lines: LatencyLines, data: ProgramData) -> None:
    """Energy of one step, where it matters: e >= sum_r (idle_r latency row + busy_r busy row), and e <= cap held.

    The busy row is the latency row without launches and network. Carbon likewise, in milligrams. ``held`` is the batch
    with the margin for the error of the model, as of ``define_limit_constraints``. The caps are exact through lo_r,
    since energy per token never rises with the batch; rows and caps bound it from below.
    """
    import pyomo.core as pyo

    limits, model, measures = data.limits, columns.model, counted(data.alternatives, data.limits)
    if Measure.ENERGY in measures:
        if columns.new:
            model.step_energy_j = pyo.Var(domain=pyo.NonNegativeReals)
        energy = _per_step(lines, data.alternatives, Measure.ENERGY)
        columns.put("step_energy", _above(columns, energy, model.step_energy_j), model.resources)
    if Measure.CARBON in measures:
        if columns.new:
            model.step_carbon_mg = pyo.Var(domain=pyo.NonNegativeReals)
        carbon = _per_step(lines, data.alternatives, Measure.CARBON)
        columns.put("step_carbon", _above(columns, carbon, model.step_carbon_mg), model.resources)
    if not limits.on_energy:
        return
    held = _held(data)
    if np.isfinite(limits.max_energy_j_per_token):
        cap = columns.weighted(limits.max_energy_j_per_token * held)
        columns.put("max_energy_j_per_token", model.step_energy_j <= cap)
    if np.isfinite(limits.max_carbon_kg_per_mtok):
        cap = columns.weighted(limits.max_carbon_kg_per_mtok * held)
        columns.put("max_carbon_kg_per_mtok", model.step_carbon_mg <= cap)


def define_prompt_constraints(columns: Columns, rooflines: Mapping[str, Line], data: ProgramData) -> None:
    """Time to first token and to the last one, where they are limited: one row a resource.

    sum_r M_r [(f_r + p_r + n_r intercept_r) y_r + (p_r w_r + n_r slope_r) m_r] <= cap, with f the seconds whatever the
    prompt, p those of a prompt alone, w the prompts in the way for each sequence of a group, M_r the margin for the
    error of the model, and n_r the tokens whose time counts: those of a pass, or all but one more. The caps are exact
    through hi_r, since both times rise with the batch.
    """
    model, limits, prompts, margin = columns.model, data.limits, data.alternatives.prompts, data.alternatives.margin
    if not limits.on_prompts:
        return
    alone = Line(prompts.fixed_s + prompts.prompt_s, prompts.prompt_s * prompts.in_the_way)
    first, last = prompts.tokens_per_pass, prompts.tokens_per_pass + prompts.output_tokens - 1.0

    def within(cap_s: float, tokens: Array) -> dict[str, Any]:
        return {
            resource: columns.along((alone + line.scaled(tokens)).scaled(margin * MICRO)) <= cap_s * MICRO
            for resource, line in rooflines.items()
        }

    if np.isfinite(limits.max_time_to_first_token_s):
        columns.put("max_time_to_first_token_s", within(limits.max_time_to_first_token_s, first), model.resources)
    if np.isfinite(limits.max_end_to_end_s):
        columns.put("max_end_to_end_s", within(limits.max_end_to_end_s, last), model.resources)


def define_epsilon_constraints(columns: Columns, data: ProgramData) -> None:
    """Caps of an epsilon-constraint step: t <= latency cap, z <= cost cap * b with b = sum_r step_r m_r.

    Where energy or carbon is to be least, its cap is in the place of that of the cost.
    """
    model = columns.model
    if np.isfinite(data.latency_cap_s):
        columns.put("latency_cap", model.latency_us <= data.latency_cap_s * MICRO)
    if np.isfinite(data.cost_cap):
        within = _taken(model, data) <= columns.weighted(data.cost_cap * data.alternatives.batch_step)
        if data.alternatives.measure is Measure.COST:
            columns.put("cost_cap", within)
        elif data.alternatives.measure is Measure.ENERGY:
            columns.put("energy_cap", within)
        else:
            columns.put("carbon_cap", within)


def define_limit_constraints(columns: Columns, data: ProgramData) -> None:
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
    limits, margin, model = data.limits, data.alternatives.margin, columns.model
    if limits.min_speed > 0.0:
        longest = MICRO / (margin * limits.min_speed)
        most = float(longest[0]) if (longest == longest[0]).all() else columns.chosen(longest)
        columns.put("min_speed", model.latency_us <= most)
    held = _held(data)
    if np.isfinite(limits.max_cost):
        columns.put("max_cost", model.step_cost_uusd <= columns.weighted(limits.max_cost * held))
    if limits.min_throughput > 0.0:
        columns.put("min_throughput", columns.weighted(held) >= limits.min_throughput / MICRO * model.latency_us)
    if np.isfinite(limits.max_throughput):
        nominal = columns.weighted(data.alternatives.margin_within * data.alternatives.batch_step)
        columns.put("max_throughput", nominal <= limits.max_throughput / MICRO * model.latency_us)
    if np.isfinite(limits.max_power_kw):
        columns.put("max_power_kw", columns.chosen(data.alternatives.power_kw) <= limits.max_power_kw)


def define_objective(columns: Columns, data: ProgramData) -> None:
    """Least latency, or least step cost - reference cost * tokens of one step; or energy or carbon in its place."""
    import pyomo.core as pyo

    model, expression = columns.model, columns.model.latency_us
    if data.objective is Objective.COST:
        expression = _taken(model, data) - columns.weighted(data.reference_cost * data.alternatives.batch_step)
    if columns.new:
        model.objective = pyo.Objective(sense=pyo.minimize)
    model.objective.set_value(expression)


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


def _above(columns: Columns, lines: Mapping[str, Line], variable: Any) -> dict[str, Any]:
    """A variable is no less than any of some lines, one row each."""
    return {name: columns.along(line, variable) <= 0.0 for name, line in lines.items()}


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


def _held(data: ProgramData) -> Array:
    """The step of each segment over its margin for the error of the model."""
    return 1.0 / data.alternatives.margin * data.alternatives.batch_step
