"""Versions that a result depends on."""

from __future__ import annotations

import platform
from importlib import metadata

from ieco_opt.performance.model_version import MODEL_VERSION
from ieco_opt.results.versions import Versions


def versions(solver: str) -> Versions:
    """Versions as they are installed here, with the name of the solver that is used."""
    return Versions(
        ieco_opt=metadata.version("ieco_opt"),
        pyomo=metadata.version("pyomo"),
        highspy=metadata.version("highspy"),
        python=platform.python_version(),
        solver=solver,
        model=MODEL_VERSION,
    )
