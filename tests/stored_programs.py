"""Programs small enough to solve by hand, of deployments and of fleets; their text is stored in tests/data/programs.

After a change of a program that is meant, write the files again and read what has changed::

    python tests/stored_programs.py
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from places import DATA

from ieco_opt import Scenario
from ieco_opt.design_space.alternatives import Alternatives
from ieco_opt.design_space.dominance import Cells
from ieco_opt.design_space.from_scenario import design_space_of
from ieco_opt.design_space.limits import Limits
from ieco_opt.design_space.segments import Segments, build_segments
from ieco_opt.design_space.space import DesignSpace
from ieco_opt.fleet.program.balance import build_balance_program
from ieco_opt.fleet.program.data import Family, FleetProgramData, Goal, Quantity, Requirement
from ieco_opt.fleet.program.load_program import build_load_program
from ieco_opt.fleet.program.plan import build_fleet_program
from ieco_opt.fleet.space import FleetProblem, FleetSpace, build_fleet_space
from ieco_opt.performance.energy import Measure
from ieco_opt.performance.rows import stack_rows
from ieco_opt.programs.deployment import Objective, ProgramData, build_program
from ieco_opt.programs.export import write_program
from ieco_opt.programs.naming import segment_names
from ieco_opt.scenario import load_fleet_mapping, resolve, resolve_fleet

Mapping = dict[str, Any]

FOLDER = DATA / "programs"

_NUMBER = re.compile(r"(?<![\w.])[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.])")


@dataclass(frozen=True)
class StoredProgram:
    """A program, the name of its file, and its optimum worked out by hand."""

    name: str
    build: Callable[[], Any]
    optimum: float

    @property
    def path(self) -> Path:
        """The stored file."""
        return FOLDER / f"{self.name}.lp"

    def text(self) -> str:
        """The program as LP text, numbers to 12 digits: the last ones of a logarithm may differ between machines."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "program.lp"
            write_program(self.build(), path)
            return to_12_digits(path.read_text("utf-8"))


def to_12_digits(text: str) -> str:
    """LP text whose numbers are rounded; those within names stay as they are."""
    return _NUMBER.sub(lambda match: _rounded(match[0]), text)


def _rounded(number: str) -> str:
    return f"{float(number):+.12g}" if number[0] == "+" else f"{float(number):.12g}"


def _tiny_model(name: str, layers: int, width: int) -> Mapping:
    return {
        "name": name,
        "layers": layers,
        "width": width,
        "vocabulary": 1000,
        "tied_embeddings": True,
        "attention": {"kind": "grouped_query", "query_heads": 10, "kv_heads": 10, "head_width": width // 10},
        "feed_forward": [{"layers": layers, "width": 4 * width}],
    }


TINY: Mapping = {
    "model": _tiny_model("tiny", 2, 1000),
    "weights": ["bf16"],
    "accelerators": ["H100-SXM"],
    "workload": {"context_tokens": 1000},
    "profile": "paper-constants",
    "design_space": {
        "stage_ranks": [1, 2],
        "pipeline_parallel": [1],
        "attention_data_parallel": [1],
        "batch": {"min": 1, "max": 8},
    },
}
DRAFT: Mapping = {"draft_model": _tiny_model("draft", 1, 100), "acceptance": 0.8, "max_draft_tokens": 2}
LIMITS = Limits(min_speed=100.0, max_cost=50.0, max_throughput=200_000.0, min_throughput=2000.0, max_power_kw=1.5)


def _segments(mapping: Mapping, choose: Callable[[DesignSpace], Alternatives]) -> tuple[DesignSpace, Segments]:
    """Segments of two alternatives, each on all its batches up to 8, whether or not one is dominated."""
    space = design_space_of(resolve(Scenario(**mapping)))
    chosen = choose(space)
    cells = Cells(np.arange(2), chosen.batch_step, np.array([8, 8]), chosen.batch_step)
    space = replace(space, alternatives=chosen, cells=cells)
    return space, build_segments(space)


def fastest_under_limits() -> Any:
    """One GPU or two under a server; with every limit, and both epsilons of a sweep.

    One sequence on one GPU waits 58.27 + 3.22 us for memory; two GPUs take 77.14 + 1.65 us. No limit binds. Each rank
    reads two norms of 1000 words in each of two layers: 8000 bytes take 0.00318 of these microseconds.
    """
    mapping = TINY | {"engine": "vllm"}
    space, segments = _segments(mapping, lambda space: space.families[0].alternatives(np.arange(2), 0))
    return build_program(
        ProgramData(
            alternatives=segments.alternatives,
            lo=segments.lo,
            hi=segments.hi,
            limits=LIMITS,
            objective=Objective.LATENCY,
            latency_cap_s=5e-3,
            cost_cap=30.0,
            names=segment_names(space, segments),
        )
    )


def fastest_with_an_error() -> Any:
    """The same two, where limits hold for 1.5 times the latency of the one GPU; 12,000 tokens/s are one in 83.3 us.

    61.49 us would be 92.2: too late. Two GPUs are taken as they are, at 78.79 us. That these have an error of a quarter
    in them already counts for the cap of the throughput alone: 1.25 sequences in 78.79 us are 15,866 a second.
    """

    def choose(space: DesignSpace) -> Alternatives:
        chosen = space.families[0].alternatives(np.arange(2), 0)
        return replace(chosen, margin=np.array([1.5, 1.0]), margin_within=np.array([1.0, 1.25]))

    space, segments = _segments(TINY | {"engine": "vllm"}, choose)
    return build_program(
        ProgramData(
            alternatives=segments.alternatives,
            lo=segments.lo,
            hi=segments.hi,
            limits=replace(LIMITS, min_speed=12_000.0, max_throughput=15_900.0),
            objective=Objective.LATENCY,
            names=segment_names(space, segments),
        )
    )


def cheapest_with_a_draft() -> Any:
    """One GPU that decodes plainly or verifies 2 tokens of a draft: a row for each pair of their rooflines.

    8 sequences with the draft wait longest for both memories. A pass of the model and one of the draft, which proposes
    one of the two tokens, give 9/5 tokens. They launch 8 + 4 kernels of 4 us and read, at 2.5125 TB/s, 33e6 and 2.6e5
    weights of 2 bytes, with 4000 and 200 words of norms; each sequence brings 8e6 and 4e5 bytes of cache, 2 x 42,000
    and 2100 words of activations. 48 + 26.479 us and 3.412 us a sequence, times 5/9, at $1.3/h, are 0.01494 + 8 x
    0.00068 millionths of a dollar a step, less 0.01 for each token.
    """

    def choose(space: DesignSpace) -> Alternatives:
        family, one = space.families[0], np.array([0])
        return stack_rows([family.alternatives(one, 0), family.alternatives(one, 2, one)])

    return _cheapest(*_segments(TINY | {"engine": "none", "speculation": DRAFT}, choose))


def cheapest_in_time() -> Any:
    """One GPU or two that read prompts of 1000 tokens and write 100: q = 11 and z = 0.01.

    One GPU is cheaper. Its pass launches 8 kernels of 4 us, reads 66,008,000 bytes, and for each sequence 1050 tokens
    of cache, 8000 bytes each, and 11 x 84,000 bytes: 32 + 26.2718 + 3.71104 m us at 2.5125 TB/s. Arithmetic of a prompt
    alone takes longer than its bytes: 68e6 FLOP a token, and 8000 for each of 500,000 pairs of tokens, take 104.0 us at
    692.3 TFLOP/s, with launches p = 136.0 us. With an error of a quarter the first token comes after
    1.25 (40,000 + p (1 + 0.065 m) + t) us, 50,353 with 7 sequences, and the last one 1.25 x 99 t later, at 60,778. Both
    are in time, for 50,360 and 61,000 us, and with 8 sequences neither is. $1.3/h for 84.249 us, less 0.01 for each.
    """
    mapping = TINY | {"engine": "none", "workload": {"prompt_tokens": 1000, "output_tokens": 100}}

    def choose(space: DesignSpace) -> Alternatives:
        return replace(space.families[0].alternatives(np.arange(2), 0), margin=np.array([1.25, 1.0]))

    space, segments = _segments(mapping, choose)
    return build_program(
        ProgramData(
            alternatives=segments.alternatives,
            lo=segments.lo,
            hi=segments.hi,
            limits=replace(space.limits, max_time_to_first_token_s=0.05036, max_end_to_end_s=0.061),
            objective=Objective.COST,
            reference_cost=0.01,
            names=segment_names(space, segments),
        )
    )


def cheapest_of_whole_groups() -> Any:
    """Two stages of one GPU, or two stages of two groups: batches of 2 m and of 4 m sequences, at most 8.

    The first is cheaper, with m = 4. A pass launches 8 kernels of 4 us, reads 66,008,000 bytes, moves 8,084,000 for
    each of m sequences at 2.5125 TB/s, and between the stages 2000 at 11.8 us + 20 ps a byte: 70.07 + 3.2575 m us. Two
    GPUs at $1.3/h are paid 0.0506 + 4 x 0.00235 millionths of a dollar, less 0.01 for each of 8 tokens. Four GPUs cost
    twice as much an hour, and their pass of m = 2 takes 82.72 us, as long as the 83.10 us of two.
    """
    degrees = {"stage_ranks": [1, 2], "pipeline_parallel": [2], "attention_data_parallel": [1, 2]}
    mapping = TINY | {"engine": "none", "design_space": TINY["design_space"] | degrees}
    return _cheapest(*_segments(mapping, lambda space: space.families[0].alternatives(np.array([0, 2]), 0)))


def least_energy() -> Any:
    """The fewest joules of a step, less 0.005 for each token, of one GPU or two; energy has a price, and every limit.

    8 sequences on one GPU launch 8 kernels of 4 us and read for (66.008 + 8 x 8.084) / 2.5125 = 52.0119 us. A GPU draws
    182 W all the time, and 455 W more while it reads: 0.0152902 + 0.0236654 J. Two GPUs take more.
    """
    return _frugal(Measure.ENERGY, 0.005)


def least_carbon() -> Any:
    """The same with 0.1 mg of carbon dioxide for each joule."""
    return _frugal(Measure.CARBON, 0.0005)


def _frugal(measure: Measure, reference: float) -> Any:
    site = {"usd_per_kwh": 0.1, "kg_co2_per_kwh": 0.36}
    mapping = TINY | {"engine": "none", "accelerators": [{"like": "H100-SXM", "power": site}]}

    def choose(space: DesignSpace) -> Alternatives:
        return replace(space.families[0].alternatives(np.arange(2), 0), measure=measure)

    space, segments = _segments(mapping, choose)
    return build_program(
        ProgramData(
            alternatives=segments.alternatives,
            lo=segments.lo,
            hi=segments.hi,
            limits=replace(space.limits, max_energy_j_per_token=1.0, max_carbon_kg_per_mtok=1.0),
            objective=Objective.COST,
            cost_cap=0.5,
            reference_cost=reference,
            names=segment_names(space, segments),
        )
    )


def _cheapest(space: DesignSpace, segments: Segments) -> Any:
    """One step of the iteration for the least cost, from a cent for a million tokens."""
    return build_program(
        ProgramData(
            alternatives=segments.alternatives,
            lo=segments.lo,
            hi=segments.hi,
            limits=space.limits,
            objective=Objective.COST,
            reference_cost=0.01,
            names=segment_names(space, segments),
        )
    )


def _pool(name: str, gpus: int, **fields: object) -> Mapping:
    """GPUs at $1 and 1 kW in nodes of 8."""
    pool = {"accelerator": "H100-SXM", "node_size": 8, "usd_per_gpu_hour": 1, "power_w": 1000}
    return {"name": name, "gpus": gpus} | pool | fields


def _point(gpus: int, requests: float, pool: str = "p", phase: str = "colocated", **fields: object) -> Mapping:
    return {"pool": pool, "gpus": gpus, "throughput_requests_per_s": requests, "phase": phase} | fields


def _workload(name: str, requests: float, points: Sequence[Mapping], **fields: object) -> Mapping:
    sizes = {} if "request_mix" in fields else {"prompt_tokens": 1000, "output_tokens": 100}
    workload = {"name": name, "requests_per_s": requests, "operating_points": list(points), "serving": ["colocated"]}
    return workload | sizes | fields


def _space(pools: Sequence[Mapping], workloads: Sequence[Mapping], **limits: float) -> FleetSpace:
    fleet = {"kind": "fleet", "pools": list(pools), "workloads": list(workloads), "limits": limits}
    fleet["profile"] = "paper-constants"
    return build_fleet_space(resolve_fleet(load_fleet_mapping(fleet)))


def _problem(pools: Sequence[Mapping], workloads: Sequence[Mapping], **limits: float) -> FleetProblem:
    space = _space(pools, workloads, **limits)
    return space.problem(space.columns())


def limits_and_replicas() -> Any:
    """Whole nodes, of which one is owned; two or three instances; power of the pool and every cap.

    10 requests/s are 12 + 4 or three times 4: two nodes, of which one is paid, $8/h.
    """
    pool = _pool("p", 24, owned_gpus=8, max_power_kw=20)
    chat = _workload("chat", 10, [_point(8, 12), _point(4, 4)], min_instances=2, max_instances=3)
    problem = _problem([pool], [chat], max_usd_per_hour=10, max_power_kw=18, max_gpus=16)
    return build_fleet_program(FleetProgramData(problem))


def without_earlier_plans() -> Any:
    """Two earlier plans, one on GPUs of one pool and one on those of both: what is left has none of the first.

    6 requests/s are two instances of 2 GPUs at $1, or on the other pool two of 2 at $3: $12/h.
    """
    pools = [_pool("p", 8, rented_by="gpu"), _pool("q", 8, rented_by="gpu", usd_per_gpu_hour=3)]
    chat = _workload("chat", 6, [_point(2, 3), _point(2, 3, pool="q")])
    space = _space(pools, [chat])
    space = replace(space, apart=lambda column: column.pool, excluded=(frozenset({0}), frozenset({0, 1})))
    return build_fleet_program(FleetProgramData(space.problem(space.columns())))


def step_of_a_frontier() -> Any:
    """Least GPUs under the epsilons of a sweep, of a pool rented by the GPU with a node that is not whole.

    Rests of 2 and 1 GPUs are a chain. 6 requests/s are 2 + 2 + 1: 5 GPUs.
    """
    pool = _pool("p", 10, node_size=4, rented_by="gpu")
    chat = _workload("chat", 6, [_point(2, 2.5), _point(1, 1)])
    epsilons = {Quantity.COST: 7.0, Quantity.POWER: 6.0}
    return build_fleet_program(FleetProgramData(_problem([pool], [chat]), Quantity.GPUS, epsilons))


def instances_that_share_nodes() -> Any:
    """Rests of 3 and 2 GPUs on a node of 5 and one of 3: no chain, so arcs.

    One instance of 3 and two of 2 fit as 3 + 2 and 2: $7/h.
    """
    pool = _pool("p", 8, node_size=5, rented_by="gpu")
    large, small = _workload("large", 3, [_point(3, 3)]), _workload("small", 4, [_point(2, 2)])
    return build_fleet_program(FleetProgramData(_problem([pool], [large, small])))


def either_mode() -> Any:
    """Together or disaggregated; a prefill instance far away is late with every decode instance.

    Together: 4 GPUs at $2. Apart: one GPU nearby and two, $6/h; the one far away would have made it $5/h.
    """
    pools = [_pool("far", 8, rented_by="gpu"), _pool("near", 8, rented_by="gpu", usd_per_gpu_hour=2)]
    points = [
        _point(4, 4, "near"),
        _point(1, 6, "far", "prefill"),
        _point(1, 6, "near", "prefill"),
        _point(2, 6, "near", "decode"),
    ]
    problem = _problem(pools, [_workload("chat", 4, points, serving=["colocated", "disaggregated"])])
    kinds = [(problem.pools[column.pool].name, column.phase.value) for column in problem.columns]
    late = (kinds.index(("far", "prefill")), kinds.index(("near", "decode")))
    return build_fleet_program(FleetProgramData(replace(problem, late_pairs=(late,))))


def caches_of_one_form() -> Any:
    """Servers of two kinds, whose caches are of two forms.

    The cheap GPUs of p for both phases would be $2/h, but there they run a and b: prefill on one of q for $2, decode on
    one of p for $1, both b, is less than prefill on one of p and decode on two of q, both a.
    """
    servers = {("p", "prefill"): "a", ("q", "prefill"): "b", ("p", "decode"): "b", ("q", "decode"): "a"}
    points = [_point(1 + (server == "a" and pool == "q"), 6, pool, phase) for (pool, phase), server in servers.items()]
    pools = [_pool("p", 8, rented_by="gpu"), _pool("q", 8, rented_by="gpu", usd_per_gpu_hour=2)]
    problem = _problem(pools, [_workload("chat", 4, points, serving=["disaggregated"])])
    columns = [
        replace(each, cache_form=(servers[problem.pools[each.pool].name, each.phase.value], "bf16", ""))
        for each in problem.columns
    ]
    return build_fleet_program(FleetProgramData(replace(problem, columns=tuple(columns))))


def _mixes(covered: Sequence[float | None] = (1.0, 1.0), **of_q: object) -> FleetProblem:
    """Two workloads of short and long requests; instances of one pool are good at these, of the other at those."""

    def points() -> list[Mapping]:
        served = {("p", "short"): 4, ("p", "long"): 1, ("q", "short"): 1, ("q", "long"): 4}
        return [_point(1, rate, pool, request_class=label, kind=pool) for (pool, label), rate in served.items()]

    mix = [
        {"name": "short", "share": 1, "prompt_tokens": 100, "output_tokens": 100},
        {"name": "long", "share": 1, "prompt_tokens": 10_000, "output_tokens": 100},
    ]
    of_p = {"power": {"usd_per_kwh": 1}} if of_q else {}
    pools = [_pool("p", 8, rented_by="gpu", **of_p), _pool("q", 8, rented_by="gpu", usd_per_gpu_hour=1.5, **of_q)]
    space = _space(
        pools,
        [
            _workload("sliced", 4, points(), request_mix=mix, slices=2),
            _workload("at will", 2, points(), request_mix=mix),
        ],
    )
    return space.problem(space.columns(), covered)


def mixes_of_requests() -> Any:
    """Classes share instances, in slices and at will.

    Sliced: 2 short requests/s are half an instance of p, 2 long ones half one of q: $2.50/h, where p alone needs 3.
    At will: 1 short request/s and 1 long one are 1.25 instances of p: $2/h.
    """
    return build_fleet_program(FleetProgramData(_mixes()))


def greatest_slack() -> Any:
    """Greatest multiple of a demand that is covered in either mode, for $4/h.

    Together 4 GPUs serve 5 of 4 requests/s, apart 4 by the one that decodes: 1.25.
    """
    points = [_point(4, 5), _point(1, 6, phase="prefill"), _point(2, 4, phase="decode")]
    space = _space(
        [_pool("p", 8, rented_by="gpu")], [_workload("chat", 4, points, serving=["colocated", "disaggregated"])]
    )
    problem = space.problem(space.columns(beyond=True), [None])
    return build_fleet_program(FleetProgramData(problem, Goal.SLACK, {Quantity.COST: 4.0}))


def greatest_slack_of_mixes() -> Any:
    """Greatest multiple of the mix at will beside slices that are met, for $6.50/h.

    The slices need $2.50. One of p and two of q are left for 1 short and 1 long request/s: p takes 4 short ones, q the
    rest of both, t / 4 + (t - 4) = 2: 4.8.
    """
    problem = _mixes(covered=[1.0, None])
    return build_fleet_program(FleetProgramData(problem, Goal.SLACK, {Quantity.COST: 6.5}))


def fewest_instances() -> Any:
    """Fewest instances of at most $4/h for three times 2 requests/s: one of 4 GPUs and not three of one."""
    pool = _pool("p", 8, rented_by="gpu")
    space = _space([pool], [_workload("chat", 2, [_point(4, 6), _point(1, 2)])])
    problem = space.problem(space.columns(beyond=True), [3.0])
    return build_fleet_program(FleetProgramData(problem, Quantity.INSTANCES, {Quantity.COST: 4.0}))


def any_plan() -> Any:
    """Nothing is minimised: whether there is a plan for $4/h."""
    problem = _problem([_pool("p", 8, rented_by="gpu")], [_workload("chat", 6, [_point(4, 6)])])
    return build_fleet_program(FleetProgramData(problem, Goal.ANY, {Quantity.COST: 4.0}))


def least_energy_of_a_fleet() -> Any:
    """Least energy in either mode under a cap on the cost, which includes it, and one on carbon.

    A GPU draws 0.26 kW idle and 0.65 kW busy; cooling those of q takes 20 % more. 8 requests/s and 25 % headroom are
    an instance of 4 GPUs, which serves 6.4 for 0.325 kW each, and one of q, which serves 1.6 for 0.39: 1.04 + 2.08 +
    0.624 + 0.624. Two of 4 GPUs take 4.68 kW, three of q 4.992, and apart 0.52 for prefill and 4.68 for decoding.
    """
    site = {"usd_per_kwh": 0.5, "kg_co2_per_kwh": 0.1}
    pools = [
        _pool("p", 16, rented_by="gpu", power=site),
        _pool("q", 8, rented_by="gpu", power=site | {"usd_per_kwh": None, "pue": 1.2}),
    ]
    points = [_point(4, 8), _point(2, 4, "q"), _point(1, 20, phase="prefill"), _point(6, 10, phase="decode")]
    chat = _workload("chat", 8, points, headroom=0.25, serving=["colocated", "disaggregated"])
    problem = _problem(pools, [chat], max_usd_per_hour=15, max_carbon_kg_per_hour=1)
    return build_fleet_program(FleetProgramData(problem, Quantity.ENERGY))


def least_cost_of_mixes_with_energy() -> Any:
    """Classes share instances, in slices and at will, and what they serve is paid for.

    Sliced: 2 short requests/s on p take 0.325 kW at $1, 2 long ones on q, whose GPUs draw 8 kW, 2.6 kW at $0.10. Idle
    GPUs take 0.26 and 2.08 kW: 2.5 + 0.26 + 0.208 + 0.325 + 0.26. At will: one of p and one of q, and not two of p, for
    2.968 + 0.1625 + 0.13; two of p serve both classes for 2.52 + 0.1625 + 0.65, $0.072 more.
    """
    site = {"usd_per_kwh": 0.1}
    return build_fleet_program(FleetProgramData(_mixes(power=site, power_w=8000)))


def loads_of_instances() -> Any:
    """Least energy of what one instance of each pool serves, in slices and at will, for $1/h beside the idle GPUs.

    Slices are as above: 0.325 + 2.6 kW, $0.585. At will p takes 1 short request/s and would take 0.75 of the long ones,
    0.65 kW each against 1.3 kW of q, for 0.975 kW and $0.6825; $0.2675 less are 0.51442 long ones on q, 0.334375 kW.
    """
    problem = _mixes(power={"usd_per_kwh": 0.1}, power_w=8000)
    return build_load_program(problem, dict.fromkeys(range(4), 1), Quantity.ENERGY, {Quantity.COST: 1.0})


def balanced_mix() -> Any:
    """One instance of p takes the short requests, one of q the long ones: both are half full."""
    return build_balance_program(_mixes(), [0, 1], [1, 1])


def _scarce(family: Family, pool: Mapping, **limits: float) -> Any:
    """10 requests/s, 8 by an instance, where one requirement may be violated."""
    space = _space([_pool("p", 16) | pool], [_workload("chat", 10, [_point(8, 8)])], **limits)
    which = Quantity.COST if family is Family.CAP else 0
    nodes = space.pools[0].nodes.whole
    if family is Family.CAPACITY:
        space = space.with_nodes(0, 4)
    relaxed = Requirement(family, which, nodes)
    return build_fleet_program(FleetProgramData(space.problem(space.columns()), relaxed=relaxed))


STORED = (
    StoredProgram("deployment_fastest_under_limits", fastest_under_limits, 61.4893532338),
    StoredProgram("deployment_fastest_with_an_error", fastest_with_an_error, 78.7856677364),
    StoredProgram(
        "deployment_cheapest_with_a_draft", cheapest_with_a_draft, 0.0149417677047 + 8 * (0.000684470241386 - 0.01)
    ),
    StoredProgram("deployment_cheapest_in_time", cheapest_in_time, 1.3 / 3600 * 84.2491542289 - 7 * 0.01),
    StoredProgram(
        "deployment_cheapest_of_whole_groups",
        cheapest_of_whole_groups,
        0.0506074405749 + 4 * 0.00235264787175 - 8 * 0.01,
    ),
    StoredProgram("deployment_least_energy", least_energy, 0.0152901731343 + 0.0236654328358 - 8 * 0.005),
    StoredProgram("deployment_least_carbon", least_carbon, 0.1 * (0.0152901731343 + 0.0236654328358) - 8 * 0.0005),
    StoredProgram("fleet_limits_and_replicas", limits_and_replicas, 8.0),
    StoredProgram("fleet_step_of_a_frontier", step_of_a_frontier, 5.0),
    StoredProgram("fleet_without_earlier_plans", without_earlier_plans, 12.0),
    StoredProgram("fleet_instances_that_share_nodes", instances_that_share_nodes, 7.0),
    StoredProgram("fleet_either_mode", either_mode, 6.0),
    StoredProgram("fleet_caches_of_one_form", caches_of_one_form, 3.0),
    StoredProgram("fleet_mixes_of_requests", mixes_of_requests, 4.5),
    StoredProgram("fleet_greatest_slack", greatest_slack, -1.25),
    StoredProgram("fleet_greatest_slack_of_mixes", greatest_slack_of_mixes, -4.8),
    StoredProgram("fleet_fewest_instances", fewest_instances, 1.0),
    StoredProgram("fleet_any_plan", any_plan, 0.0),
    StoredProgram("fleet_balanced_mix", balanced_mix, 0.5),
    StoredProgram("fleet_least_energy", least_energy_of_a_fleet, 4.368),
    StoredProgram("fleet_mixes_with_energy", least_cost_of_mixes_with_energy, 6.8135),
    StoredProgram("fleet_loads", loads_of_instances, 4.234375),
    # One instance serves 8 of 10 requests/s; the second needs a second node, 16 kW of 12, and $16/h of $10/h.
    StoredProgram("fleet_relaxed_demand", lambda: _scarce(Family.DEMAND, {"gpus": 8}), 0.2),
    StoredProgram("fleet_relaxed_stock", lambda: _scarce(Family.CAPACITY, {"gpus": 8}), 1.0),
    StoredProgram("fleet_relaxed_power", lambda: _scarce(Family.POOL_POWER, {"max_power_kw": 12}), 1 / 3),
    StoredProgram("fleet_relaxed_cap", lambda: _scarce(Family.CAP, {}, max_usd_per_hour=10), 0.6),
)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for file in FOLDER.glob("*.lp"):
        file.unlink()
    for stored in STORED:
        stored.path.write_text(stored.text(), "utf-8")
