"""`ieco-opt evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ieco_opt.cli.options import quiet_option
from ieco_opt.errors import printable

if TYPE_CHECKING:
    import pandas as pd


@click.command("evaluate")
@click.argument("points", type=click.Path(path_type=Path))
@click.option(
    "--fidelity",
    type=click.Choice(["deployable", "paper"]),
    default="deployable",
    show_default=True,
    help="Which reading of the model; paper takes names of the paper collection.",
)
@click.option(
    "--profile",
    metavar="NAME|FILE",
    help="Constants: auto, a calibration profile, or paper-constants.  [default: auto; none in fidelity paper]",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write to .csv, .json or .parquet.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "json", "csv"]),
    help="What to print on standard output.  [default: csv]",
)
@quiet_option
def command(
    points: Path, fidelity: str, profile: str | None, out: Path | None, output_format: str | None, quiet: bool
) -> None:
    """Time per output token and its parts, of the configurations in POINTS, a CSV file.

    Columns: model, accelerator, tensor_layout, gpus, pipeline_parallel, attention_data_parallel, batch,
    context_tokens, tokens_per_pass; with fidelity deployable also weights (a precision, or a recipe such as
    experts=mxfp4,rest=bf16), and where wanted expert_parallel, redundant_experts, output_tokens, kv_cache,
    memory_utilization, engine, memory_reserve_gb. With prompt_tokens (and prefix_hit) in the place of context_tokens
    prompts share the passes, and times to the first and last token are added. It adds the parts of the time, what
    the most loaded GPU holds, how far the times can be trusted, and whether it fits. A table with a column equation
    (section_2_2 or section_3_5) is evaluated with the closed forms of the paper.
    """
    from ieco_opt.performance.evaluate import evaluate
    from ieco_opt.results.writing import check_ending, write_table

    if out is not None:
        check_ending(out)
    table = evaluate(_read(points), fidelity, profile=profile, file=str(points))
    if out is not None:
        write_table(table, out)
    if output_format is not None or not (quiet and out is not None):
        click.echo(_text(table, output_format or "csv"), nl=False)


def _read(path: Path) -> pd.DataFrame:
    import io

    from ieco_opt.documents import csv_table
    from ieco_opt.documents.text_file import read_text
    from ieco_opt.errors import ScenarioError

    text = read_text(path, expected="a CSV file", most_bytes=None)
    csv_table.check(text, str(path))
    import pandas as pd

    try:
        return pd.read_csv(io.StringIO(text))
    except ValueError as error:
        message = f"found no table ({str(error).splitlines()[0]}); expected a CSV file with a header"
        raise ScenarioError.single(message, file=str(path)) from None


def _text(table: pd.DataFrame, output_format: str) -> str:
    from ieco_opt.results.writing import csv_text, table_to_json

    if output_format == "json":
        return table_to_json(table) + "\n"
    if output_format == "table":
        return "".join(f"{printable(line)}\n" for line in table.to_string(index=False).splitlines())
    return csv_text(table)
