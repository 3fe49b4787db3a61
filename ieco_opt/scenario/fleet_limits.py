"""What a fleet says of all its pools together."""

from __future__ import annotations

from ieco_opt.scenario import fields
from ieco_opt.scenario.strict import LimitsForAll


class FleetLimits(LimitsForAll):
    """Caps on what all pools together allocate and draw; a field left out is no limit."""

    max_usd_per_hour: fields.Budget | None = None
    """Greatest hourly cost, in $/h; with 0 only GPUs that cost nothing are used."""

    max_power_kw: fields.Limit | None = None
    """Greatest power of the allocated GPUs."""

    max_gpus: fields.Degree | None = None
    """Most allocated GPUs."""

    max_energy_kw: fields.Limit | None = None
    """Greatest mean power that is drawn, with what cooling and supply take."""

    max_carbon_kg_per_hour: fields.Limit | None = None
    """Most carbon dioxide of the energy of an hour."""
