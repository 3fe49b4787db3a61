"""The HiGHS library itself, and which of its options may be set."""

from __future__ import annotations

import io
from functools import cache
from importlib import import_module
from typing import Any

from ieco_opt.solvers.one_at_a_time import ALONE


@cache
def highspy() -> Any:
    """Import highspy and swallow the banner that the first solver of a process prints."""
    from pyomo.common.tee import capture_output

    library: Any = import_module("highspy")
    with ALONE, capture_output(io.StringIO(), capture_fd=True):
        library.Highs()
    return library


_SEARCH_OPTIONS = frozenset(
    {
        "mip_detect_symmetry",
        "mip_heuristic_effort",
        "mip_heuristic_run_feasibility_jump",
        "mip_heuristic_run_rens",
        "mip_heuristic_run_rins",
        "mip_heuristic_run_root_reduced_cost",
        "mip_heuristic_run_shifting",
        "mip_heuristic_run_zi_round",
        "mip_lp_age_limit",
        "mip_max_improving_sols",
        "mip_max_leaves",
        "mip_max_nodes",
        "mip_max_stall_nodes",
        "mip_pool_age_limit",
        "mip_pool_soft_limit",
        "mip_pscost_minreliable",
        "presolve",
        "presolve_mode",
        "random_seed",
        "simplex_crash_strategy",
        "simplex_dual_edge_weight_strategy",
        "simplex_dualize_strategy",
        "simplex_permute_strategy",
        "simplex_price_strategy",
        "simplex_primal_edge_weight_strategy",
        "simplex_scale_strategy",
        "simplex_strategy",
        "simplex_update_limit",
        "threads",
    }
)
"""Options that decide how HiGHS searches or when it stops, and not which solutions there are or which is best."""

_TOLERANCES = {
    "dual_feasibility_tolerance": 1e-7,
    "mip_feasibility_tolerance": 1e-6,
    "primal_feasibility_tolerance": 1e-7,
}
"""Tolerances with their defaults; looser ones would let pass what is infeasible."""

_FIELDS = {"mip_rel_gap": "relative_gap", "mip_abs_gap": "relative_gap", "time_limit": "time_limit_s"}
"""Options that a configuration sets by a field of its own."""


def wrong_options(options: dict[str, Any]) -> list[tuple[str, str]]:
    """Options that HiGHS does not know or does not accept, and those that would change what an answer means.

    HiGHS itself says nothing of the former. The latter are all but those that are known to steer the search alone:
    whatever changes the feasible set, the objective, the meaning of a status, or reads or writes files.
    """
    wrong = _unaccepted(options)
    known = {name for name, _ in wrong}
    return wrong + [
        (name, message) for name, value in options.items() if name not in known and (message := _meaning(name, value))
    ]


def without_contradicting(options: dict[str, Any]) -> dict[str, Any]:
    """Options as HiGHS is told them: without ``presolve_mode`` where whole numbers are held tighter than usual.

    With both HiGHS 1.16.0 says of fleets (tests/solvers/test_wrong_answers.py) that one has no plan, and of another
    that a plan is optimal that is not.
    """
    usual = _TOLERANCES["mip_feasibility_tolerance"]
    if options.get("mip_feasibility_tolerance", usual) >= usual:
        return options
    return {name: value for name, value in options.items() if name != "presolve_mode"}


def _meaning(name: str, value: Any) -> str | None:
    """Why an option that HiGHS accepts is refused; ``None`` where it is not."""
    if name in _FIELDS:
        return f"found {value!r}, expected the field {_FIELDS[name]} of the configuration instead"
    if name in _TOLERANCES:
        most = _TOLERANCES[name]
        return (
            None
            if value <= most
            else f"found {value!r}, expected at most {most:g}: looser lets pass what is infeasible"
        )
    if name in _SEARCH_OPTIONS:
        return None
    return f"found {value!r}, expected an option that only steers the search: this one can change what an answer means"


@cache
def _scratch() -> Any:
    """A solver that solves nothing, to try options on: one for the whole process, since making one takes a while."""
    solver = highspy().Highs()
    solver.setOptionValue("output_flag", False)
    return solver


def _unaccepted(options: dict[str, Any]) -> list[tuple[str, str]]:
    """Options that HiGHS does not know or does not accept."""
    library, scratch = highspy(), _scratch()
    wrong = []
    for name, value in options.items():
        status, usual = scratch.getOptionValue(name)
        if status != library.HighsStatus.kOk:
            wrong.append((name, f"HiGHS {scratch.version()} has no such option"))
        elif isinstance(value, str) and not isinstance(usual, str):
            # HiGHS reads numbers out of texts, and nobody else does.
            wrong.append(
                (name, f"found {value!r}, expected {'true or false' if isinstance(usual, bool) else 'a number'}")
            )
        elif scratch.setOptionValue(name, value) != library.HighsStatus.kOk:
            wrong.append((name, f"found {value!r}, which HiGHS {scratch.version()} does not accept"))
    return wrong
