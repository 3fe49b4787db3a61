"""Versions that a result depends on."""

from __future__ import annotations

import platform
from dataclasses import asdict
from importlib import metadata

from ieco_opt.performance.model_version import MODEL_VERSION
from ieco_opt.results.versions import Versions

_OTHERS = ("numpy", "pandas", "pydantic", "click", "matplotlib", "pyarrow", "pymoo", "scipy")


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


class InstalledVersions(dict[str, str | int]):
    """Versions by name, shown one a line."""

    def __repr__(self) -> str:
        """One line a package."""
        width = max(map(len, self), default=0)
        return "\n".join(f"{name:{width}}  {version}" for name, version in self.items())


def installed() -> InstalledVersions:
    """Versions that results depend on, and of optional packages where they are installed."""
    found = InstalledVersions(asdict(versions("highs")))
    for package in _OTHERS:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
