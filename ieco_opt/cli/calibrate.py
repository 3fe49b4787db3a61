"""`ieco-opt calibrate`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ieco_opt.cli.options import quiet_option
from ieco_opt.defaults import CALIBRATED
from ieco_opt.errors import ScenarioError

if TYPE_CHECKING:
    from ieco_opt.calibration.calibrate import Calibrated
    from ieco_opt.calibration.setup import Setups

_OPTIONS = {
    "model": "model",
    "accelerator": "accelerator",
    "weights": "weights",
    "engine": "engine",
    "gpus": "gpus_per_instance",
    "tensor_parallel": "tensor_parallel",
    "data_parallel": "attention_data_parallel",
    "expert_parallel": "expert_parallel",
    "pipeline_parallel": "pipeline_parallel",
}
"""Columns of measurements by the options that set them."""

_DEGREE = click.IntRange(min=1)


@click.command("calibrate")
@click.argument("measurements", metavar="MEASUREMENTS...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--profile", metavar="NAME|FILE", help="Profile to start from.  [default: the one of the rows' accelerators]"
)
@click.option("--setup", type=click.Path(path_type=Path), metavar="FILE", help="Columns that benchmarks do not write.")
@click.option("--model", metavar="NAME", help="Model of the runs, where the file names none of the catalog.")
@click.option("--accelerator", metavar="NAME", help="Accelerator of the runs.")
@click.option("--weights", metavar="PRECISION", help="Their weights.  [default: what the model's name says]")
@click.option("--engine", metavar="NAME", help="Their server.  [default: what the file says]")
@click.option("--gpus", type=_DEGREE, metavar="N", help="GPUs of an instance.  [default: TP x DP x PP]")
@click.option("--tensor-parallel", type=_DEGREE, metavar="N", help="Ranks of one attention group.")
@click.option("--data-parallel", type=_DEGREE, metavar="N", help="Attention groups.")
@click.option("--expert-parallel", type=_DEGREE, metavar="N", help="Ranks that experts are spread over.")
@click.option("--pipeline-parallel", type=_DEGREE, metavar="N", help="Pipeline stages.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write the profile to .yaml.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "json", "csv"]),
    help="What to print on standard output; csv: the fitted rows.  [default: table]",
)
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw to .png, .svg or .html.")
@quiet_option
def command(
    measurements: tuple[Path, ...],
    profile: str | None,
    setup: Path | None,
    out: Path | None,
    output_format: str | None,
    plot: Path | None,
    quiet: bool,
    **options: str | int | None,
) -> int:
    """Move a calibration profile by MEASUREMENTS of your own.

    MEASUREMENTS are tables in CSV (the columns of docs/calibration.md), files that `vllm bench serve --save-result`,
    `sglang.bench_serving` and `trtllm-bench --report_json` wrote, or folders of these. Benchmarks do not write
    accelerator and degrees: options say them for all files, or --setup does, a YAML file of columns, with `files` for
    columns of single files by name.
    """
    from ieco_opt.calibration.calibrate import calibrate
    from ieco_opt.catalog.profiles import is_calibration_file
    from ieco_opt.cli.output import Delivery, show_notes
    from ieco_opt.documents.destinations import check_folder, kind_of, replace_file

    Delivery(None, output_format, quiet, plot).check()
    read = [*measurements, *([setup] if setup else [])]
    read += [Path(profile)] if profile is not None and is_calibration_file(profile) else []
    for written in (out, plot):
        _refuse_inputs(written, read)
    if out is not None:
        kind_of(out, ("yaml", "yml"))
        check_folder(out)
    setups = _setups(setup, {_OPTIONS[name]: value for name, value in options.items() if value is not None})
    name = CALIBRATED if out is None else out.stem
    result = calibrate(measurements, profile=profile, setup=setups, name=name)
    show_notes(result.notes(), quiet=quiet)
    from ieco_opt.reports.text.calibration import render_calibration
    from ieco_opt.results.writing import csv_text

    return Delivery(out, output_format, quiet, plot).deliver_record(
        result.to_json,
        lambda width: render_calibration(result, width),
        as_csv=lambda: csv_text(result.rows),
        save=lambda path: replace_file(path, result.profile_text().encode()),
        draw=lambda path: _draw(result, path),
    )


def _draw(result: Calibrated, path: Path) -> None:
    # Drawing is imported last, so that a missing library loses nothing.
    from ieco_opt.reports.figures import calibration

    calibration.save(result, path)


def _setups(path: Path | None, options: dict[str, str | int]) -> Setups:
    from ieco_opt.calibration.setup import read_setup, setup_of
    from ieco_opt.documents.origin import Origin

    given = setup_of(options, Origin())
    return given if path is None else read_setup(path).under(given)


def _refuse_inputs(written: Path | None, read: Iterable[Path]) -> None:
    """Refuse to write over what is read."""
    if written is None:
        return
    target = written.resolve()
    for path in read:
        if target == path.resolve() or (path.is_dir() and target.parent == path.resolve() and target.exists()):
            raise ScenarioError.single("found a file that is read, expected another name", file=str(written))
