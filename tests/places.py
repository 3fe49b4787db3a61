"""Where the files are that tests read: the repository, its shipped scenarios, stored data."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
SCENARIOS = ROOT / "scenarios"
DATA = TESTS / "data"
