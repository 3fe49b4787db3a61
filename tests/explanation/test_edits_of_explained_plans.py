"""Every number, word and list of an explanation of a plan is changed in turn: `verify` sees it or says it could not."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatch

import pytest
from edited_results import Edit, Edits
from explained_fleets import ALIKE, FRUGAL, HUNGRY, counted, priced

from ieco_opt.explanation.fleet_explainer import explain_fleet
from ieco_opt.results.fleet_explanation import FleetExplanation
from ieco_opt.verification.verify import Scene, check

UNSEEN = {
    "plans.*.levels.*.bound": "bounds of plans",
    "*.plan.bound": "their bounds",
    "*.plan.gap": "their bounds",
    "binding_together": "binding_together is least",
}
"""Fields of which some edit may pass, and the words with which `verify` then says that it did not check them."""

ASKED = ("question.objective",)

SMALL: dict[str, Callable[[], FleetExplanation]] = {
    "counted": lambda: explain_fleet(counted()),
    "together": lambda: explain_fleet(counted(pools=[HUNGRY | ALIKE | {"max_power_kw": 5.0}, FRUGAL | ALIKE])),
    "priced": lambda: explain_fleet(
        priced(
            weights=["fp8"],
            engine=["vllm"],
            serving=["disaggregated"],
            pools=["h100"],
            design_space={"tensor_parallel": [1, 2], "attention_data_parallel": [1], "pipeline_parallel": [1]},
        )
    ),
}


def key(edit: Edit) -> str:
    return ".".join(part if isinstance(part, str) else "*" for part in edit.place)


def says_the_same(edit: Edit) -> bool:
    """Whether only rows change places that have no order: those of one node, and types of as many GPUs."""
    if edit.place[-1] not in ("nodes", "instances") or edit.now != edit.was[::-1]:
        return False
    order = ("pool", "node") if edit.place[-1] == "nodes" else ("workload", "phase", "gpus")
    return len({tuple(row[name] for name in order) for row in edit.was}) == 1


@pytest.mark.parametrize("kind", SMALL)
def test_every_edit_is_seen(kind: str) -> None:
    result = SMALL[kind]()
    scene = Scene.of(result)
    report = check(result, scene)
    assert report.problems == []
    said = " ".join(report.unchecked)
    reader, missed, tried = Edits(result), [], 0
    for edit in reader.all():
        tried += 1
        read, name = reader.read(edit), key(edit)
        if (isinstance(read, str) and read) or (not isinstance(read, str) and check(read, scene).problems):
            continue
        words = [words for pattern, words in UNSEEN.items() if fnmatch(name, pattern)]
        if not (words and words[0] in said) and name not in ASKED and not says_the_same(edit):
            missed.append(str(edit))
    assert tried > 200
    assert missed == []
