"""Plan every night for the demand that a database holds, and write the plan back.

python examples/nightly_plan.py --database sqlite:///plans.db --day 2026-11-27
python examples/nightly_plan.py --database postgresql+psycopg://planner@db/serving

The demand of a day is in the table ``demand``. The plan of a day is one row of ``plan_run`` and its instances in
``plan_instance``; both are replaced in one transaction, so that readers see the whole plan of before or the whole one
of after. A second run on the same demand changes nothing. What the database cannot do at the moment is tried again.

Exit status: 0 planned, or nothing to do; 1 the database failed, each time it was tried, or in a way that lasts (it does
not exist, a wrong password); 2 the demand is wrong or missing, or the URL is wrong; 3 proven infeasible; 4 no plan in
time.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, TypeVar

import pandas as pd
import sqlalchemy as sql
from sqlalchemy.exc import ArgumentError, IntegrityError, OperationalError, SQLAlchemyError

import ieco_opt

POOLS = [
    {"name": "h100", "accelerator": "H100-SXM", "gpus": 64, "usd_per_gpu_hour": 2.1, "node_size": 8},
    {"name": "l40s", "accelerator": "L40S", "gpus": 64, "usd_per_gpu_hour": 0.8, "node_size": 8, "rented_by": "gpu"},
]
LONGEST_S = 600.0
TRIES, FIRST_WAIT_S = 5, 1.0
# Not reachable, locked, restarted; and a row or a table that another run of this job wrote at the same moment.
PASSING = (OperationalError, IntegrityError)
# OperationalError too, but the same the next time. Drivers give no code where a connection fails, only this text.
LASTING = re.compile(
    r"database .* does not exist|role .* does not exist|authentication failed|no password supplied|no pg_hba.conf"
    r"|unable to open database file|readonly database"
)

TABLES = sql.MetaData()
DEMAND = sql.Table(
    "demand",
    TABLES,
    sql.Column("day", sql.Date, primary_key=True),
    sql.Column("workload", sql.String(100), primary_key=True),
    sql.Column("model", sql.String(200), nullable=False),
    sql.Column("weights", sql.String(20), nullable=False),
    sql.Column("requests_per_s", sql.Float, nullable=False),
    sql.Column("prompt_tokens", sql.Integer, nullable=False),
    sql.Column("output_tokens", sql.Integer, nullable=False),
    sql.Column("min_speed", sql.Float),
    sql.Column("max_time_to_first_token_s", sql.Float),
)
RUN = sql.Table(
    "plan_run",
    TABLES,
    sql.Column("day", sql.Date, primary_key=True),
    sql.Column("question", sql.String(64), nullable=False),
    sql.Column("planned_at", sql.DateTime(timezone=True), nullable=False),
    sql.Column("status", sql.String(20), nullable=False),
    sql.Column("usd_per_hour", sql.Float, nullable=False),
    sql.Column("bound", sql.Float, nullable=False),
    sql.Column("gpus", sql.Integer, nullable=False),
    sql.Column("result", sql.Text, nullable=False),
)
INSTANCE = sql.Table(
    "plan_instance",
    TABLES,
    sql.Column("day", sql.Date, sql.ForeignKey("plan_run.day"), primary_key=True),
    sql.Column("workload", sql.String(100), primary_key=True),
    sql.Column("phase", sql.String(20), primary_key=True),
    sql.Column("pool", sql.String(100), primary_key=True),
    sql.Column("instance_type", sql.String(100), primary_key=True),
    sql.Column("instances", sql.Integer, nullable=False),
    sql.Column("gpus", sql.Integer, nullable=False),
    sql.Column("engine", sql.String(50)),
    sql.Column("usd_per_hour", sql.Float, nullable=False),
)

STATUS: dict[type[Exception], int] = {
    ieco_opt.ScenarioError: 2,
    ieco_opt.InfeasibleError: 3,
    ieco_opt.SolverError: 4,
    SQLAlchemyError: 1,
    pd.errors.DatabaseError: 1,
}
"""Exit status of what ends a run."""

T = TypeVar("T")


def retried(action: Callable[[], T], wait: Callable[[float], None] = time.sleep) -> T:
    """Do something with the database, again and again where it cannot at the moment, after longer and longer waits."""
    for tried in range(1, TRIES):
        try:
            return action()
        except (*PASSING, pd.errors.DatabaseError) as error:
            if not passes(error):
                raise
            seconds = FIRST_WAIT_S * 2 ** (tried - 1)
            print(f"try {tried} of {TRIES} failed, again in {seconds:g} s: {said(error)}", file=sys.stderr)
            wait(seconds)
    return action()


def passes(error: Exception) -> bool:
    """Whether another try may help. pandas wraps what SQLAlchemy raises."""
    passing = isinstance(error, PASSING) or isinstance(error.__cause__, PASSING)
    return passing and LASTING.search(said(error)) is None


def said(error: BaseException) -> str:
    """What the driver says, on one line, without the statement."""
    cause = error.__cause__ if isinstance(error, pd.errors.DatabaseError) and error.__cause__ else error
    lines = str(getattr(cause, "orig", None) or cause).splitlines()
    return "; ".join(" ".join(line.split()) for line in lines if line.strip())


def demand_of(engine: sql.Engine, day: date) -> pd.DataFrame:
    """The workloads of a day, one row each."""
    asked = sql.select(DEMAND).where(DEMAND.c.day == day).order_by(DEMAND.c.workload)
    with engine.connect() as connection:
        return pd.read_sql_query(asked, connection).drop(columns="day")


def scenario_of(demand: pd.DataFrame) -> dict[str, Any]:
    """The fleet that has to serve it, as a scenario file holds it."""
    rows = demand.rename(columns={"workload": "name"}).to_dict(orient="records")
    workloads = [{name: value for name, value in row.items() if not pd.isna(value)} for row in rows]
    return {"version": 2, "kind": "fleet", "name": "nightly", "pools": POOLS, "workloads": workloads}


def question_of(scenario: dict[str, Any]) -> str:
    """A name for the question and who answers it: the same question need not be answered twice."""
    asked = json.dumps([ieco_opt.__version__, scenario], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()


def is_answered(engine: sql.Engine, day: date, question: str) -> bool:
    """Whether the plan of a day is the answer to a question already."""
    with engine.connect() as connection:
        return connection.scalar(sql.select(RUN.c.question).where(RUN.c.day == day)) == question


def store(engine: sql.Engine, day: date, question: str, result: ieco_opt.FleetResult) -> None:
    """Put the plan of a day in the place of the one before, all of it or nothing."""
    plan = result[0]
    run = {
        "day": day,
        "question": question,
        "planned_at": datetime.now(UTC),
        "status": str(plan.status),
        "usd_per_hour": plan.usd_per_hour,
        "bound": plan.bound,
        "gpus": plan.gpus,
        "result": result.to_json(),
    }
    columns = [column.name for column in INSTANCE.columns if column.name != "day"]
    rows = result.to_dataframe()[columns].assign(day=day)
    with engine.begin() as connection:
        for table in (INSTANCE, RUN):
            connection.execute(sql.delete(table).where(table.c.day == day))
        connection.execute(sql.insert(RUN), [run])
        rows.to_sql(INSTANCE.name, connection, if_exists="append", index=False)


def plan_day(engine: sql.Engine, day: date, wait: Callable[[float], None] = time.sleep) -> str:
    """Plan one day, and say what was done. No transaction is open while the solver works."""
    retried(lambda: TABLES.create_all(engine), wait)
    demand = retried(lambda: demand_of(engine, day), wait)
    if demand.empty:
        raise ieco_opt.ScenarioError.single(f"found no demand of {day}, expected a row for each workload")
    scenario = scenario_of(demand)
    question = question_of(scenario)
    if retried(lambda: is_answered(engine, day, question), wait):
        return f"{day}: planned already"
    config = replace(ieco_opt.load_solver_config("fleet"), total_time_limit_s=LONGEST_S)
    # The demand is data of others: it names no files of this machine.
    fleet = ieco_opt.load_scenario(json.dumps(scenario), files=False)
    result = ieco_opt.plan(fleet, solver_config=config)
    retried(lambda: store(engine, day, question, result), wait)
    return f"{day}: ${result[0].usd_per_hour:.2f}/h, GPUs: {result[0].gpus}, {result[0].status}"


def main(arguments: list[str] | None = None) -> int:
    """Plan one day, by default today's."""
    parser = argparse.ArgumentParser(description="Plan for the demand of a day, and write the plan back.")
    parser.add_argument("--database", default="sqlite:///plans.db", help="URL of SQLAlchemy")
    parser.add_argument("--day", type=date.fromisoformat, default=datetime.now(UTC).date())
    given = parser.parse_args(arguments)
    try:
        engine = sql.create_engine(given.database, pool_pre_ping=True)
    except (ArgumentError, ImportError, ValueError) as error:
        # Not the URL itself: it may hold a password.
        example = "postgresql+psycopg://planner@db/serving"
        print(f"--database: {said(error)}; expected a URL such as {example}, and its driver installed", file=sys.stderr)
        return 2
    try:
        print(plan_day(engine, given.day))
    except tuple(STATUS) as error:
        print(f"{given.day}: {said(error)}; the plan of before stays", file=sys.stderr)
        return next(status for kind, status in STATUS.items() if isinstance(error, kind))
    finally:
        engine.dispose()
    return 0


if __name__ == "__main__":
    sys.exit(main())
