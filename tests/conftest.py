"""What holds for every test: nobody opens a connection, neither the tests nor what they call; and which are traced."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says nothing on a machine that does other work too.
settings.register_profile("whatever the clock says", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("whatever the clock says")

NETWORK = frozenset({"socket.bind", "socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"})

_SEEN: list[str] = []


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.__new__" or event in NETWORK:
        _SEEN.append(f"{event}{arguments[1:]}")
    if event in NETWORK:
        raise AssertionError(f"{event}{arguments[1:]}: catalogs and solvers are local, nothing needs a network")


sys.addaudithook(_refuse)

HERE = Path(__file__).parent
UNTRACED = (
    "exactness/test_fleet_rules.py",
    "exactness/test_limits_met_exactly.py",
    "exactness/test_monotone.py",
    "exactness/test_planning_with_the_error.py",
    "oracle_tests",
    "fuzz",
    "docs",
    "comparison/test_stopped_heuristics.py",
    "explanation/test_edits_of_explained_plans.py",
    "results/test_codec.py",
    "verification/test_every_edit.py",
)
"""Sweeps: what they run is covered by tests of its own, and tracing takes half as long again as running it."""

TRACED_ONCE = ("exactness/test_frontier_against_oracle.py",)
"""Sweeps of which each test is traced with its first block alone: the others run the same lines."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Measure no coverage in sweeps."""
    if config.pluginmanager.hasplugin("_cov"):
        traced: set[str] = set()
        for item in items:
            place, test = item.path.relative_to(HERE), item.nodeid.partition("[")[0]
            again = place.as_posix() in TRACED_ONCE and test in traced
            traced.add(test)
            if again or place.parts[0] in UNTRACED or place.as_posix() in UNTRACED:
                item.add_marker("no_cover")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Do not look through the thousands of tests for cycles again and again, as the command line does not either."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each worker a row of neighbours, so that what a module shares is made once, and let idle ones take some."""
    if config.getvalue("dist") != "load":
        return None
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)


@pytest.fixture
def sockets() -> list[str]:
    """Every socket that was made in this process so far, and every refused use of one, also where it was caught."""
    return _SEEN


@pytest.fixture(scope="session")
def cbc() -> Path:
    """The second solver: the executable of CBC that PuLP's wheel carries, in place of whatever the machine has."""
    from pulp import PULP_CBC_CMD
    from pyomo.common import Executable

    file = Path(os.path.realpath(PULP_CBC_CMD.pulp_cbc_path))
    assert os.access(file, os.X_OK), f"{file}: not executable, and without it no solver checks another"
    Executable("cbc").set_path(str(file))
    return file
