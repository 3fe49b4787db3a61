"""The field ``profile`` of scenarios: which constants each accelerator is priced with, and what results keep of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from base_mappings import FLEET
from base_mappings import small_scenario as scenario

import ieco_opt
from ieco_opt.catalog.profiles import calibration
from ieco_opt.errors import ScenarioError
from ieco_opt.scenario import Fleet, Scenario
from ieco_opt.scenario.calibrations import PUBLISHED
from ieco_opt.scenario.resolve import resolve


def names(one: Scenario) -> list[str | None]:
    return [None if each.calibration is None else each.calibration.name for each in resolve(one).accelerators]


def test_without_the_field_each_accelerator_takes_its_own_profile() -> None:
    assert names(scenario()) == ["hopper-2026-07"]
    assert scenario().profile == scenario(profile="auto").profile
    assert resolve(scenario()).scenario.to_mapping()["profile"][0]["name"] == "hopper-2026-07"


def test_published_constants_count_where_they_are_asked_for() -> None:
    assert names(scenario(profile="paper-constants")) == [None]
    assert resolve(scenario(profile="paper-constants")).scenario.to_mapping()["profile"] == ["paper-constants"]


def test_fidelity_paper_has_its_own_constants() -> None:
    paper = ieco_opt.load_scenario("scenarios/paper-llama-3-70b.yaml")
    assert names(paper) == [None]
    assert "profile" not in resolve(paper).scenario.to_mapping()


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({"name": "mine", "usd_per_gpu_hour": 1.5}, "hopper-2026-07"),
        ({"name": "mine", "hbm_bytes_per_s": 1e12}, "hopper-2026-07"),
        ({"name": "MI300X", "usd_per_gpu_hour": 1.5}, "cdna3-2026-07"),
    ],
)
def test_an_accelerator_of_ones_own_takes_the_profile_of_what_it_is_like(own: dict[str, Any], expected: str) -> None:
    """Unless a profile names it itself."""
    assert names(scenario(accelerators=[{"like": "H100-SXM"} | own], engine="none")) == [expected]


def test_auto_takes_the_profile_of_each_generation_and_published_constants_elsewhere() -> None:
    several = scenario(accelerators=["H100-SXM", "A100-SXM-80GB", "MI355X", "TPU-v6e"], engine="none", profile="auto")
    assert names(several) == ["hopper-2026-07", "hopper-2026-07", "cdna4-2026-07", None]


def test_one_profile_counts_for_all_accelerators_and_several_for_those_that_they_name() -> None:
    both = ["H100-SXM", "MI355X"]
    assert names(scenario(accelerators=both, profile="hopper-2026-07")) == ["hopper-2026-07"] * 2
    assert names(scenario(accelerators=both, profile=["hopper-2026-07", "paper-constants"])) == ["hopper-2026-07", None]


@pytest.mark.parametrize("asked", ["auto", "hopper-2026-07"])
@pytest.mark.parametrize("hardware", [["H100-SXM"], ["H100-SXM", "TPU-v6e"]])
def test_what_a_result_keeps_stands_for_the_same_constants(asked: str, hardware: list[str]) -> None:
    first = resolve(scenario(accelerators=hardware, engine="none", profile=asked))
    kept = first.scenario.to_mapping()
    assert all(isinstance(each, dict) or each == "paper-constants" for each in kept["profile"])
    for _ in range(3):
        again = resolve(Scenario(**json.loads(json.dumps(kept))))
        assert [each.calibration for each in again.accelerators] == [each.calibration for each in first.accelerators]
        assert again.scenario.to_mapping() == kept


def test_a_saved_frontier_is_verified_with_the_constants_that_it_was_priced_with(tmp_path: Path) -> None:
    mapping = calibration("hopper-2026-07").model_dump(mode="json", exclude_defaults=True)
    slow = tmp_path / "slow.yaml"
    slow.write_text(yaml.safe_dump(mapping | {"name": "slow", "layer_s": 1e-3}), encoding="utf-8")
    (tmp_path / "s.yaml").write_text(
        yaml.safe_dump(scenario().to_mapping() | {"profile": "slow.yaml"}), encoding="utf-8"
    )
    found = ieco_opt.frontier(ieco_opt.load_scenario(tmp_path / "s.yaml"), delta=0.5)
    # 32 layers of a millisecond.
    assert all(each.kernel_s > 0.032 for each in found.deployments)
    found.to_json(tmp_path / "f.json")
    slow.unlink()
    assert ieco_opt.verify(tmp_path / "f.json").holds
    edited = (tmp_path / "f.json").read_text(encoding="utf-8").replace('"layer_s": 0.001', '"layer_s": 0.002')
    (tmp_path / "f.json").write_text(edited, encoding="utf-8")
    assert not ieco_opt.verify(tmp_path / "f.json").holds


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ("nope", "profile: found 'nope', expected one of"),
        ("nope.yaml", "nope.yaml"),
        (["auto", "hopper-2026-07"], "profile[0]: found 'auto', expected it alone"),
        (["paper-constants", "hopper-2026-07"], "profile[0]: found 'paper-constants', expected it last"),
        ({"name": "x"}, "profile[0].step_s: found nothing, expected this field"),
    ],
)
def test_wrong_profiles_are_said_where_they_stand(profile: object, expected: str) -> None:
    with pytest.raises(ScenarioError) as error:
        resolve(scenario(profile=profile))
    assert expected in str(error.value)


def test_fidelity_paper_knows_no_profile() -> None:
    with pytest.raises(ScenarioError, match="nothing in fidelity paper"):
        ieco_opt.load_scenario("scenarios/paper-llama-3-70b.yaml", overrides=["profile=auto"])


def test_a_fleet_prices_its_pools_with_profiles_and_keeps_them() -> None:
    fleet = ieco_opt.load_scenario("scenarios/fleet-chat-and-code.yaml")
    plain, priced = (ieco_opt.plan(each) for each in (fleet.model_copy(update={"profile": (PUBLISHED,)}), fleet))
    # Published constants are too fast, so that more has to be hired.
    assert priced[0].usd_per_hour > plain[0].usd_per_hour
    assert ieco_opt.verify(priced).holds
    *held, last = priced.scenario.to_mapping()["profile"]
    assert {each["name"] for each in held} == {"hopper-2026-07", "cdna3-2026-07"}
    assert last == "paper-constants"
    assert Fleet(**priced.scenario.to_mapping()) == priced.scenario


def test_a_fleet_with_a_profile_in_a_file_is_read_back_without_it(tmp_path: Path) -> None:
    mapping = calibration("hopper-2026-07").model_dump(mode="json", exclude_defaults=True)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(mapping | {"name": "mine"}), encoding="utf-8")
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(FLEET | {"profile": "mine.yaml"}), encoding="utf-8")
    ieco_opt.plan(ieco_opt.load_scenario(tmp_path / "s.yaml")).to_json(tmp_path / "plan.json")
    (tmp_path / "mine.yaml").unlink()
    assert ieco_opt.verify(tmp_path / "plan.json").holds
