"""Results of earlier performance models: what their rows and versions lack, before they are read.

Model 1 knew neither precisions of the cache nor what memory is made of. Model 2 asked no server. What such a file lacks
is filled in with what was the case, or with nothing where it is not known. The first scenarios of model 3 kept an
engine profile beside their servers, which stands among them now. Up to model 3 a scenario that named no calibration
profile was priced with the published constants, energy had no price, and rows did not say how far they can be trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from ieco_opt.catalog.types import Fidelity
from ieco_opt.results.comparison import Proposal
from ieco_opt.scenario.calibrations import PUBLISHED

FIRST_MODEL = 1
"""Number of the performance model of every file of format 1, which did not say it."""

_FIRST_WITH_SERVERS = 3
_LAST_UNCALIBRATED = 3

_NO_ROWS = ("scenario", "resolved", "versions", "solver")
"""Parts of a result that hold no configurations."""

_MEMORY = ("cache_tokens", "weights_gb", "cache_gb", "draft_gb", "reserve_gb", "free_gb")
_TRUSTED = ("profile", "in_range", "expected_error")
_ENERGY = ("energy_j_per_token", "energy_usd_per_mtok", "carbon_kg_per_mtok")
_ENERGY_OF_PLANS = ("energy_kw", "energy_usd_per_hour", "carbon_kg_per_hour")
_OF_SERVERS = ("engine", "engines", "exchange", "draft_mode", "draft_model")
_OF_PROPOSALS = tuple(item.name for item in fields(Proposal) if item.name in _OF_SERVERS)


def completed(values: dict[str, Any]) -> dict[str, Any]:
    """The same result in the columns of today; one of today's model as it is, so that nothing it lacks is made up."""
    number = _number_of_model(values)
    if number not in range(FIRST_MODEL, _LAST_UNCALIBRATED + 1):
        return values
    names = _draft_models(values)

    def complete(row: _Row) -> _Row:
        row = _without_memory(row) if number == 1 else row
        row = row if number == _FIRST_WITH_SERVERS else _without_servers(row, names)
        return dict.fromkeys(_TRUSTED) | _without_energy(row) if "memory_per_gpu_gb" in row else _without_energy(row)

    read = {name: part if name in _NO_ROWS else _rows(part, complete) for name, part in values.items()}
    if number == _FIRST_WITH_SERVERS:
        return read | {"scenario": _uncalibrated(_with_profiles_among_servers(values.get("scenario")))}
    versions = {"engines": {}} | values["versions"]
    return read | {"scenario": _uncalibrated(values.get("scenario")), "versions": versions}


def _number_of_model(values: Mapping[str, Any]) -> object:
    versions = values.get("versions")
    number = versions.get("model") if isinstance(versions, Mapping) else None
    # True equals 1, but is no number of a model.
    return None if isinstance(number, bool) else number


_Row = dict[str, Any]


def _with_profiles_among_servers(scenario: Any) -> Any:
    """A scenario of model 3, a deployment or a fleet, whose ``profile`` of an engine stands in ``engine``."""
    if not isinstance(scenario, dict):
        return scenario
    workloads = scenario.get("workloads")
    if isinstance(workloads, list):
        scenario = scenario | {"workloads": [_with_profiles_among_servers(each) for each in workloads]}
    profile = scenario.get("profile")
    # Every profile of an engine says which it is, and what that accepts.
    if not isinstance(profile, Mapping) or not {"engine", "accepts"} <= profile.keys():
        return scenario
    name, asked = profile["engine"], scenario.get("engine")
    listed = asked if isinstance(asked, list) else [name if asked is None else asked]
    servers = [profile if each == name else each for each in listed]
    rest = {key: each for key, each in scenario.items() if key != "profile"}
    return rest | {"engine": servers if profile in servers else [*servers, profile]}


def _uncalibrated(scenario: Any) -> Any:
    """A scenario that says that it has the published constants, where it named no profile; ``paper`` has no other."""
    if not isinstance(scenario, dict) or scenario.get("fidelity") == Fidelity.PAPER:
        return scenario
    return {"profile": PUBLISHED} | scenario


def _rows(value: Any, complete: Callable[[_Row], _Row]) -> Any:
    """Part of a result, with every mapping in it completed."""
    if isinstance(value, list):
        return [_rows(each, complete) for each in value]
    if not isinstance(value, dict):
        return value
    return complete({name: _rows(each, complete) for name, each in value.items()})


def _without_memory(row: _Row) -> _Row:
    """A row of model 1, in which caches were in 16 bits, no expert was redundant, and memory was one sum."""
    for prefix in ("", "draft_"):
        if f"{prefix}tensor_parallel" in row:
            row.setdefault(f"{prefix}redundant_experts", None if row[f"{prefix}tensor_parallel"] is None else 0)
    if "tensor_parallel" in row and "weights" in row:
        row.setdefault("kv_cache", None if row["weights"] is None else "bf16")
    return dict.fromkeys(_MEMORY) | row if "memory_per_gpu_gb" in row else row


def _without_energy(row: _Row) -> _Row:
    """A row, pool or plan of models 1 to 3, which priced no energy and served the demand as it is."""
    if "cost_cap" in row:
        return dict.fromkeys(_ENERGY) | row
    if "instance_type" in row and "memory_per_gpu_gb" in row:
        return {"energy_kw": None} | row
    if "next_cheaper" in row:
        return dict.fromkeys(_ENERGY_OF_PLANS) | {"demand_factor": 1.0} | row
    return dict.fromkeys(_ENERGY_OF_PLANS) | row if "allocated_gpus" in row else row


def _without_servers(row: _Row, draft_models: Mapping[str | None, str]) -> _Row:
    """A row of model 1 or 2, which priced no server, and whose draft tokens came from a draft model."""
    if "claimed_speed_tokens_per_s" in row:
        return dict.fromkeys(_OF_PROPOSALS) | row
    if "memory_per_gpu_gb" not in row:
        return row
    drafted: _Row = {}
    if row.get("draft_tensor_parallel") is not None:
        workload = row.get("workload")
        name = draft_models.get(workload) if isinstance(workload, str | None) else None
        drafted = {"draft_mode": "draft_model", "draft_model": name}
    return dict.fromkeys(_OF_SERVERS) | drafted | row


def _draft_models(values: Mapping[str, Any]) -> dict[str | None, str]:
    """Names of the draft models of a scenario, by workload in a fleet and under ``None`` otherwise."""
    scenario, resolved = values.get("scenario"), values.get("resolved")
    if not isinstance(scenario, Mapping):
        return {}
    workloads = scenario.get("workloads")
    asked = [(None, scenario)]
    if isinstance(workloads, list):
        asked = [(each.get("name"), each) for each in workloads if isinstance(each, Mapping)]
    return {
        workload: name
        for workload, each in asked
        if isinstance(workload, str | None) and (name := _draft_model(each, resolved)) is not None
    }


def _draft_model(asked: Mapping[str, Any], resolved: object) -> str | None:
    """Name of a draft model: its own, or that of the model of the catalog that a scenario calls by any of its names."""
    speculation = asked.get("speculation")
    reference = speculation.get("draft_model") if isinstance(speculation, Mapping) else None
    if isinstance(reference, Mapping):
        reference = reference.get("name", reference.get("like"))
    models = resolved.get("models") if isinstance(resolved, Mapping) else None
    facts = models.get(reference) if isinstance(models, Mapping) and isinstance(reference, str) else None
    name = facts.get("name", reference) if isinstance(facts, Mapping) else reference
    return name if isinstance(name, str) and name else None
