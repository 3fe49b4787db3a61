"""Who starts a deployment, and who attains its figures: the columns ``engine``, ``engines`` and ``exchange``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ieco_opt.catalog.types import Accelerator, Model

from . import deployable, servers
from .common import Setup
from .enumeration import Deployments, OracleScenario
from .precision import Precision
from .reserve import Reserve

DEGREES = (
    *("accelerator", "weights", "kv_cache", "stage_ranks", "tensor_parallel", "tensor_layout", "pipeline_parallel"),
    *("expert_parallel", "redundant_experts", "attention_data_parallel", "batch", "draft_tokens"),
)
"""Columns of a deployment's decisions, but for who runs it and the exchange of experts."""

SETUP = (
    *("stage_ranks", "tensor_layout", "pipeline_parallel", "expert_parallel", "attention_data_parallel"),
    "redundant_experts",
)
"""Columns that make a setup, in its order."""


def attaining(table: Deployments, row: Mapping[str, Any], tolerance: float = 1e-9) -> set[tuple[str, str]]:
    """Every (engine, exchange) that runs the decisions of a row at its speed; who breaks a limit is left out."""
    same = np.isclose(table["latency_s"], row["latency_s"], rtol=tolerance, atol=0)
    for column in DEGREES:
        same &= table[column] == row[column]
    return set(zip(table["engine"][same].tolist(), table["exchange"][same].tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class Started:
    """A server that starts a deployment, how it runs it, and the bytes of a GPU that are left for a larger cache."""

    engine: str
    setup: Setup
    room_bytes: float
    pace: object
    """What else decides how quick it is; those that differ in it do not run it alike."""


def started(
    model: Model,
    draft: Model | None,
    accelerator: Accelerator,
    precision: Precision,
    setup: Setup,
    batch: int,
    full_tokens: float,
    reserve: Reserve,
    engine: servers.Engines,
    pace_of: Callable[[str], object],
) -> list[Started]:
    """Servers that start a setup with its exchange and so large a batch in their memory, preferred first."""
    at, found = (precision, np.array(float(batch)), full_tokens, accelerator), []
    for run in servers.run_as(model, accelerator, precision, setup, engine):
        if run.engine == "none" or run.exchange != setup.exchange:
            continue
        held = float(deployable.resident_bytes(model, run, *at))
        if draft is not None:
            small = servers.beside(model, draft, run)
            held = np.inf if small is None else held + float(deployable.resident_bytes(draft, small, *at))
        room = reserve.usable_bytes(accelerator) - held - reserve.reserve_bytes(model, accelerator, run)
        if room >= 0:
            found.append(Started(run.engine, run, room, pace_of(run.engine)))
    return found


def starting(scenario: OracleScenario, row: Mapping[str, Any]) -> list[Started]:
    """Servers that start a row of a scenario's deployments."""
    assert isinstance(scenario.model, Model)
    draft = scenario.draft_model if row["draft_tokens"] else None
    assert draft is None or isinstance(draft, Model)
    accelerator = next(each for each in scenario.accelerators if each.name == row["accelerator"])
    setup = Setup(*(row[name] for name in SETUP), exchange=row["exchange"])
    precision = Precision(row["weights"], row["kv_cache"])
    at = (accelerator, precision, setup, row["batch"], scenario.full_tokens)

    def pace(engine: str) -> object:
        return scenario.pace(accelerator, engine)

    return started(scenario.model, draft, *at, scenario.reserve, scenario.engine, pace)


def named(every: Sequence[Started], engine: str) -> str:
    """Server that names what the given one runs: of those that run it alike the first with the most room."""
    own = next(each for each in every if each.engine == engine)
    alike = [each for each in every if _way(each) == _way(own)]
    most = max(each.room_bytes for each in alike)
    # Rounding of bytes makes no more room.
    return next(each.engine for each in alike if each.room_bytes >= most - 1.0)


def _way(one: Started) -> tuple[object, object]:
    return servers.sharers(one.setup), one.pace
