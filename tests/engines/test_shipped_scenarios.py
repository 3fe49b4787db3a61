"""Points of the shipped scenarios: every one that an engine accepts is said by its command, and read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from places import SCENARIOS

import ieco_opt
from ieco_opt.engines.columns import DRAFT, POINT
from ieco_opt.engines.reading import read
from ieco_opt.engines.store import NAMES, profile
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.launching import servers_of

DEPLOYMENTS = sorted(path.stem for path in SCENARIOS.glob("*.yaml") if not path.stem.startswith(("paper-", "fleet-")))


def in_whole_groups(deployment: Deployment) -> Deployment:
    """The same with as many sequences in every group and micro-batch, without which no engine starts it as it is."""
    share = deployment.parallelism.attention_data * deployment.parallelism.pipeline
    return replace(deployment, batch=-(-deployment.batch // share) * share)


def started(front: Frontier, engine: str) -> int:
    """Points that an engine starts, each of which is read back from its command."""
    count = 0
    for server in servers_of(front, profile(engine)):
        if server.broken:
            continue
        numbers, command = server.numbers, server.command()
        names = (*POINT, *(DRAFT if numbers["draft_tokens"] else ()))
        for words in command.nodes:
            found = read(server.profile, words, command.files, {"experts": numbers["experts"]})
            assert found == {name: int(numbers[name]) for name in names}, (engine, words)
        count += 1
    return count


@pytest.mark.slow
@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_every_point_that_starts_is_read_back_from_its_command(name: str) -> None:
    scenario = ieco_opt.load_scenario(SCENARIOS / f"{name}.yaml")
    front = ieco_opt.frontier(scenario, delta=0.1)
    whole = replace(front, deployments=tuple(map(in_whole_groups, front)))
    counts = {engine: (started(front, engine), started(whole, engine)) for engine in NAMES}
    assert all(as_it_is <= rounded for as_it_is, rounded in counts.values()), counts
    if name.startswith(("deepseek", "gpt-oss")):
        assert sum(rounded for _, rounded in counts.values()) >= len(front), counts


def test_a_point_of_a_shipped_scenario_is_read_back(tmp_path: Path) -> None:
    scenario = ieco_opt.load_scenario(
        SCENARIOS / "gpt-oss-120b.yaml", ["design_space.attention_data_parallel=[1]", "accelerators=[B200-SXM]"]
    )
    front = ieco_opt.frontier(scenario, delta=1.0)
    assert all(started(front, engine) == len(front) for engine in NAMES)
