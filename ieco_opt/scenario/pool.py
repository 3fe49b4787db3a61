"""What a fleet says of its pools of accelerators."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import model_validator

from ieco_opt.scenario import fields
from ieco_opt.scenario.strict import Strict


class PoolPower(Strict):
    """Energy at the site of a pool."""

    usd_per_kwh: fields.EnergyRate | None = None
    """Price of energy; by default the hourly cost is that of the GPUs alone."""

    pue: fields.Effectiveness = 1.0
    """Power usage effectiveness: power of the site over that of its GPUs."""

    kg_co2_per_kwh: fields.EnergyRate | None = None
    """Carbon dioxide of the energy; by default unknown."""


class Pool(Strict):
    """Accelerators of one kind, which workloads share."""

    name: fields.Title
    """Name that workloads and results use."""

    accelerator: fields.AcceleratorReference
    """Accelerator: a name of the catalog, a file or a mapping."""

    gpus: fields.Degree
    """Capacity: GPUs that there are."""

    usd_per_gpu_hour: fields.Price | None = None
    """Price of one GPU for an hour; by default the accelerator's."""

    node_size: fields.Degree | None = None
    """GPUs of one node; by default the accelerator's."""

    rented_by: Annotated[Literal["node", "gpu"], fields.expecting("'node' or 'gpu'")] = "node"
    """Billing granularity: whether whole nodes are paid for or single GPUs."""

    power_w: fields.Limit | None = None
    """Power of one GPU; by default the accelerator's."""

    power: PoolPower | None = None
    """Price and carbon of energy at its site; by default the accelerator's."""

    max_power_kw: fields.Limit | None = None
    """Greatest power of the allocated GPUs of this pool."""

    owned_gpus: fields.Count = 0
    """GPUs of the capacity that are paid for already."""

    @model_validator(mode="after")
    def _owned_are_in_stock(self) -> Pool:
        if self.owned_gpus > self.gpus:
            raise fields.refused_at([(("owned_gpus",), self.owned_gpus, f"at most gpus, which is {self.gpus}")])
        return self
