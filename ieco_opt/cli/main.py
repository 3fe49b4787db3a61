"""The command group; a command is imported when it is called, so that `--help` answers at once."""

from __future__ import annotations

import os
import sys
from importlib import import_module, metadata

import click

from ieco_opt.cli.exit_status import ExitStatus
from ieco_opt.errors import IecoOptError, InfeasibleError, InfeasibleFleetError, ScenarioError, SolverMissingError

_COMMANDS = {
    "catalog": ("ieco_opt.cli.catalog", "Models and accelerators known by name."),
    "compare": ("ieco_opt.cli.compare", "What heuristics miss: their proposals against the exact frontier."),
    "evaluate": ("ieco_opt.cli.evaluate", "Time per output token and its parts, of given configurations."),
    "explain": ("ieco_opt.cli.explain", "What decides the best deployment, or why none is feasible."),
    "export": ("ieco_opt.cli.export", "The program itself as .lp or .mps."),
    "fleet": ("ieco_opt.cli.fleet", "Many workloads over pools: which instances to run where, with the proof."),
    "frontier": ("ieco_opt.cli.frontier", "Pareto frontier of speed against cost per token, with its proof."),
    "migrate": ("ieco_opt.cli.migrate", "Scenario files of version 1 rewritten to version 2."),
    "schema": ("ieco_opt.cli.schema", "The JSON Schema of scenario and result files."),
    "solve": ("ieco_opt.cli.solve", "The one best deployment of a scenario, with its proof."),
    "verify": ("ieco_opt.cli.verify", "Check a saved result without the solver."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands."""
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in _COMMANDS:
            return None
        command = import_module(_COMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from their one-line summaries, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name][1]) for name in self.list_commands(ctx)])


def _print_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        packages = ("ieco_opt", "pyomo", "highspy")
        click.echo("  ".join(f"{package} {metadata.version(package)}" for package in packages))
        ctx.exit()


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the versions of ieco_opt and its solver.",
)
def cli() -> None:
    """Choose how to deploy large language models for inference, and prove the choice.

    Exit status: 0 done, 2 wrong input, 3 proven infeasible, 4 stopped by a limit with what was found.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit status."""
    try:
        status = cli.main(args=arguments, prog_name="ieco-opt", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(ExitStatus.WRONG_INPUT)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted before anything was found", err=True)
        sys.exit(ExitStatus.STOPPED)
    except ScenarioError as error:
        for fault in error.faults:
            click.echo(f"error: {fault}", err=True)
        sys.exit(ExitStatus.WRONG_INPUT)
    except InfeasibleError as error:
        explained = isinstance(error, InfeasibleFleetError)
        cause = "an irreducible infeasible subset of the limits and the minimal relaxation of each"
        hint = "" if explained else f"; `ieco-opt explain` finds {cause}"
        click.echo(f"{error}{hint}", err=True)
        sys.exit(ExitStatus.INFEASIBLE)
    except SolverMissingError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(ExitStatus.WRONG_INPUT)
    except IecoOptError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(ExitStatus.INTERNAL_ERROR)
    except BrokenPipeError:
        # The reader of our output has gone; Python would complain once more while closing it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitStatus.DONE)
    sys.exit(status if isinstance(status, int) else ExitStatus.DONE)
