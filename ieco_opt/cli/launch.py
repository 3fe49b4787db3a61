"""`ieco-opt launch`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ieco_opt.cli.exit_status import ExitStatus
from ieco_opt.cli.options import max_setups_option
from ieco_opt.errors import printable

if TYPE_CHECKING:
    from ieco_opt.engines.launch import Launch
    from ieco_opt.results.frontier import Frontier
    from ieco_opt.results.launching import Launched
    from ieco_opt.results.plan import FleetResult

_SECRET = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_FORMATS = ("sh", "line", "yaml", "k8s", "compose", "json")


@click.command("launch")
@click.argument("result", type=click.Path(path_type=Path))
@click.option(
    "--engine",
    metavar="NAME|FILE",
    help="vllm, sglang, trtllm, or an engine profile in a file.  [default: the one that each point was priced for]",
)
@click.option("--point", metavar="N|all", help="Point of the table (or plan), counted from 1, or all of them.")
@click.option("--speed", type=float, metavar="S", help="The cheapest point that is at least so fast (tokens/s).")
@click.option(
    "--cost", type=float, metavar="C", help="The fastest point that costs at most so much ($/million tokens)."
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(_FORMATS),
    default="sh",
    show_default=True,
    help="sh: commands; line: one line a server; k8s: Kubernetes; compose: docker compose; json, yaml: for programs.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where files are written that commands name.  [default: beside RESULT]",
)
@click.option("--partial", is_flag=True, help="Print what can be said, also where something cannot.")
@click.option("--trust-remote-code", is_flag=True, help="Let servers run code from the model's repository.")
@click.option(
    "--token-secret",
    metavar="NAME",
    help="In manifests: the secret whose key `token` holds the token of the model repository.",
)
@max_setups_option
def command(
    result: Path,
    engine: str | None,
    point: str | None,
    speed: float | None,
    cost: float | None,
    output_format: str,
    out: Path | None,
    partial: bool,
    trust_remote_code: bool,
    token_secret: str | None,
    max_setups: int | None,
) -> int:
    """Print the command that starts a deployment or a plan of RESULT, a saved .json result or the folder of a plan.

    What the engine does not start as it is priced, and what it cannot be told, is said on standard error. Then nothing
    is printed and the exit status is 2, unless --partial is given.
    """
    from ieco_opt import api
    from ieco_opt.documents.origin import found as shown
    from ieco_opt.engines.server import slug
    from ieco_opt.results.launching import LaunchOptions, launched
    from ieco_opt.results.saved_folder import result_in

    if token_secret is not None and output_format != "k8s":
        raise click.UsageError("--token-secret goes with --format k8s")
    if token_secret is not None and not _SECRET.fullmatch(token_secret):
        wanted = "the name of a secret: a-z, 0-9, hyphens and dots"
        raise click.UsageError(f"--token-secret: found {shown(token_secret)}, expected {wanted}")
    result = result_in(result)
    answer = _launchable(api.load_result(result, max_setups=max_setups), result)
    numbers = _chosen(answer, point, speed, cost)
    folder = (result.parent if out is None else out).absolute()
    options = LaunchOptions(folder, slug(result.stem), trust_remote_code)
    found = launched(answer, engine, numbers, options)
    if not _said(found, output_format, partial):
        return ExitStatus.WRONG_INPUT
    _write(found.launches, output_format, folder)
    click.echo(_text(found.launches, output_format, token_secret), nl=False)
    return ExitStatus.DONE


def _launchable(answer: object, path: Path) -> Frontier | FleetResult:
    from ieco_opt.errors import ScenarioError
    from ieco_opt.results.alternatives import Alternatives
    from ieco_opt.results.frontier import Frontier
    from ieco_opt.results.plan import FleetResult

    if isinstance(answer, Alternatives):
        return answer.as_points()
    if isinstance(answer, Frontier | FleetResult):
        return answer
    kind = type(answer).__name__.lower()
    message = f"found a result of kind {kind}, expected one of solve, frontier, fleet or alternatives"
    raise ScenarioError.single(message, file=str(path))


def _chosen(
    answer: Frontier | FleetResult, point: str | None, speed: float | None, cost: float | None
) -> list[int] | None:
    """Numbers of the points that are asked for; ``None`` for all."""
    if sum(each is not None for each in (point, speed, cost)) > 1:
        raise click.UsageError("--point, --speed and --cost say the same: expected one of them")
    if point is not None:
        return _counted(point)
    if speed is not None or cost is not None:
        return [_number_of(answer, speed, cost)]
    if len(answer) > 1:
        from ieco_opt.results.plan import FleetResult

        plans = isinstance(answer, FleetResult)
        found = f"found {len(answer)} {'plans' if plans else 'points'} and no choice among them"
        wanted = "--point N or --point all" if plans else "--point N, --point all, --speed S or --cost C"
        raise click.UsageError(f"{found}, expected {wanted}")
    return None


def _counted(point: str) -> list[int] | None:
    if point.strip().lower() == "all":
        return None
    if not point.strip().isdecimal() or len(point) > 9:
        from ieco_opt.documents.origin import found

        raise click.UsageError(f"--point: found {found(point)}, expected a number from 1, or all")
    return [int(point)]


def _number_of(answer: Frontier | FleetResult, speed: float | None, cost: float | None) -> int:
    from ieco_opt.errors import InfeasibleError, ScenarioError
    from ieco_opt.results.frontier import Frontier

    if not isinstance(answer, Frontier):
        raise click.UsageError("--speed and --cost choose among points; a plan is chosen by --point")
    try:
        found = answer.cheapest(min_speed=speed) if speed is not None else answer.fastest(max_cost=cost or 0.0)
    except InfeasibleError as error:
        raise ScenarioError.single(str(error), field="speed" if speed is not None else "cost") from None
    return answer.deployments.index(found) + 1


def _said(found: Launched, output_format: str, partial: bool) -> bool:
    """Say what cannot be started or said; whether anything is to be printed."""
    problems = [*found.refused, *found.unsaid, *_unsupported(found.launches, output_format)]
    for problem in problems:
        click.echo(printable(f"{'note' if partial else 'error'}: {problem}"), err=True)
    if not problems:
        return True
    if not partial:
        click.echo("nothing is printed; --partial prints what can be said", err=True)
    elif not found.launches:
        click.echo("nothing is left to be printed", err=True)
    return partial and bool(found.launches)


def _unsupported(launches: tuple[Launch, ...], output_format: str) -> list[str]:
    if output_format not in ("k8s", "compose"):
        return []
    from ieco_opt.engines.kubernetes import unsupported

    servers = [server for launch in launches for server in launch.servers]
    found = [f"{server.kind}: {reason}" for server in servers if (reason := unsupported(server))]
    return list(dict.fromkeys(found))


def _write(launches: tuple[Launch, ...], output_format: str, folder: Path) -> None:
    """Write the files that commands name; manifests hold theirs."""
    if output_format in ("k8s", "compose"):
        return
    from ieco_opt.documents.destinations import make_folder, replace_file

    files = {path: text for launch in launches for each in launch.commands() for path, text in each.files.items()}
    if files:
        make_folder(folder)
    for path, text in files.items():
        replace_file(Path(path), text.encode())


def _text(launches: tuple[Launch, ...], output_format: str, token_secret: str | None) -> str:
    if output_format == "k8s":
        from ieco_opt.engines.kubernetes import manifests

        return manifests(launches, token_secret)
    if output_format == "compose":
        from ieco_opt.engines.compose import compose_text

        return compose_text(launches)
    from ieco_opt.engines import shell

    texts = {"sh": shell.sh_text, "line": shell.line_text, "json": shell.json_of, "yaml": shell.yaml_of}
    return texts[output_format](launches)
