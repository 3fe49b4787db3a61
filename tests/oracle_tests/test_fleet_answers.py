"""The most that a fleet serves, and fleets whose energy matters: by hand."""

from __future__ import annotations

from typing import Any

import pytest
from oracle.fleet_answers import answer
from random_fleets import numbered_asked_fleet

Mapping = dict[str, Any]


def pool(**changes: Any) -> Mapping:
    """12 GPUs of 1 kW at $1, rented one by one."""
    given = {"name": "p", "gpus": 12, "accelerator": "H100-SXM", "node_size": 12, "usd_per_gpu_hour": 1}
    return given | {"power_w": 1000, "rented_by": "gpu"} | changes


def point(gpus: int, requests: float, **changes: Any) -> Mapping:
    return {"pool": "p", "gpus": gpus, "throughput_requests_per_s": requests} | changes


def fleet(points: list[Mapping], objective: str, rate: float | None = 12, **changes: Any) -> Mapping:
    work: Mapping = {"name": "w", "prompt_tokens": 1000, "output_tokens": 100, "serving": ["colocated"]}
    work |= {"operating_points": points} | ({} if rate is None else {"requests_per_s": rate})
    given = {"kind": "fleet", "pools": [pool()], "workloads": [work], "profile": "paper-constants"}
    return given | {"objective": objective} | changes


def reached(mapping: Mapping) -> tuple[float, float] | None:
    found = answer(mapping)
    return None if found is None else (found.objective, found.usd_per_hour)


def test_the_most_that_is_served() -> None:
    points = [point(4, 8), point(6, 13)]
    # Two instances of 6 GPUs serve 26 requests/s, and three of 4 serve 24.
    assert reached(fleet(points, "throughput")) == pytest.approx((26 / 12, 12))
    assert reached(fleet(points, "throughput", rate=None)) == pytest.approx((26, 12))
    # With 10 GPUs, one of each; with 9, two of 4.
    assert reached(fleet(points, "throughput", limits={"max_gpus": 10})) == pytest.approx((21 / 12, 10))
    assert reached(fleet(points, "throughput", limits={"max_usd_per_hour": 9})) == pytest.approx((16 / 12, 8))
    assert reached(fleet(points, "throughput", limits={"max_gpus": 3})) is None
    # Of plans that serve as much, the cheaper.
    assert reached(fleet([point(4, 8), point(3, 8)], "throughput", limits={"max_gpus": 8})) == pytest.approx(
        (16 / 12, 6)
    )


def test_the_scarcest_workload_and_phase_bound_the_factor() -> None:
    two = fleet([point(4, 8)], "throughput", rate=8)
    other = two["workloads"][0] | {"name": "v", "requests_per_s": 4}
    # Of three instances the first workload has two: 16 / 8 and 8 / 4.
    assert reached(two | {"workloads": [two["workloads"][0], other]}) == pytest.approx((2, 12))
    pair = fleet([point(2, 6, phase="prefill"), point(4, 9, phase="decode")], "throughput", rate=6)
    pair["workloads"][0]["serving"] = ["disaggregated"]
    # Two decode instances serve 18, two prefill instances 12.
    assert reached(pair) == pytest.approx((2, 12))


def test_loads_are_where_they_take_least() -> None:
    points = [point(4, 8), point(8, 8)]
    # The example of docs/fleet.md, where there is room for one small instance alone.
    one = [point(4, 8, pool="p"), point(8, 8, pool="q")]
    pools = [pool(gpus=4), pool(name="q", gpus=8)]
    assert reached(fleet(one, "energy", pools=pools)) == pytest.approx((8.32, 12))
    assert reached(fleet(points, "energy")) == pytest.approx((8 * 0.26 + 12 * 0.325, 8))
    # Headroom is kept by each instance: the small one serves 6.4.
    spared = fleet(one, "energy", pools=pools, rate=11)
    spared["workloads"][0]["headroom"] = 0.25
    assert reached(spared) == pytest.approx((12 * 0.26 + 6.4 * 0.325 + 4.6 * 0.65, 12))


def test_an_instance_more_can_take_less() -> None:
    # The large instance serves all, and the small ones take half of what it takes.
    owned = [pool(gpus=16, owned_gpus=16)]
    points = [point(8, 8), point(2, 2, throughput_requests_per_s=4)]
    assert reached(fleet(points, "energy", rate=8, pools=owned)) == pytest.approx((4 * 0.26 + 8 * 2 * 0.65 / 4, 0))
    # Idle instances of a large load: both run, since the large one has to.
    both = fleet([point(8, 8, pool="p"), point(2, 4, pool="q")], "energy", rate=10)
    both["pools"] = [pool(gpus=8), pool(name="q", gpus=2)]
    assert reached(both) == pytest.approx((10 * 0.26 + 4 * 2 * 0.65 / 4 + 6 * 0.65, 10))


def test_energy_has_a_price_carbon_and_caps() -> None:
    power = {"usd_per_kwh": 2, "pue": 1.5, "kg_co2_per_kwh": 0.4}
    priced = [pool(power=power)]
    points = [point(4, 8)]
    drawn = 1.5 * (8 * 0.26 + 12 * 0.325)
    assert reached(fleet(points, "cost", pools=priced)) == pytest.approx((8 + 2 * drawn,) * 2)
    assert reached(fleet(points, "carbon", pools=priced)) == pytest.approx((0.4 * drawn, 8 + 2 * drawn))
    for cap, value in (
        ("max_energy_kw", drawn),
        ("max_carbon_kg_per_hour", 0.4 * drawn),
        ("max_usd_per_hour", 8 + 2 * drawn),
    ):
        for share, kept in ((1.001, True), (0.999, False)):
            limited = fleet(points, "gpus", pools=priced, limits={cap: share * value})
            assert reached(limited) == (pytest.approx((8, 8 + 2 * drawn)) if kept else None), cap
    own = {"like": "H100-SXM", "power": power}
    assert reached(fleet(points, "cost", pools=[pool(accelerator=own)])) == pytest.approx((8 + 2 * drawn,) * 2)
    # That of the pool replaces that of its accelerator as a whole.
    both = pool(accelerator=own, power={"kg_co2_per_kwh": 1})
    assert reached(fleet(points, "carbon", pools=[both])) == pytest.approx((drawn / 1.5, 8))


def test_seeds_ask_in_every_way() -> None:
    drawn = [numbered_asked_fleet(number) for number in range(24)]
    assert numbered_asked_fleet(5) == drawn[5]
    objectives = [each["objective"] for each in drawn]
    supplied = [each for each in drawn if any("power" in str(pool) for pool in each["pools"])]
    assert objectives.count("throughput") >= 2
    assert len(supplied) >= 3
