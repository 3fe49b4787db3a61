"""Quantities as people write them on a command line: 4k tokens, 30ms, 600/min, 32xH200@1.4, 20/h."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ieco_opt.documents.origin import found
from ieco_opt.errors import ScenarioError

_WHOLE = r"(?:\d{1,3}(?:[,_]\d{3})+|\d+)"
"""Digits, in threes where something stands between them: ``2,5`` is no 25."""

_NUMBER = rf"(?P<number>(?:{_WHOLE}(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?)"
_THOUSANDS = {"": 1.0, "k": 1e3, "m": 1e6}
_SECONDS = {"s": 1.0, "ms": 1e-3, "min": 60.0}
_PER_SECOND = {"": 1.0, "s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0, "hour": 3600.0, "day": 86400.0}
_PER_HOUR = {"": 1.0, "h": 1.0, "hour": 1.0, "day": 24.0, "month": 730.0}

_MOST_GPUS = 1_000_000


@dataclass(frozen=True, slots=True)
class Cards:
    """So many accelerators of one kind, at a price in $ per GPU-hour where one is said."""

    gpus: int
    accelerator: str
    usd_per_gpu_hour: float | None


def cards(text: str, field: str) -> Cards:
    """Read ``32xH200`` or ``64 x MI300X @ 1.40``.

    Raises
    ------
    ScenarioError
        It is none.
    """
    expected = "a count and an accelerator, such as 32xH200 or 64xMI300X@1.40"
    match = re.fullmatch(rf"\s*(?P<count>{_WHOLE})\s*[xX*×]\s*(?P<name>[^@]*[^@\s])\s*(?:@\s*\$?(?P<price>.+))?", text)
    if match is None:
        raise _refused(text, field, expected)
    gpus = float(re.sub("[,_]", "", match["count"]))
    if not 1 <= gpus <= _MOST_GPUS:
        raise _refused(text, field, expected)
    price = match["price"]
    usd = None if price is None else _amount(price.removesuffix("/h"), text, field, {"": 1.0}, expected)
    return Cards(int(gpus), match["name"], usd)


def tokens(value: str | float, field: str) -> int:
    """Read a count of tokens such as 4000, ``4,000`` or ``4k``.

    Raises
    ------
    ScenarioError
        It is none.
    """
    expected = "tokens, such as 4000 or 4k"
    number = _amount(str(value), value, field, _THOUSANDS, expected)
    whole = round(number)
    # 1.001 thousands are 1000.9999999999999 in floating point.
    if whole < 1 or not math.isclose(number, whole, rel_tol=1e-12):
        raise _refused(value, field, expected)
    return whole


def thousands(text: str) -> int | float | None:
    """The number that ``4k`` or ``1.5M`` is; ``None`` for any other text, also for a number without such a unit."""
    match = re.fullmatch(r"\s*(?P<number>\d+(?:\.\d+)?)(?P<unit>[kKmM])\s*", text)
    if match is None:
        return None
    number = float(match["number"]) * _THOUSANDS[match["unit"].lower()]
    whole = round(number) if math.isfinite(number) else 0
    # 1.001 thousands are 1000.9999999999999 in floating point.
    return whole if math.isclose(number, whole, rel_tol=1e-12) else number


def seconds(value: str | float, field: str, *, unit: str = "s") -> float:
    """Read a time such as ``2s``, ``30ms`` or a number in ``unit``.

    Raises
    ------
    ScenarioError
        It is none.
    """
    expected = f"a time above 0, such as {'2s' if unit == 's' else '30ms'}"
    return _amount(str(value), value, field, {**_SECONDS, "": _SECONDS[unit]}, expected)


def speed(value: str | float, field: str) -> float:
    """Read tokens/s.

    Raises
    ------
    ScenarioError
        They are none above 0.
    """
    return _amount(str(value), value, field, {"": 1.0}, "tokens/s above 0, such as 30")


def requests_per_s(value: str | float, field: str) -> float:
    """Read a rate such as 10, ``10/s`` or ``600/min``.

    Raises
    ------
    ScenarioError
        It is none.
    """
    expected = "requests, such as 10 (a second), 600/min or 36000/h"
    match = re.fullmatch(r"(?P<count>[^/]*)(?:/(?P<unit>.*))?", str(value).strip())
    per = _PER_SECOND.get((match["unit"] or "").strip()) if match else None
    if match is None or per is None:
        raise _refused(value, field, expected)
    return _amount(match["count"], value, field, _THOUSANDS, expected) / per


def usd_per_hour(value: str | float, field: str) -> float:
    """Read a budget such as 20, ``$20/h`` or ``480/day``.

    Raises
    ------
    ScenarioError
        It is none.
    """
    expected = "dollars, such as 20/h or 480/day"
    match = re.fullmatch(r"\$?(?P<count>[^/]*)(?:/(?P<unit>.*))?", str(value).strip())
    per = _PER_HOUR.get((match["unit"] or "").strip()) if match else None
    if match is None or per is None:
        raise _refused(value, field, expected)
    return _amount(match["count"], value, field, _THOUSANDS, expected) / per


def _amount(text: str, given: object, field: str, units: Mapping[str, float], expected: str) -> float:
    """A number above 0 with one of some units."""
    match = re.fullmatch(rf"\s*{_NUMBER}\s*(?P<unit>[a-zA-Z]*)\s*", text)
    factor = None if match is None else units.get(match["unit"].lower())
    number = math.nan if match is None or factor is None else float(re.sub("[,_]", "", match["number"])) * factor
    if not 0.0 < number < math.inf:
        raise _refused(given, field, expected)
    return number


def _refused(given: object, field: str, expected: str) -> ScenarioError:
    return ScenarioError.single(f"found {found(given)}, expected {expected}", field=field)
