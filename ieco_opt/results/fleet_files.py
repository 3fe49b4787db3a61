"""Plans of a fleet as files and as the text of files, and back from JSON with every fault collected."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ieco_opt.documents import destinations
from ieco_opt.documents.origin import found
from ieco_opt.errors import ScenarioError
from ieco_opt.results import files
from ieco_opt.results import tables as tabular
from ieco_opt.results.decoding import (
    ABOVE_ZERO,
    FORMAT_VERSION,
    FROM_ZERO,
    TEXT,
    Check,
    Decoder,
    list_of,
    mapping_to,
    one_of,
    or_null,
    parsed,
    with_infinite_options,
)
from ieco_opt.results.guarantee import Guarantee
from ieco_opt.results.plan import FleetPlan, FleetResult, InstanceRow, NodeRow, PoolSummary, WorkloadSummary
from ieco_opt.results.statistics import FleetStatistics
from ieco_opt.scenario import Fleet, load_fleet_mapping
from ieco_opt.scenario.solver_config import SolverConfig

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "ieco_opt fleet"

KINDS = files.KINDS
"""Kinds of files, which are also their endings."""

TABLES = ("instances", "nodes", "workloads", "pools", "plans")
"""Tables of a result; ``plans`` is that of a frontier's points."""

SINGLE_QUESTIONS = ("cost", "power", "gpus")
FRONTIER_QUESTIONS = ("speed", "cost_power", "cost_gpus")

_GUARANTEES = tuple(guarantee for guarantee in Guarantee if guarantee is not Guarantee.SAMPLED)
_FIELDS = (
    "format",
    "format_version",
    "question",
    "guarantee",
    "coverage",
    "stopped",
    "scenario",
    "plans",
    "versions",
    "solver",
    "statistics",
    "notes",
)


# Out


def to_json(result: FleetResult) -> str:
    """Write a result with its scenario, versions and proofs as strict JSON; what is infinite becomes null."""
    values = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "question": result.question,
        "guarantee": str(result.guarantee),
        "coverage": result.coverage,
        "stopped": result.stopped,
        "scenario": result.scenario.to_mapping(),
        "plans": [asdict(plan) for plan in result.plans],
        "versions": result.versions,
        "solver": files.solver_values(result.solver),
        "statistics": asdict(result.statistics),
        "notes": list(result.notes),
    }
    return files.json_text(values)


def to_dataframe(result: FleetResult, table: str = "instances") -> pd.DataFrame:
    """Put one of the ``TABLES`` of a result into pandas; those of a frontier begin with the number of the plan.

    Raises
    ------
    ScenarioError
        There is no such table.
    """
    if table not in TABLES:
        raise ScenarioError.single(f"found {found(table)}, expected one of {', '.join(TABLES)}", field="table")
    if table == "plans":
        columns = [item.name for item in fields(FleetPlan) if item.name not in (*TABLES, "next_cheaper")]
        frame = tabular.typed_table(FleetPlan, result.plans, columns)
        numbers = list(range(len(result.plans)))
    else:
        frame, numbers = _rows_of(result, table)
    if result.is_frontier:
        frame.insert(0, "plan", numbers)
        frame = frame.astype({"plan": "int64"})
    return frame


def _rows_of(result: FleetResult, table: str) -> tuple[pd.DataFrame, list[int]]:
    """One table of all plans together, and the number of the plan that each row is of."""
    kinds: dict[str, type] = {
        "instances": InstanceRow,
        "nodes": NodeRow,
        "workloads": WorkloadSummary,
        "pools": PoolSummary,
    }
    rows = [(number, row) for number, plan in enumerate(result.plans) for row in getattr(plan, table)]
    columns = [item.name for item in fields(kinds[table])]
    return tabular.typed_table(kinds[table], [row for _, row in rows], columns), [number for number, _ in rows]


def to_csv_text(result: FleetResult) -> str:
    """Write the table of instances (of plans, for a frontier), with every digit of every number."""
    return files.csv_text(_main_table(result))


def _main_table(result: FleetResult) -> pd.DataFrame:
    return to_dataframe(result, "plans" if result.is_frontier else "instances")


def check_ending(path: Path) -> None:
    """Refuse a file that a result could not be written to.

    Raises
    ------
    ScenarioError
        The ending is unknown, its library is missing, or there is no such folder.
    """
    files.check_ending(path)
    if destinations.kind_of(path, KINDS) != "json":
        destinations.check_folder(nodes_path(path))


def nodes_path(path: Path) -> Path:
    """File of the nodes beside that of the instances or plans: ``plan.nodes.csv`` beside ``plan.csv``."""
    return path.with_name(f"{path.stem}.nodes{path.suffix}")


def write(result: FleetResult, path: Path, kind: str | None = None) -> None:
    """Write a result: everything to one JSON file, or two tables to two files.

    Each file is written completely or not at all.

    Parameters
    ----------
    kind
        One of ``KINDS``; by default what the ending says.

    Raises
    ------
    ScenarioError
        The kind is unknown, its library is missing, or a file cannot be written.
    """
    chosen = kind or destinations.kind_of(path, KINDS)
    if chosen == "json":
        destinations.replace_file(path, to_json(result).encode())
        return
    files.write_table(_main_table(result), path, chosen)
    if path.is_file():
        # Beside a device or a pipe there is no place.
        files.write_table(to_dataframe(result, "nodes"), nodes_path(path), chosen)


# In


def read(path: Path) -> FleetResult:
    """Read a result from a JSON file.

    Raises
    ------
    ScenarioError
        The file cannot be read or is no result of a fleet.
    """
    return from_json(files.read_text(path), str(path))


def is_fleet_result(path: Path) -> bool:
    """Whether a file says that it is a result of a fleet; what cannot be read says nothing."""
    try:
        values = json.loads(files.read_text(path))
    except (ScenarioError, ValueError, RecursionError):
        return False
    return isinstance(values, dict) and values.get("format") == FORMAT


def from_json(text: str, file: str | None = None) -> FleetResult:
    """Read a result back from its JSON.

    Parameters
    ----------
    file
        Name that faults carry.

    Raises
    ------
    ScenarioError
        The text is no result of a fleet, or part of it is malformed; with every fault.
    """
    return _FleetDecoder(file).result(parsed(text, file, FORMAT))


_ABOVE_ZERO = (
    "speed_factor",
    "instances",
    "gpus",
    "node_gpus",
    "capacity_gpus",
    "capacity_requests_per_s",
    "required_requests_per_s",
    "throughput_tokens_per_s",
    "speed_tokens_per_s",
    "time_to_first_token_s",
    "latency_s",
    "tensor_parallel",
    "pipeline_parallel",
    "expert_parallel",
    "attention_data_parallel",
    "draft_tensor_parallel",
    "draft_pipeline_parallel",
    "draft_expert_parallel",
    "draft_attention_data_parallel",
    "batch",
    "memory_limit_gb",
)
_FROM_ZERO = (
    "nodes",
    "node",
    "instance",
    "usd_per_hour",
    "cost_usd_per_mtok",
    "power_kw",
    "utilization",
    "requests_per_s",
    "slack_requests_per_s",
    "allocated_gpus",
    "used_gpus",
    "draft_tokens",
    "mfu",
    "kernel_s",
    "network_s",
    "memory_s",
    "arithmetic_s",
    "memory_per_gpu_gb",
    "objective",
    "gap",
    "amount",
    "share",
    "columns",
    "columns_in_program",
    "variables",
    "constraints",
    "solves",
    "solver_seconds",
    "seconds",
)


class _FleetDecoder(Decoder):
    """Reads the plans of a fleet; a bound is a lower one here, and may be zero."""

    unbounded: ClassVar[Mapping[str, float]] = {"bound": -math.inf, "gap": math.inf}
    meanings: ClassVar[Mapping[str, Check]] = {
        **{name: Decoder.meanings[name] for name in ("tensor_layout", "draft_tensor_layout", "bottleneck", "status")},
        "phase": one_of(("colocated", "prefill", "decode")),
        "serving": one_of(("colocated", "disaggregated")),
        "rented_by": one_of(("node", "gpu")),
        **dict.fromkeys(_ABOVE_ZERO, ABOVE_ZERO),
        **dict.fromkeys(_FROM_ZERO, FROM_ZERO),
    }

    def result(self, values: dict[str, Any]) -> FleetResult:
        self.only_known(values, _FIELDS)
        question = self.value(values, "question", one_of(SINGLE_QUESTIONS + FRONTIER_QUESTIONS))
        guarantee = self.value(values, "guarantee", one_of(tuple(map(str, _GUARANTEES))))
        coverage = self.value(values, "coverage", self.coverage_of(guarantee))
        stopped = self.value(values, "stopped", or_null(TEXT) if guarantee != Guarantee.PARTIAL else TEXT)
        scenario = self.scenario(values, load_fleet_mapping)
        plans = self.records(FleetPlan, values, "plans")
        versions = self.value(values, "versions", mapping_to(TEXT))
        solver = self.record(SolverConfig, values.get("solver"), "solver")
        statistics = self.record(FleetStatistics, values.get("statistics"), "statistics")
        notes = self.value(values, "notes", list_of(TEXT))
        if not self.faults and scenario is not None:
            self._fits_together(question, guarantee, scenario, plans)
        if self.faults or scenario is None or solver is None or statistics is None:
            raise ScenarioError(self.faults)
        return FleetResult(
            scenario=scenario,
            question=question,
            guarantee=Guarantee(guarantee),
            plans=plans,
            coverage=coverage,
            stopped=stopped,
            solver=with_infinite_options(solver),
            statistics=statistics,
            versions=versions,
            notes=tuple(notes),
        )

    def _fits_together(self, question: str, guarantee: str, scenario: Fleet, plans: tuple[FleetPlan, ...]) -> None:
        """Note what contradicts something else, once every field by itself is right."""
        single = question in SINGLE_QUESTIONS
        guarantees = ("single", "partial") if single else ("covered", "complete", "partial")
        if guarantee not in guarantees:
            self.fault(
                "guarantee", f"found {found(guarantee)}, expected one of {', '.join(guarantees)} for {found(question)}"
            )
        if single and len(plans) != 1:
            self.fault("plans", f"found {len(plans)} plans, expected one for the question {found(question)}")
        known = {
            "workload": {workload.name for workload in scenario.workloads},
            "pool": {pool.name for pool in scenario.pools},
        }
        for number, plan in enumerate(plans):
            for place, row in _rows_with_places(plan):
                for field, names in known.items():
                    name = getattr(row, field, None)
                    if name is not None and name not in names:
                        message = f"found {found(name)}, expected the name of a {field} of the scenario"
                        self.fault(f"plans[{number}].{place}.{field}", message)


def _rows_with_places(plan: FleetPlan) -> Iterator[tuple[str, object]]:
    """Rows of all tables of a plan, and where each stands."""
    for table in ("instances", "nodes", "workloads", "pools"):
        for index, row in enumerate(getattr(plan, table)):
            yield f"{table}[{index}]", row
