"""The refusal of one instance over several kinds of accelerators, and how text that asks for one is recognised."""

from __future__ import annotations

import re
from collections.abc import Callable

from ieco_opt.catalog.types import Accelerator
from ieco_opt.errors import ScenarioError

ONE_KIND = (
    "one accelerator: an instance runs on one kind of card, because its ranks advance in step; list the kinds apart "
    "(accelerators: [H100-SXM, H200-SXM]) and the solver chooses, or give each its pool in a fleet"
)
"""What is expected where several kinds are asked for together."""

_BETWEEN = re.compile(r"\s*[+,;&/]\s*|\s+and\s+", re.IGNORECASE)
_COUNT = re.compile(r"^\s*\d{1,6}\s*[x×*]\s*", re.IGNORECASE)


def asks_for_several(text: str, find: Callable[[str], Accelerator]) -> bool:
    """Whether text names two or more different accelerators together, such as `4xH100-SXM + 4xH200-SXM`.

    Parameters
    ----------
    text
        What stands for the name of an accelerator. A name that holds a separator itself, such as
        `AMD Instinct MI250X/MI250`, asks for one.
    find
        Looks one name up; raises `ScenarioError` where it is unknown.
    """
    parts = [_COUNT.sub("", part) for part in _BETWEEN.split(text)]
    if len(parts) == 1 or _found(text, find) is not None:
        return False
    names: set[str] = set()
    for part in parts:
        name = _found(part, find)
        if name is None:
            return False
        names.add(name)
    return len(names) > 1


def _found(name: str, find: Callable[[str], Accelerator]) -> str | None:
    try:
        return find(name).name
    except ScenarioError:
        return None
