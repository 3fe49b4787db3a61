"""Answer scenarios of strangers: no files, bounded work, a process of its own that may be lost.

python examples/service.py
"""

from __future__ import annotations

import resource
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import get_context

import ieco_opt

MOST_SETUPS = 60_000
LONGEST_S = 20.0
MOST_BYTES = 8 * 2**30

SCENARIO = """
version: 2
kind: deployment
model: Llama-3.1-8B
weights: [fp8]
accelerators: [H100-SXM]
workload: {context_tokens: 1000, output_tokens: 200}
"""


def bound_memory() -> None:
    """Bound the memory of a worker, which then ends on its own before the machine is short of it."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))


def answer(text: str) -> tuple[int, str]:
    """A status of HTTP, and the JSON of a result or what is wrong with the scenario."""
    config = replace(ieco_opt.load_solver_config("fast"), total_time_limit_s=LONGEST_S)
    try:
        scenario = ieco_opt.load_scenario(text, files=False, max_setups=MOST_SETUPS)
        return 200, ieco_opt.frontier(scenario, solver_config=config).to_json()
    except (ieco_opt.ScenarioError, ieco_opt.InfeasibleError) as error:
        return 422, str(error)
    except ieco_opt.SolverError as error:
        return 503, str(error)


def main() -> None:
    """Answer a scenario, one that names a file and one that asks for too much."""
    degrees = list(range(1, 401))
    too_much = f"{SCENARIO}design_space: {{tensor_parallel: {degrees}, attention_data_parallel: {degrees}}}\n"
    with ProcessPoolExecutor(2, get_context("spawn"), initializer=bound_memory) as workers:
        for text in (SCENARIO, SCENARIO.replace("Llama-3.1-8B", "/etc/model.yaml"), too_much):
            try:
                status, body = workers.submit(answer, text).result()
            except BrokenProcessPool:
                status, body = 503, "the worker was lost"
            print(status, body.splitlines()[0][:100], f"({len(body):,} characters)")


if __name__ == "__main__":
    main()
