"""Points of the shipped scenarios: every one starts in the engines that it names, and is read back from its command."""

from __future__ import annotations

import pytest
from places import SCENARIOS

import ieco_opt
from ieco_opt.engines.columns import DRAFT, POINT
from ieco_opt.engines.reading import read
from ieco_opt.engines.server import Server
from ieco_opt.engines.store import NAMES, profile
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.launching import servers_of

DEPLOYMENTS = sorted(path.stem for path in SCENARIOS.glob("*.yaml") if not path.stem.startswith(("paper-", "fleet-")))
AMD = ("gpt-oss-120b", "llama-3.3-70b-accelerators")
FLEETS = ("fleet-chat-and-code", "fleet-six-models")


def check_read_back(server: Server) -> None:
    numbers, command = server.numbers, server.command()
    names = (*POINT, *(DRAFT if numbers["draft_tokens"] else ()))
    for words in command.nodes:
        found = read(server.profile, words, command.files, {"experts": numbers["experts"]})
        assert found == {name: int(numbers[name]) for name in names}, words


def check_points(front: Frontier) -> None:
    assert [server.broken for server in servers_of(front, None)] == [""] * len(front)
    for engine in NAMES:
        for deployment, server in zip(front, servers_of(front, profile(engine)), strict=True):
            named = engine in (deployment.engines or "").split(",")
            assert (not server.broken) == named, (engine, deployment, server.broken)
            if named:
                check_read_back(server)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["any", *NAMES])
@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_every_point_starts_in_the_engines_that_it_names(name: str, engine: str) -> None:
    if engine == "trtllm" and name in AMD:
        pytest.skip("it has accelerators of AMD")
    front = ieco_opt.frontier(ieco_opt.load_scenario(SCENARIOS / f"{name}.yaml", [f"engine={engine}"]), delta=0.1)
    assert len(front)
    if engine == "any":
        check_points(front)
    assert [server.broken for server in servers_of(front, None)] == [""] * len(front)
    assert {deployment.engine for deployment in front} <= ({*NAMES} if engine == "any" else {engine})


@pytest.mark.slow
@pytest.mark.parametrize("name", FLEETS)
def test_every_instance_of_a_plan_starts_in_its_engine(name: str) -> None:
    plan = ieco_opt.plan(ieco_opt.load_scenario(SCENARIOS / f"{name}.yaml"))
    servers = servers_of(plan, None)
    assert [server.broken for server in servers] == [""] * sum(row.instances for row in plan[0].instances)
    for server in servers:
        check_read_back(server)


def test_points_of_a_shipped_scenario_start_and_are_read_back() -> None:
    scenario = ieco_opt.load_scenario(SCENARIOS / "gpt-oss-120b.yaml", ["accelerators=[B200-SXM, MI355X]"])
    check_points(ieco_opt.frontier(scenario, delta=0.5))
