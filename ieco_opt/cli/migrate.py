"""`ieco-opt migrate`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("migrate")
@click.argument("files", metavar="FILE...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write here, and leave the file alone.")
@click.option("--quiet", is_flag=True, help="Say nothing of what was done.")
def command(files: tuple[Path, ...], out: Path | None, quiet: bool) -> None:
    """Rewrite each scenario FILE of version 1 to version 2, in place unless --out is given.

    Version 1 called all ranks of a pipeline stage tensor_parallel; they are stage_ranks now. Comments and layout are
    kept, and the design space stays the same set of configurations. A file that says version 2 is left alone.
    """
    from ieco_opt.documents.destinations import check_folder, replace_file
    from ieco_opt.errors import Fault, ScenarioError, printable
    from ieco_opt.scenario.migrate import migrated_file

    if out is not None:
        if len(files) > 1:
            raise click.UsageError("--out goes with one file")
        check_folder(out)
    migrations, faults = [], list[Fault]()
    for file in files:
        try:
            migrations.append((file, migrated_file(file)))
        except ScenarioError as error:
            faults += error.faults
    if faults:
        raise ScenarioError(faults)
    for file, migration in migrations:
        target = out or file
        if out is not None or not migration.was_current:
            replace_file(target, migration.content)
        if quiet:
            continue
        if migration.was_current:
            said = f"{file} says version 2 already" + ("" if out is None else f"; copied to {out}")
        else:
            names = ", ".join(migration.renamed)
            said = f"wrote {target}" + (f": {names} became stage_ranks" if names else "")
        click.echo(printable(said), err=True)
