"""Solver configurations: which solver, how exact, how long, and its own options."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any, TypeGuard, get_args

from ieco_opt.defaults import DEFAULT_CONFIG
from ieco_opt.documents.near import near
from ieco_opt.documents.origin import Origin, dotted, found, shortened
from ieco_opt.documents.text_file import read_text
from ieco_opt.documents.yaml_document import parse
from ieco_opt.errors import Fault, ScenarioError
from ieco_opt.scenario.solver_config import FleetAlgorithm, SolverConfig


def config_names() -> tuple[str, ...]:
    """Names of the configurations that come with the package."""
    folder = resources.files("ieco_opt.solvers") / "configs"
    return tuple(sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".yaml")))


def load_solver_config(name_or_file: str | Path = DEFAULT_CONFIG) -> SolverConfig:
    """Read a configuration by its name or from a YAML file.

    Raises
    ------
    ScenarioError
        The file is missing or a field of it is wrong.
    """
    text, file, name = _read(name_or_file)
    document = parse(text, file)
    if not isinstance(document.values, dict) and not document.faults:
        raise ScenarioError.single("expected a mapping with the field `solver`", file=file)
    fields = document.values if isinstance(document.values, dict) else {}
    faults = [Fault(file, line, dotted(at), message) for at, line, message in document.faults]
    faults = faults or _faults(fields, Origin(file, lines=document.lines))
    if faults:
        raise ScenarioError(faults)
    return SolverConfig(name=name, **{field: _as_float(value) for field, value in fields.items()})


def solver_config_of(given: SolverConfig | str) -> SolverConfig:
    """A configuration as it is, or the one of a name or file; errors as of :func:`load_solver_config`."""
    return load_solver_config(given) if isinstance(given, str) else given


def _as_float(value: object) -> Any:
    """Whole numbers of a configuration are seconds or gaps, which are real ones."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _read(name_or_file: str | Path) -> tuple[str, str, str]:
    path = Path(name_or_file)
    if isinstance(name_or_file, str) and not path.suffix:
        if name_or_file not in config_names():
            known = ", ".join(config_names())
            message = f"found {found(name_or_file)}, expected one of {known}, or a YAML file"
            raise ScenarioError.single(message, field="solver_config")
        packaged = resources.files("ieco_opt.solvers") / "configs" / f"{name_or_file}.yaml"
        return packaged.read_text("utf-8"), str(packaged), name_or_file
    return read_text(path, expected="a YAML file", field_name="solver_config"), str(path), path.stem


def _faults(fields: dict[str, Any], origin: Origin) -> list[Fault]:
    faults = [origin.fault((name,), f"unknown field, {_meant(name)}") for name in fields if name not in _CHECKS]
    for name, (valid, expected) in _CHECKS.items():
        if name in fields and not valid(fields[name]):
            faults.append(origin.fault((name,), f"found {found(fields[name])}, expected {expected}"))
    options = fields.get("options", {})
    if isinstance(options, dict) and options.get("threads", 1) != 1:
        message = f"found {found(options['threads'])}, expected 1 (more than one breaks later solves)"
        faults.append(origin.fault(("options", "threads"), message))
    if not faults and fields.get("solver", "highs") == "highs":
        from ieco_opt.solvers.highs import wrong_options

        faults += [origin.fault(("options", name), message) for name, message in wrong_options(options)]
    return faults


def _meant(name: str) -> str:
    close = near(name, _CHECKS)
    return f"expected perhaps {close}" if close else f"expected one of {shortened(_CHECKS)}"


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def _is_option_mapping(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(name, str) and isinstance(option, bool | int | float | str) for name, option in value.items()
    )


def _is_seconds(value: object) -> bool:
    return value is None or (_is_number(value) and value > 0)


def _is_algorithm(value: object) -> bool:
    return value in get_args(FleetAlgorithm)


_SECONDS = (_is_seconds, "seconds above 0")
_GAP = "a number from 0 to below 1"

_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "solver": (lambda value: isinstance(value, str) and bool(value), "the name of a solver"),
    "relative_gap": (lambda value: _is_number(value) and 0 <= value < 1, _GAP),
    "accepted_gap": (lambda value: value is None or (_is_number(value) and 0 <= value < 1), _GAP),
    "patience_s": _SECONDS,
    "time_limit_s": _SECONDS,
    "total_time_limit_s": _SECONDS,
    "fleet_algorithm": (_is_algorithm, "auto, patterns or instances"),
    "options": (_is_option_mapping, "a mapping from option names to booleans, numbers or strings"),
}
