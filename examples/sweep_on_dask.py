"""Answer many scenarios on a cluster of Dask: here two processes of this machine, elsewhere the address of a scheduler.

python examples/sweep_on_dask.py
"""

from __future__ import annotations

import sys

import ieco_opt

SCENARIO = """
version: 2
kind: deployment
model: Llama-3.1-8B
weights: [fp8]
accelerators: [H100-SXM]
workload: {context_tokens: 1000, output_tokens: 200}
design_space: {tensor_parallel: [1, 2], attention_data_parallel: [1], pipeline_parallel: [1]}
"""


def main() -> None:
    """Sweep over accelerators and contexts, and print what each costs."""
    from dask.distributed import Client, LocalCluster

    out = sys.argv[1] if len(sys.argv) > 1 else None
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        table = ieco_opt.sweep(
            ieco_opt.load_scenario(SCENARIO),
            over={"accelerators": [["H100"], ["H200"]], "workload.context_tokens": [1000, 8000]},
            out=out,
            executor=client.get_executor(),
        )
    print(table[["accelerators", "workload.context_tokens", "status", "cost_usd_per_mtok"]].to_string())


if __name__ == "__main__":
    main()
