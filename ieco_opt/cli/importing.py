"""`ieco-opt import`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ieco_opt.errors import Fault, ScenarioError, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ieco_opt.importing import Asked
    from ieco_opt.scenario.fleet import OperatingPoint


def _time(unit: str) -> Callable[[click.Context, click.Parameter, str | None], float | None]:
    """Read a time with or without its unit (``2s``, ``2000ms``, ``2``) in the unit of the option."""

    def read(_context: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
        from ieco_opt.scenario.quantities import seconds

        if text is None:
            return None
        found = seconds(text, parameter.opts[0], unit=unit)
        return found * 1000.0 if unit == "ms" else found

    return read


def _rate(_context: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    from ieco_opt.scenario.quantities import requests_per_s

    return None if text is None else requests_per_s(text, parameter.opts[0])


_OPTIONS = (
    click.option(
        "--gpus",
        "pools",
        multiple=True,
        metavar="NxGPU[@PRICE]",
        help="GPUs to plan on, such as 32xH200 or 8xMI300X@1.4 ($ a GPU an hour). May be repeated.",
    ),
    click.option("--rate", callback=_rate, metavar="R", help="Requests to serve: 10 (a second), 600/min."),
    click.option("--ttft", callback=_time("s"), metavar="S", help="Longest time to first token: 2s, 800ms."),
    click.option("--tpot", callback=_time("ms"), metavar="MS", help="Longest time for each output token: 30ms."),
    click.option("--name", metavar="NAME", help="Name of the scenario and its workload."),
    click.option(
        "--out",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Write the points to .csv, or the scenario to .yaml with its points in a .csv beside it.  [default: print "
        "the scenario with its points]",
    ),
    click.option("--quiet", is_flag=True, help="Print problems only."),
)


def _asking(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what to plan for, and where to write."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.group("import")
def command() -> None:
    """Read figures of another tool, or of benchmarks, as operating points, and write the fleet that plans over them."""


@command.command("aic", short_help="What NVIDIA AIConfigurator saved: pareto.csv and best_config_topn.csv.")
@click.argument("places", metavar="DIR...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--backend", metavar="NAME", help="Server whose rows alone count, where DIR holds those of several.")
@_asking
def aic_command(
    places: tuple[Path, ...],
    backend: str | None,
    pools: tuple[str, ...],
    rate: float | None,
    ttft: float | None,
    tpot: float | None,
    name: str | None,
    out: Path | None,
    quiet: bool,
) -> None:
    """Read what `aiconfigurator cli default --save-dir DIR` wrote (version 0.12.0).

    Each aggregated row becomes an operating point, and each disaggregated one two: its prefill and its decode worker,
    which a plan may then pair with others and in other numbers. TTFT and TPOT are those that AIConfigurator was given;
    without --rate the plan serves as many requests as --gpus can, beside which a note says what it recommends.
    """
    from ieco_opt.importing import Asked, pool_of, read_aic

    figures = read_aic(places, backend)
    ttft, tpot = ttft or figures.ttft_s, tpot or figures.tpot_ms
    title = name or figures.model.rpartition("/")[2]
    about = f"of {figures.model} on {', '.join(figures.backends)}"

    def asked() -> Asked:
        return Asked(title, given, rate, figures.isl, figures.osl, ttft, tpot)

    given = tuple(map(pool_of, pools))
    served = [figures.recommended_rate(int(str(p["gpus"])), str(p["accelerator"]), ttft, tpot) for p in given]
    notes = [*figures.notes]
    if len(served) == 1 and served[0]:
        notes.append(f"of these GPUs AIConfigurator recommends a use that serves {served[0]:.6g} requests/s")
    _deliver(figures.points, notes, about, asked if pools else None, out, quiet=quiet)


@command.command("csv", short_help="A table of benchmarks, whose columns are told what they hold.")
@click.argument("table", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--map", "columns", multiple=True, metavar="COLUMN=FIELD", help="What a column holds. May be repeated.")
@click.option("--with", "constants", multiple=True, metavar="FIELD=VALUE", help="What holds for all rows.")
@click.option("--where", multiple=True, metavar="COLUMN=TEXT", help="Rows that count. May be repeated.")
@click.option("--isl", type=click.IntRange(min=1), metavar="N", help="Prompt tokens.  [default: column isl]")
@click.option("--osl", type=click.IntRange(min=1), metavar="N", help="Output tokens.  [default: column osl]")
@_asking
def csv_command(
    table: Path,
    columns: tuple[str, ...],
    constants: tuple[str, ...],
    where: tuple[str, ...],
    isl: int | None,
    osl: int | None,
    pools: tuple[str, ...],
    rate: float | None,
    ttft: float | None,
    tpot: float | None,
    name: str | None,
    out: Path | None,
    quiet: bool,
) -> None:
    """Read FILE, a CSV table of benchmarks such as those of InferenceX.

    A FIELD is accelerator, gpus, phase, kind, isl, osl; one of throughput_tokens_per_s (of an instance),
    throughput_tokens_per_s_per_gpu, throughput_requests_per_s; and where known one of speed_tokens_per_s, tpot_ms,
    tpot_s and one of time_to_first_token_s, ttft_s, ttft_ms. Without --rate the plan serves as many requests as it can.
    """
    from ieco_opt.importing import Asked, pool_of, read_table

    pairs = {
        "--map": _pairs("--map", columns),
        "--with": _pairs("--with", constants),
        "--where": _pairs("--where", where),
    }
    figures = read_table(table, pairs["--map"], pairs["--with"], pairs["--where"])
    sizes = {"--isl": isl or figures.isl, "--osl": osl or figures.osl}

    def asked() -> Asked:
        missing = [option for option, value in sizes.items() if not value]
        if missing:
            raise ScenarioError([Fault(None, None, each, "found nothing, expected a number") for each in missing])
        given = tuple(map(pool_of, pools))
        return Asked(name or table.stem, given, rate, sizes["--isl"] or 0, sizes["--osl"] or 0, ttft, tpot)

    _deliver(figures.points, figures.notes, f"of {table}", asked if pools else None, out, quiet=quiet)


def _pairs(option: str, given: tuple[str, ...]) -> dict[str, str]:
    """Read ``NAME=VALUE``; names of columns may hold spaces and signs, but the last ``=`` ends them."""
    wrong = [text for text in given if not all(part.strip() for part in text.rpartition("="))]
    if wrong:
        raise ScenarioError([Fault(None, None, option, f"found {each!r}, expected NAME=VALUE") for each in wrong])
    return {name.strip(): value.strip() for name, _, value in (text.rpartition("=") for text in given)}


def _deliver(
    points: Sequence[OperatingPoint],
    notes: Sequence[str],
    about: str,
    asked: Callable[[], Asked] | None,
    out: Path | None,
    *,
    quiet: bool,
) -> None:
    """Write the points, or the scenario with its points, or print the scenario."""
    from ieco_opt.cli.output import show_notes
    from ieco_opt.documents.destinations import check_folder, kind_of, replace_file
    from ieco_opt.documents.yaml_document import yaml_text
    from ieco_opt.importing import fleet_mapping, points_csv, with_points
    from ieco_opt.scenario import load_fleet_mapping

    kind = "yaml" if out is None else kind_of(out, ("csv", "yaml", "yml"))
    if kind != "csv" and asked is None:
        raise click.UsageError("--gpus is missing: it says what to plan on, such as --gpus 32xH200")
    show_notes(notes, quiet=quiet)
    counted = f"{len(points)} operating points {about}"
    if kind == "csv":
        assert out is not None
        check_folder(out)
        replace_file(out, points_csv(points).encode())
        _say(f"wrote {out}: {counted}", quiet=quiet)
        return
    assert asked is not None
    mapping = fleet_mapping(asked())
    whole = with_points(mapping, points)
    # What is written must load: of names and numbers that do not, the loader says which.
    load_fleet_mapping(whole)
    if out is None:
        click.echo(yaml_text(whole), nl=False)
        return
    beside = out.with_suffix(".csv")
    for path in (out, beside):
        check_folder(path)
    replace_file(beside, points_csv(points).encode())
    replace_file(out, yaml_text(with_points(mapping, beside.name)).encode())
    _say(f"wrote {out} and {beside}: {counted}", f"plan over them: ieco-opt fleet {out}", quiet=quiet)


def _say(*lines: str, quiet: bool) -> None:
    for line in () if quiet else lines:
        click.echo(printable(line), err=True)
