"""Quantities as people write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ieco_opt.errors import ScenarioError
from ieco_opt.scenario import quantities
from ieco_opt.scenario.quantities import Cards


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("32xH200", Cards(32, "H200", None)),
        ("64 x MI300X @ 1.40", Cards(64, "MI300X", 1.4)),
        ("1,024*B200@$2.5/h", Cards(1024, "B200", 2.5)),
        ("8×H100-SXM", Cards(8, "H100-SXM", None)),
        ("8xRTX PRO 6000", Cards(8, "RTX PRO 6000", None)),
    ],
)
def test_cards(text: str, expected: Cards) -> None:
    assert quantities.cards(text, "gpus") == expected


@pytest.mark.parametrize(
    "text",
    [
        "H200",
        "0xH200",
        "-1xH200",
        "3.5xH200",
        "32x",
        "x",
        "32xH200@",
        "32xH200@free",
        "",
        "4,8xH100",
        "9" * 5000 + "xH100",
    ],
)
def test_what_are_no_cards(text: str) -> None:
    with pytest.raises(ScenarioError, match=r"^gpus: found .*, expected a count and an accelerator, such as 32xH200"):
        quantities.cards(text, "gpus")


@pytest.mark.parametrize(
    ("read", "given", "expected"),
    [
        (quantities.tokens, "4k", 4000),
        (quantities.tokens, "4,000", 4000),
        (quantities.tokens, 4000, 4000),
        (quantities.tokens, "1.5K", 1500),
        (quantities.tokens, "1m", 1_000_000),
        (quantities.tokens, "1.001k", 1001),
        (quantities.tokens, "1,024,000", 1_024_000),
        (quantities.tokens, "1_024", 1024),
        (quantities.seconds, "2s", 2.0),
        (quantities.seconds, "500ms", 0.5),
        (quantities.seconds, 2, 2.0),
        (quantities.speed, "33.5", 33.5),
        (quantities.requests_per_s, "600/min", 10.0),
        (quantities.requests_per_s, "10/s", 10.0),
        (quantities.requests_per_s, "36k/h", 10.0),
        (quantities.requests_per_s, 0.25, 0.25),
        (quantities.requests_per_s, 1e-5, 1e-5),
        (quantities.requests_per_s, "1e6", 1e6),
        (quantities.usd_per_hour, "$20/h", 20.0),
        (quantities.usd_per_hour, "480/day", 20.0),
        (quantities.usd_per_hour, 20, 20.0),
    ],
)
def test_amounts(read: Callable[[Any, str], float], given: Any, expected: float) -> None:
    assert read(given, "field") == pytest.approx(expected, rel=1e-15)


def test_a_time_without_a_unit_is_in_that_of_the_field() -> None:
    assert quantities.seconds("30", "tpot", unit="ms") == pytest.approx(0.03)
    assert quantities.seconds("0.03s", "tpot", unit="ms") == pytest.approx(0.03)


READ = (quantities.tokens, quantities.seconds, quantities.speed, quantities.requests_per_s, quantities.usd_per_hour)


@pytest.mark.parametrize("read", READ)
@pytest.mark.parametrize(
    "given",
    ["", "0", "-1", "nan", "inf", "1e999", "4q", "1/fortnight", "1//h", True, None, "1" * 400, "2,5", "4,00", "1,0000"],
)
def test_what_is_no_amount(read: Callable[[Any, str], float], given: Any) -> None:
    with pytest.raises(ScenarioError, match=r"^field: found .*, expected "):
        read(given, "field")


def test_tokens_are_whole() -> None:
    with pytest.raises(ScenarioError, match=r"found '1\.5', expected tokens"):
        quantities.tokens("1.5", "isl")
