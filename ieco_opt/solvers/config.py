"""Solver configurations: which solver, how exact, how long, and its own options."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

from ieco_opt.errors import Fault, ScenarioError
from ieco_opt.scenario.solver_config import DEFAULT_CONFIG, SolverConfig


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
    import yaml

    try:
        fields = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = None if mark is None else mark.line + 1
        raise ScenarioError.single("found no valid YAML", file=file, line=line) from error
    if not isinstance(fields, dict):
        raise ScenarioError.single("expected a mapping with the field `solver`", file=file)
    faults = _faults(fields, file)
    if faults:
        raise ScenarioError(faults)
    return SolverConfig(name=name, **fields)


def _read(name_or_file: str | Path) -> tuple[str, str, str]:
    path = Path(name_or_file)
    if isinstance(name_or_file, str) and not path.suffix:
        if name_or_file not in config_names():
            known = ", ".join(config_names())
            message = f"found '{name_or_file}', expected one of {known}, or a YAML file"
            raise ScenarioError.single(message, field="solver_config")
        packaged = resources.files("ieco_opt.solvers") / "configs" / f"{name_or_file}.yaml"
        return packaged.read_text("utf-8"), f"{name_or_file}.yaml", name_or_file
    try:
        return path.read_text("utf-8"), str(path), path.stem
    except OSError as error:
        message = f"cannot be read ({error.strerror}); expected a YAML file"
        raise ScenarioError.single(message, file=str(path), field="solver_config") from error
    except UnicodeDecodeError as error:
        raise ScenarioError.single("found bytes that are not UTF-8", file=str(path)) from error


def _faults(fields: dict[Any, Any], file: str) -> list[Fault]:
    def fault(field: str, message: str) -> Fault:
        return Fault(file=file, line=None, field=field, message=message)

    checks: dict[str, tuple[Callable[[Any], bool], str]] = {
        "solver": (lambda value: isinstance(value, str) and bool(value), "the name of a solver"),
        "relative_gap": (lambda value: _is_number(value) and 0 <= value < 1, "a number from 0 to below 1"),
        "accepted_gap": (
            lambda value: value is None or (_is_number(value) and 0 <= value < 1),
            "a number from 0 to below 1",
        ),
        "patience_s": (lambda value: value is None or (_is_number(value) and value > 0), "seconds above 0"),
        "time_limit_s": (lambda value: value is None or (_is_number(value) and value > 0), "seconds above 0"),
        "total_time_limit_s": (
            lambda value: value is None or (_is_number(value) and value > 0),
            "seconds above 0",
        ),
        "options": (_is_option_mapping, "a mapping from option names to booleans, numbers or strings"),
    }
    faults = [
        fault(str(name), f"unknown field, expected one of {', '.join(checks)}") for name in fields if name not in checks
    ]
    for name, (valid, expected) in checks.items():
        if name in fields and not valid(fields[name]):
            faults.append(fault(name, f"found {fields[name]!r}, expected {expected}"))
    options = fields.get("options", {})
    if isinstance(options, dict) and options.get("threads", 1) != 1:
        found = options["threads"]
        faults.append(fault("options.threads", f"found {found!r}, expected 1 (more than one breaks later solves)"))
    if not faults and fields.get("solver", "highs") == "highs":
        from ieco_opt.solvers.highs import wrong_options

        faults += [fault(f"options.{name}", message) for name, message in wrong_options(options)]
    return faults


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def _is_option_mapping(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(name, str) and isinstance(option, bool | int | float | str) for name, option in value.items()
    )
