"""How a command ends, as a number that scripts can read."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """What the process tells its caller; part of the interface."""

    DONE = 0
    INTERNAL_ERROR = 1
    WRONG_INPUT = 2
    INFEASIBLE = 3
    STOPPED = 4
