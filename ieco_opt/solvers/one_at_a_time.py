"""One call at a time: Pyomo redirects the output of the whole process while it solves or writes a program."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

ALONE = threading.RLock()
"""Held by whoever uses Pyomo or draws; the thread that holds it may take it again."""


def one_at_a_time(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Let calls from several threads wait for each other, whichever function they call."""

    @functools.wraps(function)
    def alone(*arguments: Arguments.args, **options: Arguments.kwargs) -> Result:
        with ALONE:
            return function(*arguments, **options)

    return alone
