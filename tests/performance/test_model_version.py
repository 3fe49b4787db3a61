"""The number that results carry is the last one that the changes tell of."""

from __future__ import annotations

import re
from pathlib import Path

from ieco_opt.performance.model_version import MODEL_VERSION

CHANGES = Path(__file__).resolve().parents[2] / "CHANGELOG.md"


def test_each_raise_of_the_models_number_is_told_once() -> None:
    told = re.findall(r"\(performance model (\d+)\)", CHANGES.read_text("utf-8"))
    assert sorted(map(int, told)) == list(range(2, MODEL_VERSION + 1))
