"""The picture of measured and predicted frontiers (benchmarks/measured_frontiers.py)."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def frontiers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module under test, which is no part of the package."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    for name in ("calibration", "energy", "measured_frontiers"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return import_module("measured_frontiers")


def test_a_frontier_holds_what_nothing_exceeds_in_both(frontiers: ModuleType) -> None:
    speed = np.array([5.0, 1.0, 3.0, 3.0, 2.0, 5.0])
    throughput = np.array([1.0, 9.0, 4.0, 6.0, 6.0, 0.5])
    assert frontiers.frontier(speed, throughput).tolist() == [1, 3, 0]


def rows(model: str, accelerator: str, count: int, slower: float = 1.25) -> pd.DataFrame:
    """Batches 1, 2, 4 ... on two GPUs whose step takes 10 ms at batch 1; predictions take longer."""
    batch = 2.0 ** np.arange(count)
    time = 0.01 * np.sqrt(batch)
    return pd.DataFrame(
        {"model": model, "accelerator": accelerator, "gpus_per_instance": 2, "batch": batch}
        | {"time_per_output_token_s": time, "predicted_s": slower * time}
    )


def test_each_model_has_panels_of_its_accelerators_with_both_frontiers(frontiers: ModuleType) -> None:
    several = [rows("Llama-3.1-70B", each, 6) for each in ("MI355X", "H100")]
    few = rows("DeepSeek-R1", "H100", frontiers.LEAST_ROWS - 1)
    table = pd.concat([*several, few, rows("DeepSeek-R1", "B200", 5), rows("gpt-oss-120b", "H200", 5)])
    panels = frontiers.draw(table).axes
    assert [axes.get_title(loc="left") for axes in panels] == ["H100", "MI355X", "B200", "H200"]
    named = [[text.get_text() for text in axes.texts] for axes in panels]
    assert named == [["Llama-3.1-70B"], [], ["DeepSeek-R1"], ["gpt-oss-120b"]]
    _, measured, predicted = panels[0].lines
    np.testing.assert_allclose(measured.get_xdata(), 100.0 / np.sqrt(2.0 ** np.arange(6))[::-1])
    np.testing.assert_allclose(measured.get_ydata(), 50.0 * np.sqrt(2.0 ** np.arange(6))[::-1])
    np.testing.assert_allclose(predicted.get_xdata(), measured.get_xdata() / 1.25)
    np.testing.assert_allclose(predicted.get_ydata(), measured.get_ydata() / 1.25)
    assert panels[0].get_xlim() == panels[1].get_xlim()
    assert panels[0].get_xscale() == panels[0].get_yscale() == "log"
