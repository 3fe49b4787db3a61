"""Tokens of cache that the memory model leaves room for, against those that servers logged.

A table has the columns model, weights, accelerator, tensor_parallel, attention_data_parallel, expert_parallel,
memory_utilization, cache_tokens (0: the server did not start), and where logged cache_gib_per_gpu and
weights_gib_per_gpu. A row passes within 10 % of the tokens, or within 1.5 GiB a GPU where less than 10 GiB of cache is
left. `reserve` is what the model reserves on each GPU, `implied` what the log leaves for it.

    .venv/bin/python benchmarks/kv_capacity.py ../shared/measured/kv_capacity.csv
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
import pandas as pd

import ieco_opt

GIB = 2.0**30
CLOSE_SHARE, CLOSE_GIB, LITTLE_GIB, CLOSE_WEIGHTS = 0.10, 1.5, 10.0, 0.03


def main() -> int:
    """Print the comparison; exit status 1 where a row does not pass."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measurements")
    logged = pd.read_csv(parser.parse_args().measurements)
    table = compared(logged, ieco_opt.evaluate(points_of(logged)))
    print(table.to_string(index=False, float_format=lambda value: f"{value:.3g}", na_rep="-"))
    ratio = table["tokens"] / table["logged"]
    ratio = ratio[np.isfinite(ratio) & (table["logged"] > 0)]
    print(f"\npredicted over logged tokens: median {ratio.median():.3f}, {ratio.min():.2f} to {ratio.max():.2f}")
    print(f"passed: {int(table['passed'].sum())} of {len(table)}")
    return 0 if table["passed"].all() else 1


def points_of(logged: pd.DataFrame) -> pd.DataFrame:
    """The setups of a table of logs; one token of context asks for no cache of note."""
    groups = logged["attention_data_parallel"]
    return pd.DataFrame(
        {
            "model": logged["model"],
            "accelerator": logged["accelerator"],
            "weights": logged["weights"],
            "tensor_layout": "1d",
            "gpus": logged["tensor_parallel"] * groups,
            "pipeline_parallel": 1,
            "attention_data_parallel": groups,
            "expert_parallel": logged["expert_parallel"],
            "batch": groups,
            "context_tokens": 1,
            "tokens_per_pass": 1,
            "memory_utilization": logged["memory_utilization"],
            "engine": "vllm",
        }
    )


def compared(logged: pd.DataFrame, priced: pd.DataFrame) -> pd.DataFrame:
    """Predicted and logged figures side by side; tokens of one attention group, which is what a rank logs."""
    groups = logged["attention_data_parallel"]
    tokens = priced["cache_tokens"] / groups
    left = (priced["free_gb"] + priced["cache_gb"]) * 1e9 / GIB
    weights = priced["weights_gb"] * 1e9 / GIB
    usable = left + weights + priced["reserve_gb"] * 1e9 / GIB
    # A log without bytes tells them by its tokens.
    had = logged["cache_gib_per_gpu"].fillna(left * logged["cache_tokens"] / tokens.where(tokens > 0))
    refused = logged["cache_tokens"] == 0
    close = (tokens / logged["cache_tokens"].where(~refused) - 1.0).abs() <= CLOSE_SHARE
    near = (had < LITTLE_GIB) & ((left - had).abs() <= CLOSE_GIB)
    heavy = (weights / logged["weights_gib_per_gpu"] - 1.0).abs() > CLOSE_WEIGHTS
    return pd.DataFrame(
        {
            "model": logged["model"],
            "weights": logged["weights"],
            "accelerator": logged["accelerator"],
            "gpus": priced["gpus"].astype(int),
            "logged": logged["cache_tokens"],
            "tokens": tokens,
            "GiB logged": had,
            "GiB": left,
            "weights logged": logged["weights_gib_per_gpu"],
            "weights GiB": weights,
            "reserve": priced["reserve_gb"] * 1e9 / GIB,
            "implied": usable - weights - had,
            "passed": np.where(refused, tokens <= 0, close | near) & ~heavy,
        }
    )


if __name__ == "__main__":
    sys.exit(main())
