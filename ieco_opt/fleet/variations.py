"""Other answers beside the plan of one workload: one thing changed, another layout, other accelerators, other speeds.

Each is solved as the question itself is; what does not change is priced once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from ieco_opt import catalog
from ieco_opt.catalog.types import Model
from ieco_opt.design_space.asking import Ask
from ieco_opt.documents.origin import Origin
from ieco_opt.errors import ScenarioError
from ieco_opt.fleet.columns import Column
from ieco_opt.fleet.plan import ROUNDING, Plan
from ieco_opt.fleet.planner import FleetPlanner
from ieco_opt.fleet.pricing import fastest_speed
from ieco_opt.fleet.program.data import Quantity
from ieco_opt.fleet.space import FleetSpace, build_fleet_space
from ieco_opt.fleet.throughput import Multiples
from ieco_opt.pareto.describe import parallelism_of
from ieco_opt.performance.serving import Phase
from ieco_opt.results.variations import SpeedPoint, Variation, VariationKind, Variations
from ieco_opt.scenario import Fleet, resolve_fleet
from ieco_opt.scenario.calibrations import AUTOMATIC, Profile, calibrated
from ieco_opt.scenario.precisions import weights_of
from ieco_opt.solvers.run import Run, Stopped

_ACCELERATORS = ("H100-SXM", "H200-SXM", "B200", "MI300X", "MI355X")
"""What others would ask for: accelerators with prices and measurements, from the most common on."""

_LONGER, _SHORTER = 4.0 / 3.0, 2.0 / 3.0
_SPEEDS = 8
_SLOWEST = 10.0
"""Points of the curve over speed, and where it begins, in tokens/s."""


@dataclass(slots=True)
class Surroundings:
    """What is asked beside one question about a fleet with one workload, and what was found so far."""

    space: FleetSpace
    run: Run
    objective: str
    beside: list[Variation] = field(default_factory=list)
    speeds: list[SpeedPoint] = field(default_factory=list)

    def look(self) -> Variations:
        """Answer all of it, as far as there is time."""
        stopped = None
        try:
            for kind, label, space in self._questions():
                self._keep(kind, label, space)
            self._look_at_layouts()
            self._look_at_speeds()
        except Stopped as stop:
            stopped = stop.reason
        return Variations(tuple(self.beside), tuple(self.speeds), stopped)

    def _questions(self) -> Iterator[tuple[VariationKind, str, FleetSpace]]:
        """One thing changed; what is refused or has no price is no question."""
        workload = self.space.resolved.workloads[0].workload
        if workload.min_speed is not None:
            asked = 1000.0 / workload.min_speed
            for other in (_rounded(_LONGER * asked), _rounded(_SHORTER * asked)):
                yield "change", f"TPOT {other:g} ms", self.space.asking({"min_speed": 1000.0 / other})
        if workload.max_time_to_first_token_s is not None:
            other = _rounded(0.5 * workload.max_time_to_first_token_s)
            yield "change", f"TTFT {other:g} s", self.space.asking({"max_time_to_first_token_s": other})
        if self.objective == "throughput":
            pool = self.space.resolved.pools[0]
            more = pool.gpus + max(pool.node_size, pool.gpus // 4 // pool.node_size * pool.node_size)
            yield (
                "change",
                f"{more} GPUs" if len(self.space.pools) == 1 else f"{more} of {pool.name}",
                (self.space.with_gpus(0, more)),
            )
        else:
            for factor in (1.25, 0.75):
                rate = workload.demand * factor
                yield "change", f"{rate:.4g} requests/s", self.space.asking({"requests_per_s": rate})
        yield from self._priced_anew()

    def _priced_anew(self) -> Iterator[tuple[VariationKind, str, FleetSpace]]:
        fleet = self.space.resolved.fleet
        for weights in lower_weights(self.space):
            space = priced_with(self.space, weights, self.run.ask)
            if space is not None:
                yield "change", f"{weights} weights", space
        if len(fleet.pools) > 1:
            return
        own = self.space.resolved.pools[0].accelerator.name
        profile = _profiles_of_others(self.space)
        for name in _ACCELERATORS:
            if name != own:
                gpus = fleet.pools[0].gpus
                # Price, power and nodes are those of the other accelerator.
                other: dict[str, object] = {"accelerator": name, "name": name.split("-")[0].lower()}
                other |= dict.fromkeys(("usd_per_gpu_hour", "node_size", "power_w"))
                if gpus % catalog.accelerator(name).node_size:
                    # So few are no whole nodes there.
                    other["rented_by"] = "gpu"
                owned = {"owned_gpus": 0} if fleet.pools[0].owned_gpus else {}
                pool = fleet.pools[0].model_copy(update=other | owned)
                changed = fleet.model_copy(update={"pools": (pool,), "objective": self.objective, "profile": profile})
                space = _priced(changed, self.run.ask)
                if space is not None:
                    yield "accelerator", f"{gpus} x {name.removesuffix('-SXM')}", space

    def _look_at_layouts(self) -> None:
        """The best with instances of each size that generate tokens, together with prefill and apart from it."""
        for serving in self.space.resolved.workloads[0].workload.serving:
            asked = self.space.asking({"serving": (serving,)})
            generating = Phase.COLOCATED if serving == "colocated" else Phase.DECODE
            columns = FleetPlanner(asked, self.run).problem(covered=[None]).columns
            for size in sorted({column.gpus for column in columns if column.phase is generating}):
                self._keep("layout", None, asked.keeping(_sized(generating, size)))

    def _look_at_speeds(self) -> None:
        """The best at speeds from slow to the fastest, for each mode."""
        fastest = fastest_speed(self.space.candidates[0])
        if not math.isfinite(fastest) or fastest <= _SLOWEST:
            return
        steps = [_SLOWEST * (fastest / _SLOWEST) ** (at / _SPEEDS) for at in range(_SPEEDS)]
        for serving in self.space.resolved.workloads[0].workload.serving:
            for speed in steps:
                found = self._best(self.space.asking({"serving": (serving,), "min_speed": speed}))
                if found is not None:
                    self.speeds.append(
                        SpeedPoint(
                            serving=serving,
                            min_speed=speed,
                            requests_per_s=served(found),
                            usd_per_hour=found.totals[Quantity.COST],
                            gpus=int(found.totals[Quantity.GPUS]),
                            layout=layout_of(self.space, found).removesuffix(" split"),
                        )
                    )

    def _best(self, space: FleetSpace) -> Plan | None:
        planner = FleetPlanner(space, self.run, bare=True)
        if self.objective != "throughput":
            return planner.best(Quantity(self.objective))
        multiples = Multiples(planner)
        most, _ = multiples.greatest()
        if most is None:
            return None
        # Of plans that serve as much some have instances that nobody needs.
        cheapest = multiples.cheapest(most.covered() * (1.0 - ROUNDING), most)
        return most if cheapest is None else replace(cheapest, minimised=most.minimised)

    def _keep(self, kind: VariationKind, label: str | None, space: FleetSpace) -> None:
        """Answer one question; a layout is named by its answer, and one that cannot serve is none."""
        found = self._best(space)
        if found is None:
            if label is not None:
                nothing = dict.fromkeys(("requests_per_s", "usd_per_hour", "gpus"))
                self.beside.append(Variation(kind=kind, label=label, proven=True, **nothing))
            return
        self.beside.append(
            Variation(
                kind=kind,
                label=label or layout_of(space, found),
                requests_per_s=served(found),
                usd_per_hour=found.totals[Quantity.COST],
                gpus=int(found.totals[Quantity.GPUS]),
                proven=found.status == "optimal",
            )
        )


def layout_of(space: FleetSpace, plan: Plan) -> str:
    """The instances that generate tokens, such as ``4 x TP8``, and the word ``split`` where prefill runs apart."""
    parts = [
        f"{count} x {_degrees(space, column)}"
        for column, count in zip(plan.problem.columns, plan.counts, strict=True)
        if count and column.phase is not Phase.PREFILL
    ]
    return " + ".join(parts) + (" split" if plan.disaggregated[0] else "")


def _degrees(space: FleetSpace, column: Column) -> str:
    if column.origin.table is None:
        return f"{column.gpus} GPUs"
    table = space.candidates[column.workload].tables[column.origin.table]
    return parallelism_of(table.setups[0].degrees, column.origin.rows[0]).short()


def _sized(generating: Phase, gpus: int) -> Callable[[Column], bool]:
    return lambda column: column.phase is not generating or column.gpus == gpus


def served(plan: Plan) -> float:
    """Requests/s that a plan serves; what was found for a given demand serves that."""
    demand = plan.problem.workloads[0]
    multiple = plan.covered() if plan.minimised not in tuple(Quantity) else 1.0
    return multiple * sum(demand.requests_per_s) / (1.0 + demand.headroom)


def lower_weights(space: FleetSpace) -> Sequence[str]:
    """The next lower precision that the accelerators compute in."""
    workload = space.resolved.workloads[0]
    if not isinstance(workload.model, Model):
        return ()
    own = weights_of(workload.workload.weights, workload.model)
    kinds = [pool.accelerator for pool in space.resolved.pools]
    ladder = ["bf16"]
    if all(kind.flops_8bit is not None for kind in kinds):
        ladder.append("fp8")
    if all(kind.flops_4bit is not None for kind in kinds):
        ladder.append("nvfp4" if all(kind.vendor == "nvidia" for kind in kinds) else "mxfp4")
    # What a checkpoint was trained in is not raised again.
    most = ladder.index(own[0]) if len(own) == 1 and own[0] in ladder else len(ladder)
    return ladder[most + 1 : most + 2]


def _profiles_of_others(space: FleetSpace) -> tuple[Profile, ...]:
    """Calibration for accelerators that a fleet does not have: each its own, unless the fleet asks for another.

    A fleet that was priced holds the profiles of its own accelerators alone, with the published constants for others.
    """
    profiles = space.resolved.fleet.profile
    _, automatic = calibrated([pool.accelerator for pool in space.resolved.pools], (AUTOMATIC,), Origin())
    return (AUTOMATIC,) if profiles == automatic else profiles


def priced_with(space: FleetSpace, weights: str, ask: Ask) -> FleetSpace | None:
    """The same fleet with other weights of its one model; ``None`` where they are refused."""
    fleet = space.resolved.fleet
    workload = fleet.workloads[0].model_copy(update={"weights": (weights,)})
    return _priced(fleet.model_copy(update={"workloads": (workload,)}), ask)


def _priced(fleet: Fleet, ask: Ask) -> FleetSpace | None:
    """A changed fleet with its prices; ``None`` where it is refused."""
    try:
        return build_fleet_space(resolve_fleet(fleet), ask)
    except ScenarioError:
        return None


def _rounded(value: float) -> float:
    """Two significant digits."""
    return float(f"{value:.2g}")
