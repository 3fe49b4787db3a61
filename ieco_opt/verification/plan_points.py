"""Rows of a plan that come from operating points: their figures against the table of the scenario."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ieco_opt.fleet.columns import Candidates
from ieco_opt.fleet.instances import Service
from ieco_opt.results.agreement import Difference, differences, exceeds, shown
from ieco_opt.results.instances import InstanceRow
from ieco_opt.scenario import OperatingPoint, ResolvedPool
from ieco_opt.verification.plan_energy import energy_problems

_ABSENT = (
    *(
        "weights",
        "kv_cache",
        "batch",
        "draft_tokens",
        "mfu",
        "bottleneck",
        "kernel_s",
        "network_s",
        "memory_s",
        "arithmetic_s",
    ),
    *("memory_per_gpu_gb", "memory_limit_gb", "draft", "cache_tokens"),
    *("weights_gb", "cache_gb", "draft_gb", "reserve_gb", "free_gb"),
    *("profile", "in_range", "expected_error"),
)
"""Figures that an operating point does not have."""


def of_operating_points(
    candidate: Candidates, pool: int, row: InstanceRow, service: Service, resolved: ResolvedPool
) -> Iterator[str]:
    """What keeps a row from being any type that the table lists for its pool; of several, the one most like it."""
    closest: list[str] | None = None
    for group in candidate.points:
        points = [point for point, suits in group if pool in suits]
        if len(points) > 1:
            # Of a mix only the classes count that are served in time; one alone that is late is told apart.
            points = [point for point in points if _meets(point, service)]
        if not points or points[0].phase != row.phase or points[0].gpus != row.gpus:
            continue
        wrong = _wrong(candidate, points, row, resolved)
        if closest is None or len(wrong) < len(closest):
            closest = wrong
    if closest is None:
        yield f"no operating point of the scenario is like it: {row.phase} on {row.gpus} GPUs of {row.pool}"
    elif closest:
        yield f"no operating point of the scenario is like it: {'; '.join(closest)}"


def _meets(point: OperatingPoint, service: Service) -> bool:
    late = (point.time_to_first_token_s or 0.0) > service.max_time_to_first_token_s
    speed = point.speed_tokens_per_s
    slow = speed is not None and point.phase != "prefill" and 1.0 / speed > service.max_latency_s
    return not late and not slow


def _wrong(candidate: Candidates, points: Sequence[OperatingPoint], row: InstanceRow, pool: ResolvedPool) -> list[str]:
    labels = [each.label for each in candidate.classes]
    served, tokens = [], []
    for point in points:
        class_index = 0 if point.request_class is None else labels.index(point.request_class)
        request = candidate.classes[class_index]
        per_request = request.prompt_tokens if point.phase == "prefill" else request.output_tokens
        requests_per_s = point.throughput_requests_per_s
        if point.throughput_tokens_per_s is not None:
            requests_per_s = point.throughput_tokens_per_s / request.output_tokens
        served.append(requests_per_s or 0.0)
        tokens.append((requests_per_s or 0.0) * per_request)
    speeds = [point.speed_tokens_per_s for point in points if point.speed_tokens_per_s is not None]
    firsts = [point.time_to_first_token_s for point in points if point.time_to_first_token_s is not None]
    expected: dict[str, Any] = dict.fromkeys(_ABSENT) | {
        "speed_tokens_per_s": min(speeds, default=None),
        "time_to_first_token_s": None if row.phase == "decode" else max(firsts, default=None),
        "throughput_tokens_per_s": min(tokens),
    }
    found = {name: getattr(row, name) for name in expected}
    wrong = list(differences(found, expected))
    each = row.capacity_requests_per_s / row.instances
    if exceeds(each, max(served)) or exceeds(min(served), each):
        between = shown(max(served)) if len(served) == 1 else f"{shown(min(served))} to {shown(max(served))}"
        wrong.append(Difference("capacity_requests_per_s", f"{each:.12g} an instance", between))
    # An instance of which only figures are known is busy while it serves: 1 / R for a request, and for a token.
    energy = energy_problems(pool, row, [1.0 / one for one in served], 1.0 / min(tokens), min(tokens))
    return [*(str(each) for each in wrong), *energy]
