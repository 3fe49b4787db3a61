"""How fast a frontier is proven, beside the enumeration that only samples it.

For each case: setups; segments before and after dominance; seconds of the whole process for 50 and 100 points of a
sampled frontier and for the adaptive one at 5 %; median milliseconds of one epsilon step; and seconds of the tests'
independent oracle over a ladder of batches. Seconds are medians of three runs on the machine at hand.

    python benchmarks/frontier.py
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from oracle import OracleScenario, enumerate_deployments  # noqa: E402

from ieco_opt import Scenario  # noqa: E402
from ieco_opt.design_space.dominance import Cells  # noqa: E402
from ieco_opt.design_space.families import Family  # noqa: E402
from ieco_opt.design_space.from_scenario import design_space_of  # noqa: E402
from ieco_opt.design_space.segments import cut_where_protocols_change  # noqa: E402
from ieco_opt.scenario import resolve  # noqa: E402

RUNS = 3
MODELS = ("Mistral Large 2", "Llama 3 70B 8-bit", "DeepSeek V3")
CONTEXTS = (0, 100_000)
SPECULATION = {"draft_model": "Llama 3 8B MQA", "acceptance": 0.8, "max_draft_tokens": 5}
DEGREES = {"stage_ranks": [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]}
HEAD = (
    "model",
    "context",
    "draft",
    "setups",
    "segments all",
    "left",
    "50 points s",
    "100 points s",
    "adaptive s",
    "(points)",
    "ms/epsilon",
    "oracle s",
)


def main() -> None:
    print("  ".join(HEAD))
    for model in MODELS:
        for context in CONTEXTS:
            for speculates in (False, True):
                print("  ".join(str(value) for value in measure(model, context, speculates=speculates)), flush=True)


def measure(model: str, context: int, *, speculates: bool) -> list[object]:
    fields = {
        "kind": "deployment",
        "fidelity": "paper",
        "model": model,
        "accelerators": ["H100"],
        "workload": {"context_tokens": context},
        "design_space": DEGREES,
    } | ({"speculation": SPECULATION} if speculates else {})
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "case.yaml"
        file.write_text(json.dumps(fields), encoding="utf-8")
        fifty, hundred = (process_seconds(file, "--points", str(count)) for count in (50, 100))
        adaptive, result = process_seconds(file), run(file)
    steps = result["statistics"]["step_seconds"]
    scenario = Scenario(**{name: value for name, value in fields.items() if name != "kind"})
    return [
        f"{model:17}",
        f"{context:6}",
        f"{'yes' if speculates else 'no':3}",
        f"{result['statistics']['counts']['setups']:5}",
        f"{segments_before(scenario):7}",
        f"{result['statistics']['counts']['segments']:4}",
        f"{fifty:5.2f}",
        f"{hundred:5.2f}",
        f"{adaptive:5.2f}",
        f"({len(result['deployments'])})",
        f"{1e3 * statistics.median(steps):5.1f}",
        f"{oracle_seconds(scenario):5.2f}",
    ]


def run(file: Path, *options: str) -> dict[str, object]:
    command = [sys.executable, "-m", "ieco_opt", "frontier", str(file), "--quiet", "--format", "json", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def process_seconds(file: Path, *options: str) -> float:
    """Median wall time of the whole process, imports included."""
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        run(file, *options)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def segments_before(scenario: Scenario) -> int:
    """Segments of every alternative on all its batches, before anything is dropped."""
    space = design_space_of(resolve(scenario))
    return sum(_segments(family, tokens) for family in space.families for tokens in (0, *family.draft_range))


def _segments(family: Family, draft_tokens: int) -> int:
    pairs = [*family.pairs()] if draft_tokens else [(np.arange(len(family.setups)), None)]
    count = 0
    for setups, drafts in pairs:
        alternatives = family.alternatives(setups, draft_tokens, drafts)
        least, most, step = alternatives.batch_min, alternatives.batch_max, alternatives.batch_step
        cells = Cells(np.arange(len(setups)), least, most, step).where(least <= most)
        count += len(cut_where_protocols_change(alternatives, cells))
    return count


def oracle_seconds(scenario: Scenario) -> float:
    """Seconds of the independent enumeration over every batch to 256, then a ladder of 2 % steps."""
    resolved = resolve(scenario)
    space = resolved.design_space
    ladder = np.unique(np.concatenate([np.arange(1, 257), np.geomspace(256, space.batch_max, 210)]).astype(int))
    case = OracleScenario(
        fidelity="paper",
        model=resolved.model,
        accelerators=resolved.accelerators,
        batches=ladder,
        context_tokens=scenario.workload.context_tokens,
        output_tokens=0,
        tensor_parallel=space.tensor_parallel,
        stage_ranks=space.stage_ranks,
        tensor_layout=space.tensor_layout,
        pipeline_parallel=space.pipeline_parallel,
        expert_parallel="auto",
        attention_data_parallel=space.attention_data_parallel,
        max_gpus=space.max_gpus,
        draft_model=resolved.draft,
        acceptance=scenario.speculation.acceptance if scenario.speculation else 0.0,
        max_draft_tokens=scenario.speculation.max_draft_tokens if scenario.speculation else 0,
    )
    start = time.perf_counter()
    enumerate_deployments(case)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
