"""Measured rows as the performance model prices them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ieco_opt import catalog
from ieco_opt.calibration.measurements import Measurements
from ieco_opt.calibration.runs import run_of
from ieco_opt.catalog.calibration import Calibration
from ieco_opt.catalog.precision import KV_CACHES, KvCache, Precision, parsed, takes_cache
from ieco_opt.catalog.types import Accelerator, Model
from ieco_opt.documents.origin import found
from ieco_opt.engines.spread import ALL_GATHER, ALL_TO_ALL, EXCHANGES
from ieco_opt.errors import ScenarioError
from ieco_opt.performance.architecture import Architecture, architecture
from ieco_opt.performance.calibrated import Constants, Terms, combined, terms_of
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.degrees import Degrees
from ieco_opt.performance.pass_time import pass_time
from ieco_opt.performance.rows import stack_rows
from ieco_opt.performance.servers import EngineChoices, Server
from ieco_opt.performance.traffic import Traffic, decode_traffic
from ieco_opt.scenario.engines import profiles_of

if TYPE_CHECKING:
    import pandas as pd

ProfileOf = Callable[[Accelerator], Calibration | None]
"""Which profile an accelerator is priced with; ``None``: the published constants."""


@dataclass(frozen=True)
class Group:
    """Rows of one model, accelerator, precision and server, as positions in the table."""

    rows: NDArray[np.intp]
    model: str
    accelerator: Accelerator
    engine: str
    architecture: Architecture
    degrees: Degrees
    traffic: Traffic
    batch: Array


@dataclass(frozen=True)
class Rows:
    """Measured rows in groups that are priced together, and why others are not."""

    groups: tuple[Group, ...]
    left_out: dict[int, str]


def group_rows(measurements: Measurements) -> Rows:
    """Read each row as the setup that was measured.

    A measured batch is a mean: it is taken as it is, but at least one sequence an attention group. T is
    ``gpus_per_instance`` over the pipeline stages; sigma is T / ``tensor_parallel`` where that is above 1, else
    ``attention_data_parallel``. Rows whose prompts run on the same GPUs price them beside decoding.
    """
    table = measurements.rows
    groups: list[Group] = []
    left_out = _impossible(table)
    possible = np.setdiff1d(np.arange(len(table)), [*left_out])
    keys = ["model", "accelerator", "weights", "engine", "kv_cache", "exchange", "disaggregated"]
    for positions in table.iloc[possible].groupby(keys, sort=False).indices.values():
        rows = possible[np.asarray(positions, dtype=np.intp)]
        try:
            groups.append(_group(table.iloc[rows], rows))
        except ScenarioError as error:
            fault = error.faults[0]
            left_out |= dict.fromkeys(rows.tolist(), f"{fault.field}: {fault.message}".removeprefix(": "))
    return Rows(tuple(groups), left_out)


def _impossible(table: pd.DataFrame) -> dict[int, str]:
    """Rows whose degrees do not divide their GPUs: no server runs like that, so something was misread."""
    gpus, stages = table["gpus_per_instance"], table["pipeline_parallel"]
    ranks = gpus / stages
    faults = (
        ("gpus_per_instance", gpus % 1 != 0, "a whole number"),
        ("pipeline_parallel", ranks % 1 != 0, "a divisor of gpus_per_instance"),
        ("tensor_parallel", ranks / table["tensor_parallel"].fillna(1.0) % 1 != 0, "a divisor of the GPUs of a stage"),
        ("attention_data_parallel", ranks / table["attention_data_parallel"] % 1 != 0, "a divisor of these GPUs"),
        ("expert_parallel", table["expert_parallel"] > ranks, "at most the GPUs of a stage"),
    )
    left_out: dict[int, str] = {}
    for name, wrong, expected in faults:
        for row in np.flatnonzero(wrong).tolist():
            left_out.setdefault(row, f"{name}: found {table[name].iloc[row]:g}, expected {expected}")
    return left_out


def _group(part: pd.DataFrame, rows: NDArray[np.intp]) -> Group:
    first = part.iloc[0]
    model_name, engine, kv_cache = str(first["model"]), str(first["engine"]), str(first["kv_cache"])
    model = catalog.model(model_name)
    accelerator = catalog.accelerator(str(first["accelerator"]))
    assert isinstance(model, Model)
    run = run_of(engine, accelerator)
    precision = Precision(parsed(str(first["weights"])), _cache(kv_cache, accelerator) if kv_cache else run.kv_cache)
    shape = architecture(model, precision, accelerator)
    numbers = {name: part[name].to_numpy(dtype=float) for name in part.columns if part[name].dtype.kind in "fi"}
    degrees = _degrees(numbers)
    # Layouts of a server that is not known are taken to be vLLM's.
    servers = EngineChoices(profiles_of((run.engine or "vllm",)), model_name).servers(model, precision, accelerator)
    laid_out = _laid_out(servers[0], degrees, str(first["exchange"]))
    prompt, output = numbers["prompt_tokens"], numbers["output_tokens"]
    traffic = decode_traffic(np.ones_like(prompt), prompt, prompt + output)
    if not first["disaggregated"]:
        traffic = replace(traffic, tokens=1.0 + prompt / output, prompts=1.0 / output, prompt_tokens=prompt)
    return Group(
        rows=rows,
        model=model.name,
        accelerator=accelerator,
        engine=engine,
        architecture=shape,
        degrees=laid_out,
        traffic=traffic,
        batch=np.maximum(numbers["batch"], degrees.groups),
    )


def _cache(name: str, accelerator: Accelerator) -> KvCache:
    possible = [each for each in KV_CACHES if takes_cache(accelerator, each)]
    for each in possible:
        if each == name:
            return each
    message = f"found {found(name)}, expected one of {', '.join(possible)} on {accelerator.name}"
    raise ScenarioError.single(message, field="kv_cache")


def _degrees(numbers: dict[str, Array]) -> Degrees:
    stages = np.maximum(numbers["pipeline_parallel"], 1.0)
    ranks = numbers["gpus_per_instance"] / stages
    groups = ranks / np.where(np.isnan(numbers["tensor_parallel"]), ranks, numbers["tensor_parallel"])
    sigma = np.where(groups > 1.0, groups, np.maximum(numbers["attention_data_parallel"], 1.0))
    flat = np.zeros(len(ranks), dtype=bool)
    return Degrees.plain(ranks, stages, np.maximum(numbers["expert_parallel"], 1.0), sigma, flat, np.zeros_like(ranks))


def _laid_out(server: Server, degrees: Degrees, exchange: str) -> Degrees:
    """Degrees as the server runs them; where several groups have parallel experts, tokens go to their experts."""
    if exchange:
        if exchange not in EXCHANGES:
            raise ScenarioError.single(
                f"found {found(exchange)}, expected one of {', '.join(EXCHANGES)}", field="exchange"
            )
        said = np.full(len(degrees.stage_ranks), EXCHANGES.index(exchange))
        return server.laid_out(degrees, said)
    usual = server.usual_exchange(degrees, server.experts)
    to_all = (usual == ALL_GATHER) & (degrees.expert_parallel > 1.0)
    return server.laid_out(degrees, np.where(to_all, ALL_TO_ALL, usual))


def predicted(rows: Rows, count: int, profile_of: ProfileOf, *, by_engine: bool = True) -> Array:
    """Predicted time per output token of each row, NaN where a row is left out, shape (count,).

    ``by_engine``: with the factor of each row's server, where its profile has one.
    """
    times = np.full(count, np.nan)
    for group in rows.groups:
        calibration = profile_of(group.accelerator)
        if calibration is None:
            time = pass_time(group.architecture, group.accelerator, group.degrees, group.traffic)
        else:
            factor = calibration.layer_factor(group.engine if by_engine else None, group.model)
            terms = terms_of(group.architecture, group.accelerator, calibration, group.degrees, group.traffic)
            time = combined(terms, Constants.of(calibration, factor))
        times[group.rows] = time.latency_s(group.batch)
    return times


def stacked_terms(groups: Sequence[Group], profile_of: ProfileOf) -> tuple[Terms, NDArray[np.intp], Array]:
    """Terms of all rows in one table, with their positions and batches."""
    terms = []
    for group in groups:
        calibration = profile_of(group.accelerator)
        assert calibration is not None
        terms.append(terms_of(group.architecture, group.accelerator, calibration, group.degrees, group.traffic))
    widths = {name: max(getattr(each, name).shape[1] for each in terms) for name in _PADDED}
    collectives = widths["network_latency_s"] + widths["exchanges"]
    padded = []
    for each in terms:
        wider: dict[str, Any] = {name: _padded(getattr(each, name), width) for name, width in widths.items()}
        padded.append(replace(each, network_part=("feed_forward_allreduce_s",) * collectives, **wider))
    rows = np.concatenate([group.rows for group in groups])
    return stack_rows(padded), rows, np.concatenate([group.batch for group in groups])


_PADDED = (
    "expert_read_s",
    "expert_log_idle",
    "network_latency_s",
    "network_slope_s",
    "reducing",
    "exchanges",
    "exchange_slope_s",
)


def _padded(values: Array, width: int) -> Array:
    """Collectives and blocks of a model that has fewer than another take no time."""
    missing: list[Any] = [(0, 0)] * values.ndim
    missing[1] = (0, width - values.shape[1])
    return np.pad(values, missing)
