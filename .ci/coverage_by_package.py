"""Print the coverage of the last test run by package; fail where a package that must be covered is not.

``python .ci/coverage_by_package.py`` after ``python -m pytest -n 2 --cov``; what is missing of a package is listed by
``python -m coverage report --show-missing --include 'ieco_opt/fleet/*'``.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import coverage

LEAST_PERCENT = 95.0
MUST = ("performance", "programs", "fleet", "pareto")
"""Packages of which so many lines and so many branches must be covered: the answers come from them."""


def main() -> int:
    """Return the exit status: 1 where a package falls short."""
    measured = coverage.Coverage()
    measured.load()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "coverage.json"
        measured.json_report(outfile=str(file))
        files = json.loads(file.read_text("utf-8"))["files"]
    packages: dict[str, list[int]] = defaultdict(lambda: [0] * 4)
    for name, each in files.items():
        summary = each["summary"]
        counts = [summary[f"{kind}_{what}"] for kind, what in _COUNTS]
        package = Path(name).parts[1] if len(Path(name).parts) > 2 else "(files)"
        for key in (package, "all"):
            packages[key] = [total + count for total, count in zip(packages[key], counts, strict=True)]
    print(f"{'package':15}{'lines':>8}{'covered':>9}{'branches':>10}{'covered':>9}")
    short = []
    for package in sorted(packages, key=lambda each: (each == "all", each)):
        covered_lines, lines, covered_branches, branches = packages[package]
        shares = _percent(covered_lines, lines), _percent(covered_branches, branches)
        print(f"{package:15}{lines:8,}{shares[0]:7.1f} %{branches:10,}{shares[1]:7.1f} %")
        if package in MUST and min(shares) < LEAST_PERCENT:
            short.append(package)
    missing = [package for package in MUST if package not in packages]
    for package in short + missing:
        print(f"{package}: expected at least {LEAST_PERCENT:g} % of its lines and of its branches", file=sys.stderr)
    return 1 if short or missing else 0


_COUNTS = (("covered", "lines"), ("num", "statements"), ("covered", "branches"), ("num", "branches"))


def _percent(covered: int, count: int) -> float:
    return 100.0 * covered / count if count else 100.0


if __name__ == "__main__":
    sys.exit(main())
