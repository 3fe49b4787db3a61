"""Executors that callers bring along."""

from __future__ import annotations

from concurrent.futures import Executor

from ieco_opt.documents.origin import found
from ieco_opt.errors import ScenarioError


def checked_executor(executor: object) -> Executor:
    """An executor of the standard library's kind.

    Raises
    ------
    ScenarioError
        It is something else, such as a ``Client`` of Dask, whose own futures are not waited for alike.
    """
    if not isinstance(executor, Executor):
        expected = "an executor of concurrent.futures, such as client.get_executor() of Dask"
        raise ScenarioError.single(f"found {found(executor)}, expected {expected}", field="executor")
    return executor
