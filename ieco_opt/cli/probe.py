"""`ieco-opt probe`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ieco_opt.cli.options import quiet_option
from ieco_opt.defaults import PROBE_BATCHES, PROBE_CONTEXTS, PROBE_SECONDS
from ieco_opt.errors import ScenarioError

if TYPE_CHECKING:
    from ieco_opt.catalog.types import Model
    from ieco_opt.probing.devices import Machine
    from ieco_opt.probing.probe import Probed

_COUNT = click.IntRange(min=1)

_Entry = TypeVar("_Entry")


class _Counts(click.ParamType[tuple[int, ...]]):
    """Whole numbers from 1 on, with commas between."""

    name = "counts"

    def convert(
        self, value: str | tuple[int, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if not isinstance(value, str):
            return value
        parts = [each.strip() for each in value.split(",")]
        if not all(each.isascii() and each.isdigit() and 0 < int(each) <= _MOST for each in parts):
            self.fail(f"found {value!r}, expected whole numbers from 1 to {_MOST:,} with commas between", param, ctx)
        return tuple(dict.fromkeys(map(int, parts)))


_MOST = 10_000_000


def _listed(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))


@click.command("probe")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    required=True,
    help="Write the accelerator entry to .yaml; with --decode the rows to .csv.",
)
@click.option(
    "--profile-out", type=click.Path(path_type=Path), metavar="FILE", help="Write a profile's prior to .yaml."
)
@click.option("--decode", metavar="MODEL", help="Time decode steps of a model: a name, a config.json or a .yaml file.")
@click.option(
    "--batches", type=_Counts(), metavar="N,...", help=f"Sequences in flight.  [default: {_listed(PROBE_BATCHES)}]"
)
@click.option(
    "--contexts", type=_Counts(), metavar="N,...", help=f"Tokens in the cache.  [default: {_listed(PROBE_CONTEXTS)}]"
)
@click.option("--layers", type=_COUNT, metavar="N", help="At most so many layers of a kind.  [default: all that fit]")
@click.option(
    "--device", type=click.Choice(["cuda", "cpu"]), help="What to measure.  [default: a card if there is one]"
)
@click.option(
    "--cards", type=_COUNT, metavar="N", help="Cards for all-reduces; processes of the CPU.  [default: all; 1]"
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.1, max=3600),
    default=PROBE_SECONDS,
    show_default=True,
    help="What the measurements take, about.",
)
@click.option("--accelerator", metavar="NAME", help="The catalog's card that this is.  [default: by the device's name]")
@click.option("--profile", metavar="NAME|FILE", help="Profile to start from.  [default: the card's, or the nearest]")
@quiet_option
def command(
    out: Path,
    profile_out: Path | None,
    decode: str | None,
    device: str | None,
    cards: int | None,
    seconds: float,
    accelerator: str | None,
    profile: str | None,
    quiet: bool,
    **only_decode: Any,
) -> int:
    """Measure this machine for the performance model; AMD's cards are cuda too.

    Copies, matrices, launches and all-reduces become an accelerator entry and a profile to start from. --decode times
    decode steps with random weights instead, as rows that `calibrate` and `validate` read. It needs torch
    (pip install 'ieco_opt[probe]').
    """
    _check(out, profile_out, profile, decode, only_decode, accelerator, cards)

    def doing(words: str) -> None:
        if not quiet:
            click.echo(f"measuring {words}", err=True)

    if decode is not None:
        from ieco_opt.probing.decode import model_named

        # Before torch is imported, which takes long.
        model = _found("decode", lambda: model_named(decode))
        machine = _machine(device, cards)
        return _decode(machine, model, out, quiet, doing, only_decode, accelerator=accelerator, seconds=seconds)
    from ieco_opt.probing.probe import probe

    machine = _machine(device, cards)
    result = probe(machine, seconds=seconds, accelerator=accelerator, profile=profile, doing=doing)
    return _deliver(result, out, profile_out, quiet=quiet)


def _check(
    out: Path,
    profile_out: Path | None,
    profile: str | None,
    decode: str | None,
    only_decode: Mapping[str, object],
    accelerator: str | None,
    cards: int | None,
) -> None:
    """Refuse what cannot be written or makes no sense before anything is measured."""
    from ieco_opt import catalog
    from ieco_opt.catalog.profiles import calibration
    from ieco_opt.documents.destinations import check_folder, kind_of

    others: Mapping[str, object] = (
        only_decode if decode is None else {"profile-out": profile_out, "profile": profile, "cards": cards}
    )
    if given := [name for name, value in others.items() if value is not None]:
        why = "which is not said with --decode" if decode is not None else "which needs --decode MODEL"
        raise click.UsageError(f"found --{given[0]}, {why}")
    kind_of(out, ("csv", "parquet") if decode is not None else ("yaml", "yml"))
    check_folder(out)
    if profile_out is not None:
        kind_of(profile_out, ("yaml", "yml"))
        check_folder(profile_out)
        if profile_out.resolve() == out.resolve():
            raise ScenarioError.single("found the file of --out, expected another name", file=str(profile_out))
    if profile is not None:
        calibration(profile)
    if accelerator is not None:
        _found("accelerator", lambda: catalog.accelerator(accelerator))


def _found(option: str, look: Callable[[], _Entry]) -> _Entry:
    """Look something up; where a name is none, the option is named."""
    try:
        return look()
    except ScenarioError as error:
        raise ScenarioError(
            [each if each.file is not None else replace(each, field=option) for each in error.faults]
        ) from None


def _machine(device: str | None, cards: int | None) -> Machine:
    from ieco_opt.probing.devices import machine_of

    return machine_of(device, cards)


def _deliver(result: Probed, out: Path, profile_out: Path | None, *, quiet: bool) -> int:
    from ieco_opt.cli.output import Delivery, show_notes
    from ieco_opt.documents.destinations import replace_file
    from ieco_opt.reports.text.probe import render_probe

    # Both texts are made before either file is touched.
    texts = {out: result.card_text()}
    if profile_out is not None:
        texts[profile_out] = result.prior_text(profile_out.stem)
    show_notes(result.notes(), quiet=quiet)

    def save(_: Path) -> None:
        for path, text in texts.items():
            replace_file(path, text.encode())

    return Delivery(out, None, quiet).deliver_record(
        result.card_text,
        lambda width: render_probe(result, width),
        save=save,
    )


def _decode(
    machine: Machine,
    model: Model,
    out: Path,
    quiet: bool,
    doing: Callable[[str], None],
    options: Mapping[str, Any],
    **others: Any,
) -> int:
    from ieco_opt.cli.output import Delivery, show_notes
    from ieco_opt.probing.decode import decoded
    from ieco_opt.reports.text.probe import render_rows
    from ieco_opt.results.writing import csv_text, write_table

    given = {name: value for name, value in options.items() if value is not None}
    result = decoded(machine, model, doing=doing, **given, **others)
    show_notes(result.notes, quiet=quiet)
    return Delivery(out, None, quiet).deliver_record(
        lambda: csv_text(result.rows),
        lambda width: render_rows(result.rows, width),
        save=lambda path: write_table(result.rows, path),
    )
