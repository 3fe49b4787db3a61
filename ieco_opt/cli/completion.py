"""`ieco-opt completion`, and answering a shell that asks how a line may go on."""

from __future__ import annotations

import os

import click

PROGRAM = "ieco-opt"
ASKED = "_IECO_OPT_COMPLETE"
"""Variable by which the shell asks."""


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the script that lets SHELL complete commands, options and names of ieco-opt.

    Put the line that loads it into ~/.bashrc or ~/.zshrc: eval "$(ieco-opt completion bash)", or the same with zsh.
    """
    from click.shell_completion import get_completion_class

    root = click.get_current_context().find_root().command
    of_shell = get_completion_class(shell)
    assert of_shell is not None
    click.echo(of_shell(root, {}, PROGRAM, ASKED).source())


def answered(root: click.Command) -> int | None:
    """Tell a shell how its line may go on, if it asks; the exit status then."""
    instruction = os.environ.get(ASKED)
    if not instruction:
        return None
    from click.shell_completion import shell_complete

    return shell_complete(root, {}, PROGRAM, ASKED, instruction)
