"""Options that ask about a model on some GPUs without a file, and the scenarios that ask the same."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ieco_opt.errors import Fault, ScenarioError

if TYPE_CHECKING:
    from ieco_opt.scenario import Fleet
    from ieco_opt.scenario.source import ScenarioSource

Command = Callable[..., Any]

_OF_BOTH: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "gpus": (
        ("--gpus", "--on"),
        {"multiple": True, "metavar": "NxCARD[@$]", "help": "GPUs: 32xH200, or 64xMI300X@1.40 at a price. Repeatable."},
    ),
    "isl": (("--isl", "--prompt"), {"metavar": "TOKENS", "help": "Tokens of a prompt, such as 4000 or 4k."}),
    "osl": (("--osl", "--output"), {"metavar": "TOKENS", "help": "Tokens of an answer."}),
    "ttft": (("--ttft",), {"metavar": "TIME", "help": "Longest time to first token, such as 2s."}),
    "tpot": (("--tpot",), {"metavar": "TIME", "help": "Longest time per output token, such as 30ms."}),
    "min_speed": (("--min-speed",), {"metavar": "TOKENS/S", "help": "The same as a least speed of each user."}),
    "weights": (("--weights",), {"metavar": "PRECISION", "help": "Such as fp8.  [default: the checkpoint's]"}),
    "engine": (("--engine",), {"metavar": "NAME", "help": "vllm, sglang or trtllm.  [default: any]"}),
    "profile": (("--profile",), {"metavar": "NAME|FILE", "help": "Calibration of times.  [default: the catalog's]"}),
}

_OF_PLANS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "rate": (
        ("--rate",),
        {"metavar": "REQUESTS", "help": "Requests to serve: 10 (a second), 600/min.  [default: as many as possible]"},
    ),
    "minimise": (
        ("--min",),
        {"metavar": "WHAT", "help": "With --rate, the least: cost, gpus or power.  [default: cost]"},
    ),
    "budget": (("--budget",), {"metavar": "$/H", "help": "Most dollars, such as 20/h."}),
    "owned": (("--owned",), {"is_flag": True, "help": "The GPUs are paid for already."}),
}

_WRITTEN = {name: options[0] for name, (options, _) in {**_OF_BOTH, **_OF_PLANS}.items()}
"""Options by the names of what is asked."""


def plan_options(command: Command) -> Command:
    """Everything that can be asked of a plan, as the keyword arguments of ``fleet_mapping``."""
    for name, (written, how) in reversed({**_OF_BOTH, **_OF_PLANS}.items()):
        command = click.option(*written, name, **how)(command)
    return command


def model_or_scenario(command: Command) -> Command:
    """Take MODEL with --gpus in the place of a scenario, and hand over the scenario that asks the same."""

    @functools.wraps(command)
    def wrapped(scenario: ScenarioSource, **options: Any) -> Any:
        asked = given({name: options.pop(name) for name in _OF_BOTH})
        if _is_scenario(scenario, asked):
            return command(scenario=scenario, **options)
        return command(scenario=_question(scenario, asked), **options)

    for name, (written, how) in reversed(_OF_BOTH.items()):
        about = how["help"] if name != "gpus" else f"{how['help']} Then SCENARIO is a MODEL."
        wrapped = click.option(*written, name, **{**how, "help": about})(wrapped)
    return wrapped


def option_names(asked: Mapping[str, Any]) -> str:
    """The options that were given, as they are written."""
    return ", ".join(_WRITTEN[name] for name in asked)


def given(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Only what was said."""
    return {name: value for name, value in asked.items() if value not in (None, (), False)}


def read(build: Callable[..., dict[str, object]], model: str, asked: Mapping[str, Any]) -> dict[str, object]:
    """The scenario of a question; faults are about the options that were given.

    Raises
    ------
    ScenarioError
        With every option that is missing or wrong.
    """
    try:
        return build(model, asked)
    except ScenarioError as error:
        faults = [replace(fault, field=_WRITTEN.get(fault.field, fault.field)) for fault in error.faults]
        raise ScenarioError(faults) from None


def fleet_of(model: ScenarioSource, asked: Mapping[str, Any]) -> Fleet:
    """The fleet of a question about what stands in the place of a scenario.

    Raises
    ------
    ScenarioError
        As of :func:`read` and :func:`in_options`.
    """
    from ieco_opt.scenario import load_fleet_mapping
    from ieco_opt.scenario.one_line import fleet_mapping

    mapping = read(fleet_mapping, str(model.path or "-"), asked)
    with in_options():
        return load_fleet_mapping(mapping, max_setups=model.max_setups)


_FIELDS = {
    r"pools\[\d+\](\..*)?": "--gpus",
    r"workloads\[0\]\.model": "MODEL",
    r"workloads\[0\]\.weights.*": "--weights",
    r"workloads\[0\]\.engine.*": "--engine",
    r"workloads\[0\]\.requests_per_s": "--rate",
    r"workloads\[0\]\.prompt_tokens": "--isl",
    r"workloads\[0\]\.output_tokens": "--osl",
    r"workloads\[0\]\.min_speed": "--tpot",
    r"workloads\[0\]\.max_time_to_first_token_s": "--ttft",
    r"limits\.max_usd_per_hour": "--budget",
    r"profile.*": "--profile",
}
"""Options by the fields of the fleet that they become."""


@contextmanager
def in_options() -> Iterator[None]:
    """Faults of a fleet that nobody wrote are about the options that it was made from.

    Raises
    ------
    ScenarioError
        Likewise; a missing price is asked for as the option takes it.
    """
    try:
        yield
    except ScenarioError as error:
        raise ScenarioError([_of_option(fault) for fault in error.faults]) from None


def _of_option(fault: Fault) -> Fault:
    option = next((option for field, option in _FIELDS.items() if re.fullmatch(field, fault.field)), None)
    if fault.file is not None or option is None:
        return fault
    how = ", such as 8xCARD@1.50" if fault.field.endswith("usd_per_gpu_hour") else ""
    return replace(fault, field=option, message=f"{fault.message}{how}")


def _is_scenario(source: ScenarioSource, asked: Mapping[str, Any]) -> bool:
    """Whether a scenario was named: a file or the standard input, and nothing asked of a model."""
    if "gpus" in asked:
        return False
    path = source.path
    named = path is None or path.is_file() or path.suffix.lower() in (".yaml", ".yml") or len(path.parts) > 2
    if named and asked:
        raise click.UsageError(f"{option_names(asked)}: expected with --gpus and the name of a model")
    return named


def _question(source: ScenarioSource, asked: Mapping[str, Any]) -> ScenarioSource:
    from ieco_opt.documents.yaml_document import yaml_text
    from ieco_opt.scenario.one_line import deployment_mapping

    mapping = read(deployment_mapping, str(source.path or Path()), asked)
    return replace(source, path=None, text=yaml_text(mapping), label="the question")
