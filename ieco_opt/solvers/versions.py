"""Versions that a result depends on."""

from __future__ import annotations

import platform
from importlib import metadata

from ieco_opt.performance.model_version import MODEL_VERSION


def versions(solver: str) -> dict[str, str | int]:
    """Versions of ieco_opt, its performance model, Pyomo, HiGHS and Python, and the name of the solver."""
    found: dict[str, str | int] = {
        name: metadata.version(package)
        for name, package in (("ieco_opt", "ieco_opt"), ("pyomo", "pyomo"), ("highspy", "highspy"))
    }
    return found | {"python": platform.python_version(), "solver": solver, "model": MODEL_VERSION}
