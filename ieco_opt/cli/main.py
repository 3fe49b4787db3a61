"""The command group; a command is imported when it is called, so that `--help` answers at once."""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import os
import sys
import textwrap
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

import click

from ieco_opt.cli.completion import answered
from ieco_opt.cli.examples import EXAMPLES, epilog, with_examples
from ieco_opt.cli.exit_status import ExitStatus
from ieco_opt.cli.signals import Interruption, interrupting
from ieco_opt.documents.origin import found
from ieco_opt.errors import (
    Fault,
    IecoOptError,
    InfeasibleError,
    InfeasibleFleetError,
    ScenarioError,
    SearchStoppedError,
    SolverMissingError,
    UnwrittenError,
    printable,
)

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_COMMANDS = {
    "alternatives": ("ieco_opt.cli.alternatives", "Near-optimal answers that differ in GPU, engine, layout or pool."),
    "calibrate": ("ieco_opt.cli.calibrate", "A calibration profile moved by measurements of your own."),
    "catalog": ("ieco_opt.cli.catalog", "Models and accelerators known by name."),
    "completion": ("ieco_opt.cli.completion", "The script that lets bash, zsh or fish complete what you type."),
    "compare": ("ieco_opt.cli.compare", "What heuristics miss: their proposals against the exact frontier."),
    "diff": ("ieco_opt.cli.diff", "What changed between two saved results, and why."),
    "evaluate": ("ieco_opt.cli.evaluate", "Time per output token and its parts, of given configurations."),
    "explain": ("ieco_opt.cli.explain", "What decides the best deployment or plan: limits, runner-ups, times."),
    "export": ("ieco_opt.cli.export", "The program itself as .lp or .mps."),
    "fleet": ("ieco_opt.cli.fleet", "Many workloads over pools: which instances to run where, with the proof."),
    "frontier": ("ieco_opt.cli.frontier", "Pareto frontier of speed against cost per token, with its proof."),
    "import": ("ieco_opt.cli.importing", "Figures of AIConfigurator or of benchmarks, to plan over."),
    "launch": ("ieco_opt.cli.launch", "The command, manifest or compose file that starts a point or a plan."),
    "migrate": ("ieco_opt.cli.migrate", "Scenario files of version 1 rewritten to version 2."),
    "plan": ("ieco_opt.cli.plan", "How to serve a model on some GPUs: the answer to one line, with its proof."),
    "probe": ("ieco_opt.cli.probe", "This machine measured: an accelerator, a profile to start from, decode times."),
    "report": ("ieco_opt.cli.report", "Results on one page of HTML: charts, tables, proofs, commands to copy."),
    "schema": ("ieco_opt.cli.schema", "The JSON Schema of scenario and result files."),
    "solve": ("ieco_opt.cli.solve", "The one best deployment of a scenario, with its proof."),
    "sweep": (
        "ieco_opt.cli.sweep",
        "Many scenarios that differ in some fields: one table, which a kill does not lose.",
    ),
    "terms": ("ieco_opt.cli.terms", "What words such as TTFT, TP or knee mean, and what they are called here."),
    "validate": ("ieco_opt.cli.validate", "Predicted against measured times per output token."),
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
        return with_examples(command, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is called; of one that there is not, the nearest is named."""
        unknown = not args[0].startswith("-") and args[0] not in _COMMANDS
        if unknown and not ctx.resilient_parsing:
            raise click.UsageError(f"found {found(args[0])}, expected {_meant(args[0])}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from their one-line summaries, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name][1]) for name in self.list_commands(ctx)])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the name of a command likewise."""
        from click.shell_completion import CompletionItem

        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        items = [CompletionItem(name, help=_COMMANDS[name][1]) for name in names]
        return [*items, *click.Command.shell_complete(self, ctx, incomplete)]


_OTHER_NAMES_OF_COMMANDS = {
    "optimize": "solve",
    "optimise": "solve",
    "best": "solve",
    "pareto": "frontier",
    "plot": "frontier",
    "html": "report",
    "page": "report",
    "cluster": "fleet",
    "glossary": "terms",
    "check": "verify",
    "deploy": "launch",
    "serve": "launch",
    "generate": "launch",
    "estimate": "evaluate",
    "predict": "evaluate",
    "measure": "probe",
    "models": "catalog",
    "gpus": "catalog",
    "why": "explain",
}


def _meant(unknown: str) -> str:
    """What was probably meant by something that is no command."""
    import difflib

    name, plain = unknown.casefold().rpartition("/")[2], unknown.casefold()
    if name.endswith((".yaml", ".yml")):
        return f"a command first, such as `ieco-opt frontier {printable(unknown)}`"
    if name.endswith(".json"):
        return f"a command first, such as `ieco-opt verify {printable(unknown)}`"
    near = [*filter(None, [_OTHER_NAMES_OF_COMMANDS.get(plain)]), *difflib.get_close_matches(plain[:60], _COMMANDS)]
    return f"perhaps `ieco-opt {near[0]}`" if near else f"a command: {', '.join(sorted(_COMMANDS))}"


_MOST_LETTERS = 200
_NEW_OBJECTS = 300_000
"""Objects that are made before they are looked through for cycles: a short command makes fewer, with all imports."""

_INTERRUPTED = "interrupted before anything was found"


def _versions() -> str:
    from importlib import metadata

    packages = ("ieco_opt", "pyomo", "highspy")
    return "  ".join(f"{package} {metadata.version(package)}" for package in packages)


def _print_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        click.echo(_versions())
        ctx.exit()


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=epilog(""),
    invoke_without_command=True,
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the versions of ieco_opt and its solver.",
)
@click.pass_context
def cli(context: click.Context) -> None:
    """Choose how to deploy large language models for inference, and prove the choice.

    SCENARIO is a YAML file, or - for the standard input.

    Exit status: 0 done, 1 a result does not hold or cannot be written, 2 wrong input, 3 proven infeasible,
    4 stopped by a limit with what was found.
    """
    if context.invoked_subcommand is None:
        click.echo(_start())


def _start() -> str:
    """What is shown where nothing is asked: where to begin, and what else there is."""
    lines = [line for example in EXAMPLES[""] for line in (f"  # {example.what}", f"  {example.line}")]
    names = textwrap.wrap(", ".join(sorted(_COMMANDS)), 70, initial_indent="  ", subsequent_indent="  ")
    title = "Choose how to deploy large language models, and prove the choice."
    more = "`ieco-opt COMMAND --help` has options and examples, `ieco-opt terms` the words."
    return "\n".join([title, "", "Begin with:", *lines, "", "Commands:", *names, "", more])


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit status."""
    # What a command imports stays, and most of what it makes: looking through all of it for cycles is rarely worth it.
    gc.set_threshold(_NEW_OBJECTS, 50, 100)
    # At the end even less: the system takes the memory back at once, where Python would take every module apart.
    atexit.register(gc.freeze)
    # Pydantic would read the metadata of every installed package to look for plugins, which have nothing to say here.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # NumPy would start a thread for every core, to multiply matrices that are larger than any here.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _open_closed_streams()
    _escape_what_cannot_be_encoded()
    try:
        answer = answered(cli)
        if answer is not None:
            sys.exit(answer)
        # Batch systems send SIGTERM first; a search turns both signals into a request to stop.
        with interrupting() as interruption:
            status = _run(arguments, interruption)
            _flush()
    except KeyboardInterrupt:
        # While an error was being said.
        status = ExitStatus.STOPPED
    except BrokenPipeError:
        # The reader of our output has gone, and has all it wanted.
        _silence_output()
        status = ExitStatus.DONE
    except OSError as error:
        _silence_output()
        _say(f"error: the output cannot be written ({error.strerror or error})")
        status = ExitStatus.INTERNAL_ERROR
    sys.exit(status)


def _run(arguments: list[str] | None, interruption: Interruption) -> int:
    """Run a command; every error that is meant becomes its lines and its exit status."""
    try:
        # Not `cli.main`, which would end with 1 where a reader of the output has gone.
        with cli.make_context("ieco-opt", list(sys.argv[1:] if arguments is None else arguments)) as context:
            try:
                status = cli.invoke(context)
            except ScenarioError as error:
                _say(*(f"error: {_with_option(fault, context)}" for fault in error.faults))
                return ExitStatus.INTERNAL_ERROR if isinstance(error, UnwrittenError) else ExitStatus.WRONG_INPUT
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.exceptions.NoArgsIsHelpError as help_instead:
        # Our own text, in lines.
        help_instead.show()
        return ExitStatus.WRONG_INPUT
    except click.ClickException as error:
        error.message = printable(error.message)  # type: ignore[misc]
        error.show()
        return ExitStatus.WRONG_INPUT
    except (click.Abort, KeyboardInterrupt):
        _say(_INTERRUPTED)
        return ExitStatus.STOPPED
    except InfeasibleError as error:
        explained = isinstance(error, InfeasibleFleetError)
        cause = "an irreducible infeasible subset of the limits and the minimal relaxation of each"
        _say(f"{error}" if explained else f"{error}; `ieco-opt explain` finds {cause}")
        return ExitStatus.INFEASIBLE
    except SolverMissingError as error:
        _say(f"error: {error}")
        return ExitStatus.WRONG_INPUT
    except SearchStoppedError as error:
        _say(f"{error}")
        return ExitStatus.STOPPED
    except IecoOptError as error:
        _say(f"error: {error}")
        return ExitStatus.INTERNAL_ERROR
    except OSError as error:
        if error.filename is None:
            raise
        _say(f"error: found {found(str(error.filename))}, expected a file ({error.strerror or error})")
        return ExitStatus.WRONG_INPUT
    except Exception as error:
        if interruption.came:
            _say(_INTERRUPTED)
            return ExitStatus.STOPPED
        # The last line of defence: whatever this is, it is a fault of ours, and a traceback helps nobody but us.
        _say(_report(error))
        return ExitStatus.INTERNAL_ERROR
    return status if isinstance(status, int) else ExitStatus.DONE


_OTHER_NAMES = {"heuristic": "heuristics", "evaluations": "budget"}
"""Parameters of commands that faults of the library call otherwise."""


def _with_option(fault: Fault, context: click.Context) -> Fault:
    """Name the option, where a fault is not about a file but about an argument of the library."""
    if fault.file is not None or fault.line is not None:
        return fault
    command = cli.get_command(context, str(context.invoked_subcommand))
    commands = [*command.commands.values()] if isinstance(command, click.Group) else [command]
    parameters = {each.name: each for one in commands if one is not None for each in one.params}
    name = fault.field.removeprefix("budget.")
    parameter = parameters.get(_OTHER_NAMES.get(name, name))
    if parameter is None:
        return fault
    shown = parameter.opts[0] if isinstance(parameter, click.Option) else parameter.make_metavar(context)
    return replace(fault, field=shown)


def _open_closed_streams() -> None:
    """Where the caller closed an output, write to nowhere: solvers redirect what they take to be open."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115


def _escape_what_cannot_be_encoded() -> None:
    """Terminals and pipes that know few characters get the others escaped, not an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _report(error: Exception) -> str:
    """Keep the traceback of an unforeseen error in a file, and say in one line what to report."""
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile(
        "w", prefix="ieco-opt-", suffix=".txt", delete=False, encoding="utf-8", errors="replace"
    ) as kept:
        kept.write(f"ieco-opt {' '.join(sys.argv[1:])}\n{_versions()}\n\n")
        kept.write("".join(traceback.format_exception(error)))
    named = f"{type(error).__name__}: {error}".splitlines()[0][:_MOST_LETTERS]
    return f"error: an internal fault ({named}); please report it with the file {kept.name}, which says where"


def _say(*lines: str) -> None:
    """Write lines to standard error, if anybody can read them."""
    with contextlib.suppress(OSError):
        for line in lines:
            click.echo(printable(line), err=True)


def _flush() -> None:
    """Write what is left, so that a full disk is noticed while it can still be said."""
    if sys.stdout is not None:
        sys.stdout.flush()


def _silence_output() -> None:
    """Let Python not complain once more when it closes the standard output."""
    if sys.stdout is not None:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
