"""File format 1, as versions before 0.2 wrote it: turned into format 2 before it is read.

What was wrong in the file stays wrong, so that the reader refuses it by name. In format 1 ``tensor_parallel`` counted
all ranks of a stage, also in scenarios.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ieco_opt.errors import Fault, ScenarioError
from ieco_opt.results.earlier_models import FIRST_MODEL
from ieco_opt.results.encoding import FORMAT, FORMAT_VERSION
from ieco_opt.results.format1_comparison import upgraded_comparison
from ieco_opt.scenario import load_fleet_mapping, load_scenario_mapping
from ieco_opt.scenario.migrate import migrated_mapping
from ieco_opt.scenario.resolved import resolved_names
from ieco_opt.scenario.solver_config import SolverConfig

FORMATS_1 = ("ieco_opt result", "ieco_opt fleet", "ieco_opt explanation", "ieco_opt comparison")

_QUESTIONS: dict[object, dict[str, str]] = {
    "frontier": {"kind": "frontier"},
    **{name: {"kind": "solve", "objective": name} for name in ("fastest", "cheapest", "preferred")},
    **{name: {"kind": "plan", "objective": name} for name in ("cost", "power", "gpus")},
    "speed": {"kind": "fleet_frontier", "against": "speed"},
    "cost_power": {"kind": "fleet_frontier", "against": "power"},
    "cost_gpus": {"kind": "fleet_frontier", "against": "gpus"},
}
_BOTTLENECKS = {"kernel": "launch overhead", "arithmetic": "compute"}
_COLUMNS = {"kind": "instance_type", "stock_gpus": "capacity_gpus", "rented_gpus": "allocated_gpus"}
_REQUIREMENTS = {"stock of ": "capacity of "}
_COUNTS = {"regimes": "segments"}
_STATISTICS = {"kinds": "columns", "kinds_in_program": "columns_in_program"}


def upgraded(values: Mapping[str, Any], file: str | None) -> dict[str, Any]:
    """A result of format 1 as a mapping of format 2.

    Models and accelerators that its scenario names are those of today's catalog, since format 1 did not keep them.
    """
    left = {name: value for name, value in values.items() if name not in ("format", "format_version")}
    match values["format"]:
        case "ieco_opt explanation":
            read = _explanation(left)
        case "ieco_opt comparison":
            read = upgraded_comparison(left, _row) | {"solver": asdict(SolverConfig())}
        case _:
            read = _answer(left)
    scenario = left.pop("scenario", None)
    read["scenario"] = _migrated(scenario)
    read["resolved"] = _resolved(read["scenario"], file)
    versions = left.pop("versions", None)
    read["versions"] = versions | {"model": FIRST_MODEL} if isinstance(versions, dict) else versions
    if later := sorted(left.keys() & read.keys()):
        raise ScenarioError([Fault(file, None, name, "unknown field in file format 1") for name in later])
    return {"format": FORMAT, "format_version": FORMAT_VERSION, **read, **left}


def _answer(left: dict[str, Any]) -> dict[str, Any]:
    """The parts of a frontier, of one deployment or of plans; takes out of ``left`` what it has understood."""
    question, kind = left.pop("question", None), left.pop("claim", None)
    asked: Any = _QUESTIONS.get(question, question) if isinstance(question, str) else question
    coverage, preference = left.pop("coverage", None), left.pop("preference", None)
    if isinstance(asked, dict):
        asked = asked | ({"preference": preference} if preference is not None else {})
        asked |= {"delta": coverage} if coverage is not None else {}
    guarantee = {"kind": kind, "coverage": coverage, "stopped": left.pop("stopped", None)}
    guarantee["open_regions"] = left.pop("open_regions", [])
    read = {"question": asked, "guarantee": guarantee}
    if "deployments" in left:
        read["deployments"] = _each(left.pop("deployments"), _row)
    if "plans" in left:
        read["plans"] = _each(left.pop("plans"), _plan)
    statistics = left.get("statistics")
    if isinstance(statistics, dict):
        counts = {"counts": _renamed(left.pop("census"), _COUNTS)} if "census" in left else {}
        read["statistics"] = _renamed(left.pop("statistics"), _STATISTICS) | counts
    read["status"] = _status(guarantee, read.get("deployments", read.get("plans")))
    return read


def _explanation(left: dict[str, Any]) -> dict[str, Any]:
    feasible, chosen = left.pop("feasible", None), left.pop("chosen", None)
    left.pop("binding", None)
    kind = "single" if feasible else "none"
    question = {"kind": "explain", "objective": left.pop("objective", None), "preference": left.pop("preference", None)}
    return {
        "question": question,
        "guarantee": {"kind": kind, "coverage": None, "stopped": None, "open_regions": []},
        "status": "optimal" if feasible else "infeasible",
        "deployments": [] if chosen is None else [_row(chosen)],
        "times": _each(left.pop("times", None), _time),
        "limits": _each(left.pop("limits", None), _nested),
        "runner_ups": _each(left.pop("runner_ups", None), _nested),
        "infeasible_subset": _nested(left.pop("clash", None)),
        "solver": asdict(SolverConfig()),
        "statistics": {"seconds": left.pop("seconds", None)},
        "notes": [],
    }


def _status(guarantee: Mapping[str, Any], points: object) -> str:
    if guarantee["stopped"] is not None:
        return "stopped"
    known = [point.get("status") for point in points if isinstance(point, dict)] if isinstance(points, list) else []
    return "optimal" if known and all(status == "optimal" for status in known) else "feasible"


def _migrated(scenario: object) -> object:
    """A scenario in today's version; a wrong one as it is, since its reader says in a moment what is wrong."""
    try:
        return migrated_mapping(scenario) if isinstance(scenario, dict) else scenario
    except ScenarioError:
        return scenario


def _resolved(scenario: object, file: str | None) -> dict[str, Any]:
    try:
        if not isinstance(scenario, dict):
            raise ScenarioError([])
        load = load_fleet_mapping if scenario.get("kind") == "fleet" else load_scenario_mapping
        return asdict(resolved_names(load(scenario, file, files=False)))
    except ScenarioError:
        # The reader of the scenario says so in a moment.
        return {"models": {}, "accelerators": {}}


def _each(values: object, change: Any) -> object:
    return [change(value) for value in values] if isinstance(values, list) else values


def _renamed(values: object, names: Mapping[str, str]) -> Any:
    return {names.get(name, name): value for name, value in values.items()} if isinstance(values, dict) else values


def _plan(plan: object) -> object:
    if not isinstance(plan, dict):
        return plan
    tables = {name: _each(plan[name], _row) for name in ("instances", "nodes", "pools") if name in plan}
    relaxed = {"levels": (), "next_cheaper": _each(plan["next_cheaper"], _relaxation)} if "next_cheaper" in plan else {}
    return plan | tables | relaxed


def _relaxation(relaxation: object) -> object:
    requirement = relaxation.get("requirement") if isinstance(relaxation, dict) else None
    if not isinstance(relaxation, dict) or not isinstance(requirement, str):
        return relaxation
    for before, now in _REQUIREMENTS.items():
        requirement = now + requirement.removeprefix(before) if requirement.startswith(before) else requirement
    return relaxation | {"requirement": requirement}


def _row(row: object) -> object:
    """A row of a table with today's names and with TP as attention tensor ranks."""
    if not isinstance(row, dict):
        return row
    changed = _renamed(row, _COLUMNS)
    if isinstance(changed.get("bottleneck"), str):
        changed["bottleneck"] = _BOTTLENECKS.get(changed["bottleneck"], changed["bottleneck"])
    for prefix in ("", "draft_"):
        if f"{prefix}tensor_parallel" in changed:
            changed |= _degrees(changed, prefix)
    return changed


def _degrees(row: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    degrees = [row.get(f"{prefix}{name}_parallel") for name in ("tensor", "attention_data", "expert")]
    known = [value for value in degrees if isinstance(value, int) and not isinstance(value, bool) and value > 0]
    if len(known) < len(degrees):
        return dict.fromkeys((f"{prefix}stage_ranks", f"{prefix}expert_tensor_parallel"))
    ranks, groups, experts = known
    return {
        f"{prefix}tensor_parallel": ranks // groups,
        f"{prefix}stage_ranks": ranks,
        f"{prefix}expert_tensor_parallel": None if ranks % experts else ranks // experts,
    }


def _time(time: object) -> object:
    if not isinstance(time, dict):
        return time
    resource: Any = time.get("resource")
    return time | {"resource": _BOTTLENECKS.get(resource, resource) if isinstance(resource, str) else resource}


def _nested(value: object) -> object:
    """Deployments at any depth."""
    if isinstance(value, list):
        return [_nested(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    if "speed_tokens_per_s" in value:
        return _row(value)
    return {name: _nested(entry) for name, entry in value.items()}
