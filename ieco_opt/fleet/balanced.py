"""The classes of request mixes, spread evenly over the instances of a plan."""

from __future__ import annotations

from dataclasses import replace

from ieco_opt.fleet.plan import Plan
from ieco_opt.fleet.program.balance import build_balance_program, read_shares
from ieco_opt.solvers.run import Run, Stopped


def balanced(plan: Plan, run: Run) -> Plan:
    """Spread the classes of each mix evenly over the instances that run; as they are where the run has to end."""
    share: dict[tuple[int, int], float] = {}
    for at, demand in enumerate(plan.problem.workloads):
        classes = range(len(demand.requests_per_s))
        for phase in plan.phases(at) if len(classes) > 1 else ():
            columns = [column for column in plan.problem.columns_of(at, phase) if plan.counts[column]]
            served = [any(plan.problem.columns[column].requests_per_s[c] for column in columns) for c in classes]
            if not all(served):
                # The greatest multiple that caps allow can be none, whatever runs then.
                continue
            model = build_balance_program(plan.problem, columns, [plan.counts[column] for column in columns])
            try:
                solution = run.solve(model)
            except Stopped:
                # The shares of the program itself serve everything too; the plan must not be lost over them.
                return plan
            if solution.has_incumbent:
                share |= read_shares(model, demand.slices)
    return replace(plan, share=plan.share | share)
