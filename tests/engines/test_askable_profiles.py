"""Profiles that a design space can ask: their rules say the same for every batch and every draft."""

from __future__ import annotations

import dataclasses
import json
import warnings
from pathlib import Path

import pytest
from own_profiles import TEXT, own_profile

from ieco_opt.documents.origin import Origin
from ieco_opt.engines import Profile, profile, profiles
from ieco_opt.engines.askable import unaskable
from ieco_opt.engines.expressions import ExpressionError, parse
from ieco_opt.engines.loading import profile_of
from ieco_opt.errors import ScenarioError


def with_rule(rule: str) -> Profile:
    return profile_of(own_profile(accepts=[{"rule": rule, "says": "x", "source": "y"}]), Origin())


@pytest.mark.parametrize("shipped", profiles(), ids=lambda each: each.name)
def test_shipped_profiles_can_be_asked(shipped: Profile) -> None:
    assert list(unaskable(shipped)) == []


@pytest.mark.parametrize(
    "rule",
    [
        "batch % (attention_data_parallel * pipeline_parallel) == 0",
        "0 == batch%(attention_data_parallel*pipeline_parallel) or heads > 1",
        "draft_tokens == 0 or pipeline_parallel == 1",
        "not draft_tokens > 0 or draft_heads % draft_tensor_parallel == 0",
        "heads if draft_tokens != 0 else 1",
    ],
)
def test_whole_groups_and_the_presence_of_a_draft_are_settled(rule: str) -> None:
    assert list(unaskable(with_rule(rule))) == []


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        ("batch <= 256", "batch"),
        ("batch % attention_data_parallel == 0", "batch"),
        ("batch % (attention_data_parallel * pipeline_parallel) == 0 and batch < 9", "batch"),
        ("draft_tokens <= 4", "draft_tokens"),
        ("draft_tokens == 1", "draft_tokens"),
        ("max(heads, draft_tokens) in (1, 2)", "draft_tokens"),
    ],
)
def test_rules_about_batches_and_drafts_are_refused(rule: str, name: str) -> None:
    ((place, message),) = unaskable(with_rule(rule))
    assert place == ("accepts", 0, "rule")
    assert message.startswith(f"found {name}, expected it in {name} ")
    bounded = {"batch": "design_space.batch", "draft_tokens": "speculation.max_draft_tokens"}[name]
    assert message.endswith(f" alone: a scenario bounds it by {bounded}")


def test_prices_and_exchanges_are_of_degrees_alone() -> None:
    prices = own_profile()["prices"] | {
        "head_over": "min(batch, tensor_parallel)",
        "exchange": [{"kind": "none", "when": "draft_tokens == 0"}],
        "layouts": [{"architectures": ["A"], "shared_over": "min(batch, stage_ranks)", "source": "y"}],
    }
    assert [place for place, _ in unaskable(profile_of(own_profile(prices=prices), Origin()))] == [
        ("prices", "head_over"),
        ("prices", "layouts", 0, "shared_over"),
        ("prices", "exchange", 0, "when"),
    ]


def test_own_profiles_go_before_those_of_the_package(tmp_path: Path) -> None:
    mine, other = profile_of(own_profile(), Origin()), profile_of(own_profile(engine="vllm"), Origin())
    for name in ("vllm", "vLLM", " VLLM "):
        assert profile(name, [mine, other]) is other
        assert profile(name, [mine]) is profile("vllm")
    assert profile("Mine", [other, mine]) is mine
    with pytest.raises(
        ScenarioError, match=r"expected one of mine, sglang, trtllm, vllm, or an engine profile.*near: mine"
    ):
        profile("mien", [mine])
    for file, text in (("own.yaml", TEXT), ("vllm", TEXT), ("own.JSON", json.dumps(own_profile(), indent="\t"))):
        path = tmp_path / file
        path.write_text(text, encoding="utf-8")
        assert profile(str(path), [mine]) == dataclasses.replace(mine, file=str(path))


@pytest.mark.parametrize("name", ["Mine", "-mine", "mi ne", "mine.yaml", "any", "none", "m" * 41, "é"])
def test_names_of_engines_are_plain(name: str) -> None:
    with pytest.raises(ScenarioError, match=r"engine: found .* of up to 40 lower-case letters, digits, hyphens and"):
        profile_of(own_profile(engine=name), Origin())


@pytest.mark.parametrize("text", ["1or heads", "1if heads else 2", "heads is 1"])
def test_an_expression_that_python_warns_of_is_refused_in_silence(text: str) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with pytest.raises(ExpressionError):
            parse(text, ("heads",))
    assert said == []
