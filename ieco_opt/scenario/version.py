"""Versions of scenario files: what changed its meaning, and how a file that does not say its version is told so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

VERSION: Final = 2
"""Version of the scenario files read here: since 2, `tensor_parallel` counts the ranks of one attention group."""

FORMER_VERSION: Final = 1
"""Version in which `tensor_parallel` counted all ranks of a pipeline stage."""


def notes_on_version(names: Sequence[str]) -> tuple[str, ...]:
    """Tell that the numbers of some fields would have meant something else before; nothing where there are none."""
    if not names:
        return ()
    return (
        f"{', '.join(names)}: read as TP, the tensor ranks of one attention group (GPUs = TP x DP x PP); version "
        f"{FORMER_VERSION} counted all ranks of a stage. Say `version: {VERSION}` if TP is meant, or convert the file "
        "with `ieco-opt migrate FILE`",
    )
