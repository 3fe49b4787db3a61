"""`ieco-opt validate`."""

from __future__ import annotations

from pathlib import Path

import click

from ieco_opt.cli.options import output_options


@click.command("validate")
@click.argument("measurements", type=click.Path(path_type=Path))
@click.option(
    "--profile",
    default="auto",
    show_default=True,
    metavar="NAME|FILE",
    help="Calibration profile: auto (of each accelerator), a name, a .yaml file, or paper-constants.",
)
@output_options
def command(
    measurements: Path, profile: str, out: Path | None, output_format: str | None, plot: Path | None, quiet: bool
) -> int:
    """Predicted against measured times per output token of MEASUREMENTS, a CSV file.

    Columns: model, weights, accelerator, engine, gpus_per_instance, prompt_tokens, output_tokens, batch,
    time_per_output_token_s; where wanted tensor_parallel, attention_data_parallel, expert_parallel,
    pipeline_parallel, disaggregated, kv_cache, exchange, config. Others are passed through. --out writes every
    row with its prediction, its error, and why it was left out.
    """
    from ieco_opt.calibration import facade
    from ieco_opt.cli.output import Delivery
    from ieco_opt.documents.json_document import json_text
    from ieco_opt.reports import figures
    from ieco_opt.reports.text import validation as text

    delivery = Delivery(out, output_format, quiet, plot)
    delivery.check()
    result = facade.validate(measurements, profile)
    return delivery.deliver_rows(
        result.to_dataframe(),
        lambda: json_text(result.to_mapping()),
        lambda width: text.render(result, width),
        lambda path: figures.save_validation(result, path),
    )
