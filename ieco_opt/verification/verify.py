"""Checking a saved result of any kind without a solver."""

from __future__ import annotations

from pathlib import Path

from ieco_opt.fleet.verify import check_plans, check_prices
from ieco_opt.performance.model_version import MODEL_VERSION
from ieco_opt.results.answer import Answer
from ieco_opt.results.comparison import Comparison
from ieco_opt.results.explanation import Explanation
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.plan import FleetResult
from ieco_opt.results.reading import load_result
from ieco_opt.verification.consistency import Verification, check_consistency
from ieco_opt.verification.deployments import check_deployments


def verify(result: Answer | str | Path) -> Verification:
    """Check a result, or the JSON file of one, against its own scenario, with the facts that it keeps.

    Where the result says another number of the performance model than this version has, that is a problem, and only
    what does not depend on the model is checked.

    Raises
    ------
    ScenarioError
        The file is no result, or its scenario is wrong.
    """
    if not isinstance(result, Answer):
        return verify(load_result(result))
    report = Verification()
    same_model = result.versions.model == MODEL_VERSION
    if not same_model:
        report.problems.append(
            f"versions.model: found {result.versions.model}, this version has the performance model "
            f"{MODEL_VERSION}; figures of the model were not checked"
        )
    if isinstance(result, FleetResult):
        found = check_plans(result)
        report.plans, report.rows, report.nodes = found.plans, found.rows, found.nodes
        report.problems += found.problems
        if same_model:
            report.problems += check_prices(result)
        report.unchecked += ["that the bounds of plans are right, and what a better plan would violate"]
    if isinstance(result, Frontier | Explanation | Comparison):
        check_consistency(result, report)
        if same_model:
            check_deployments(result, report)
    if isinstance(result, Explanation):
        report.unchecked.append("limits, runner-ups and relaxations of an explanation")
    if isinstance(result, Comparison):
        report.unchecked.append("proposals and measures of heuristics")
    return report
