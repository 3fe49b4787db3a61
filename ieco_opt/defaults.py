"""What can be asked, by name, and what is taken where nothing is said; whoever needs it may import it."""

from __future__ import annotations

from typing import Literal

EnergyObjective = Literal["energy", "carbon"]
"""Objectives that are about energy, of a deployment or a plan."""

ObjectiveName = Literal["fastest", "cheapest", "preferred", EnergyObjective]
"""Objectives of one deployment."""

FleetObjective = Literal["cost", "power", "gpus", EnergyObjective, "throughput"]
"""Objectives of a plan."""

Objective = Literal[ObjectiveName, FleetObjective]
"""Objectives of either."""

Against = Literal["speed", "power", "gpus", "throughput"]
"""What the cost of a fleet is traded against."""

UprightAxis = Literal["cost", "tokens_per_gpu"]
"""What the upright axis of a picture of a frontier shows."""

Differ = Literal["accelerator", "engine", "layout", "pool"]
"""What alternatives can differ in; pools are for fleets."""

DEFAULT_WITHIN, DEFAULT_COUNT = 0.02, 10
"""Share by which alternatives may be worse than the optimum, and how many are listed at most."""

DEFAULT_CONFIG = "exact"
"""Solver configuration of deployments."""

FLEET_CONFIG = "fleet"
"""Solver configuration of fleets."""

DEFAULT_DELTA = 0.05
"""Coverage of a frontier."""

COMPARED_DELTA = 0.01
"""Coverage of the exact frontier of a comparison; finer than elsewhere, since regrets are only as sharp as it is."""

DEFAULT_PREFERENCE = 3.0
"""k of speed^k / cost."""

PROBE_SECONDS = 90.0
"""What the measurements of a probe take; starting processes and making matrices takes the rest of two minutes."""

PROBE_BATCHES, PROBE_CONTEXTS = (1, 4, 16, 64), (1000, 8000)
"""Sequences in flight, and tokens in their cache, of the decode steps that a probe times."""

CALIBRATED = "calibrated"
"""Name of a calibrated profile."""

DEFAULT_MAX_SETUPS = 1_500_000
"""Setups, each server's for itself, that cost at most about a minute of CPU to price; mostly they cost some seconds."""
