"""Versions that a result depends on."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from functools import cache
from importlib import metadata

from ieco_opt.engines.profile import Profile
from ieco_opt.performance.model_version import MODEL_VERSION
from ieco_opt.results.versions import Versions
from ieco_opt.scenario import ResolvedFleet, ResolvedScenario

_OTHERS = ("numpy", "pandas", "pydantic", "click", "matplotlib", "pyarrow", "pymoo", "scipy")


def versions(solver: str, asked: ResolvedScenario | ResolvedFleet) -> Versions:
    """Versions as they are installed here, with the name of the solver that is used and the servers that are asked."""
    return Versions(**_packages(), solver=solver, model=MODEL_VERSION, engines=engine_versions(asked))


def engine_versions(asked: ResolvedScenario | ResolvedFleet) -> dict[str, str]:
    """Versions that the rules of each server are for, by its name; of a fleet, of all workloads with a model.

    Workloads may bring profiles of one name and several versions.
    """
    found: dict[str, set[str]] = {}
    for each in profiles_asked(asked):
        found.setdefault(each.name, set()).add(each.version)
    return {name: " or ".join(sorted(found[name])) for name in sorted(found)}


def profiles_asked(asked: ResolvedScenario | ResolvedFleet) -> Sequence[Profile]:
    """Servers that may be chosen; of a fleet, those of all workloads with a model."""
    if isinstance(asked, ResolvedFleet):
        return [profile for each in asked.workloads if each.model is not None for profile in each.engines]
    return asked.engines


@cache
def _packages() -> dict[str, str]:
    """Of this process, which loads each package once."""
    installed = {name: metadata.version(name) for name in ("ieco_opt", "pyomo", "highspy")}
    return installed | {"python": platform.python_version()}


class InstalledVersions(dict[str, str | int]):
    """Versions by name, shown one a line."""

    def __repr__(self) -> str:
        """One line a package."""
        width = max(map(len, self), default=0)
        return "\n".join(f"{name:{width}}  {version}" for name, version in self.items())


def installed() -> InstalledVersions:
    """Versions that results depend on, and of optional packages where they are installed."""
    found = InstalledVersions(_packages() | {"solver": "highs", "model": MODEL_VERSION})
    for package in _OTHERS:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
