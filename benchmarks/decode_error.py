"""Time per output token of decoding alone, against measured configurations: the error that the documentation states.

A table has the columns of a measurement: model, weights, accelerator, gpus_per_instance, expert_parallel,
attention_data_parallel, engine, disaggregated, prompt_tokens, output_tokens, batch, time_per_output_token_s. Rows whose
prompts run on other instances are compared, each priced on the server that it ran on; a batch is a mean and at least 1.

    .venv/bin/python benchmarks/decode_error.py ../shared/measured/decode.csv
"""

from __future__ import annotations

import argparse

import pandas as pd

import ieco_opt


def main() -> None:
    """Print how many rows are compared, and the median, 90th percentile and bias of the relative error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measurements")
    measured = pd.read_csv(parser.parse_args().measurements)
    measured = measured[measured["disaggregated"] == 1].reset_index(drop=True)
    priced = ieco_opt.evaluate(points_of(measured), profile="paper-constants")
    error = priced["latency_s"] / measured["time_per_output_token_s"] - 1.0
    print(f"{len(error)} rows: ", end="")
    print(f"median {error.abs().median():.1%}, nine in ten within {error.abs().quantile(0.9):.1%}, ", end="")
    print(f"median of the signed error {error.median():+.1%}")


def points_of(measured: pd.DataFrame) -> pd.DataFrame:
    """The setups that were measured."""
    return pd.DataFrame(
        {
            "model": measured["model"],
            "accelerator": measured["accelerator"],
            "weights": measured["weights"],
            "engine": measured["engine"].map(server_of),
            "tensor_layout": "1d",
            "gpus": measured["gpus_per_instance"],
            "pipeline_parallel": 1,
            "attention_data_parallel": measured["attention_data_parallel"],
            "expert_parallel": measured["expert_parallel"],
            "batch": measured["batch"].clip(lower=1.0),
            "context_tokens": measured["prompt_tokens"],
            "output_tokens": measured["output_tokens"],
            "tokens_per_pass": 1,
        }
    )


def server_of(measured: str) -> str:
    """The server that a measurement says it ran on; any where it is none that is known here."""
    known = {"vllm": "vllm", "sglang": "sglang", "trt": "trtllm"}
    return next((engine for part, engine in known.items() if part in measured), "any")


if __name__ == "__main__":
    main()
