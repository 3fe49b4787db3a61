"""Versions that a result depends on."""

from __future__ import annotations

import platform
from importlib import metadata


def versions(solver: str) -> dict[str, str]:
    """Versions of ieco_opt, Pyomo, HiGHS and Python, and the name of the solver if it is another."""
    found = {
        name: metadata.version(package)
        for name, package in (("ieco_opt", "ieco_opt"), ("pyomo", "pyomo"), ("highspy", "highspy"))
    }
    return found | {"python": platform.python_version(), "solver": solver}
