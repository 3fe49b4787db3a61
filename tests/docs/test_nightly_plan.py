"""The nightly job of the examples, on SQLite and PostgreSQL: again, with another demand, with a database that fails."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sql
from places import ROOT
from sqlalchemy.exc import OperationalError

import ieco_opt

DAY = date(2026, 11, 27)


@pytest.fixture(scope="module")
def nightly() -> ModuleType:
    spec = importlib.util.spec_from_file_location("nightly_plan", ROOT / "examples" / "nightly_plan.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def engine(nightly: ModuleType, tmp_path: Path) -> Iterator[sql.Engine]:
    """A database with the demand of one day."""
    made = sql.create_engine(f"sqlite:///{tmp_path / 'plans.db'}")
    nightly.TABLES.create_all(made)
    put_demand(nightly, made)
    yield made
    made.dispose()


def put_demand(nightly: ModuleType, engine: sql.Engine) -> None:
    row = {"workload": "chat", "model": "Llama-3.1-8B", "weights": "fp8", "requests_per_s": 4.0, "prompt_tokens": 1000}
    with engine.begin() as connection:
        connection.execute(sql.insert(nightly.DEMAND), [row | {"day": DAY, "output_tokens": 200, "min_speed": 20.0}])


def set_rate(nightly: ModuleType, engine: sql.Engine, rate: float) -> None:
    with engine.begin() as connection:
        connection.execute(sql.update(nightly.DEMAND).values(requests_per_s=rate))


def stored(nightly: ModuleType, engine: sql.Engine) -> tuple[pd.DataFrame, pd.DataFrame]:
    with engine.connect() as connection:
        runs, instances = (
            pd.read_sql_query(sql.select(table), connection) for table in (nightly.RUN, nightly.INSTANCE)
        )
    return runs, instances


def test_a_plan_is_written_once_and_replaced_when_the_demand_changes(
    nightly: ModuleType, engine: sql.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "optimal" in nightly.plan_day(engine, DAY)
    runs, instances = stored(nightly, engine)
    (result,) = runs["result"]
    (tmp_path / "plan.json").write_text(result, "utf-8")
    assert ieco_opt.verify(tmp_path / "plan.json").problems == []
    assert instances["usd_per_hour"].sum() == pytest.approx(runs["usd_per_hour"][0])
    set_rate(nightly, engine, 40.0)
    nightly.plan_day(engine, DAY)
    more, others = stored(nightly, engine)
    assert len(more) == 1
    assert more["usd_per_hour"][0] > runs["usd_per_hour"][0]
    assert others["usd_per_hour"].sum() == pytest.approx(more["usd_per_hour"][0])

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("the same question was answered twice")

    monkeypatch.setattr(ieco_opt, "plan", refused, raising=False)
    assert nightly.main(["--database", str(engine.url), "--day", str(DAY)]) == 0
    pd.testing.assert_frame_equal(stored(nightly, engine)[0], more)


def test_a_failure_in_the_middle_leaves_the_plan_of_before_and_is_tried_again(
    nightly: ModuleType, engine: sql.Engine
) -> None:
    nightly.plan_day(engine, DAY)
    before = stored(nightly, engine)
    set_rate(nightly, engine, 40.0)
    failures, waits = [sqlite3.OperationalError("database is locked")] * 2, list[float]()

    @sql.event.listens_for(engine, "before_cursor_execute")
    def fail(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO plan_instance") and failures:
            raise OperationalError(statement, None, failures.pop())

    def wait(seconds: float) -> None:
        waits.append(seconds)
        for now, then in zip(stored(nightly, engine), before, strict=True):
            pd.testing.assert_frame_equal(now, then)

    nightly.plan_day(engine, DAY, wait)
    assert waits == [1.0, 2.0]
    assert stored(nightly, engine)[0]["usd_per_hour"][0] > before[0]["usd_per_hour"][0]
    after = stored(nightly, engine)
    set_rate(nightly, engine, 4.0)
    failures.extend([sqlite3.OperationalError("disk I/O error")] * nightly.TRIES)
    with pytest.raises(pd.errors.DatabaseError, match="disk I/O error"):
        nightly.plan_day(engine, DAY, lambda _: None)
    for now, then in zip(stored(nightly, engine), after, strict=True):
        pd.testing.assert_frame_equal(now, then)


def test_a_day_without_demand_or_plan_ends_with_its_own_status(
    nightly: ModuleType, engine: sql.Engine, capfd: pytest.CaptureFixture[str]
) -> None:
    database = str(engine.url)
    assert nightly.main(["--database", database, "--day", "2026-11-28"]) == 2
    set_rate(nightly, engine, 1e6)
    assert nightly.main(["--database", database, "--day", str(DAY)]) == 3
    assert "the plan of before stays" in capfd.readouterr().err


@pytest.fixture
def postgres() -> Iterator[tuple[str, Callable[[], None]]]:
    """The URL of a PostgreSQL that does not run yet, on a socket in a folder of its own, and what starts it."""
    if importlib.util.find_spec("psycopg") is None:
        pytest.skip("needs psycopg, PostgreSQL's driver: pip install 'psycopg[binary]'")
    found = [path for each in ("initdb", "pg_ctl") if (path := which(each))]
    if len(found) < 2:
        pytest.skip("needs initdb and pg_ctl, of PostgreSQL's server")
    initdb, pg_ctl = found
    # It refuses to run as root. The folder is not below pytest's, which is root's alone.
    nobody: dict[str, Any] = {"user": "nobody", "extra_groups": []} if os.geteuid() == 0 else {}
    # A socket's path has about 100 characters at most.
    folder = tempfile.mkdtemp(prefix="pg")
    if nobody:
        shutil.chown(folder, "nobody")

    def run(*words: str) -> None:
        log = Path(folder, "log")
        with log.open("a") as output:
            done = subprocess.run(words, cwd=folder, stdout=output, stderr=subprocess.STDOUT, check=False, **nobody)
        assert done.returncode == 0, log.read_text("utf-8")

    data = f"{folder}/data"
    run(initdb, "-D", data, "-U", "planner", "-A", "trust", "--no-sync")
    options = f"-c listen_addresses='' -c fsync=off -k {folder}"
    try:
        yield (
            f"postgresql+psycopg://planner@/postgres?host={folder}",
            lambda: run(pg_ctl, "-D", data, "-w", "-o", options, "start"),
        )
    finally:
        if Path(data, "postmaster.pid").exists():
            run(pg_ctl, "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder)


def which(program: str) -> str | None:
    """Debian has PostgreSQL's programs of the server not on the path."""
    beside = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    return shutil.which(program) or (str(beside[-1]) if beside else None)


def test_on_postgresql_that_comes_up_late_with_another_run_at_the_same_moment(
    nightly: ModuleType,
    postgres: tuple[str, Callable[[], None]],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, start = postgres
    engine, waits = sql.create_engine(url), list[float]()

    def started(seconds: float) -> None:
        waits.append(seconds)
        start()

    with pytest.raises(ieco_opt.ScenarioError, match="no demand"):
        nightly.plan_day(engine, DAY, started)
    assert waits == [1.0]
    put_demand(nightly, engine)
    others = [{"day": DAY, "question": "?", "planned_at": datetime.now(UTC), "status": "", "result": ""}]

    @sql.event.listens_for(engine, "before_cursor_execute")
    def at_the_same_moment(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO plan_run") and others:
            row = others.pop() | {"usd_per_hour": 0.0, "bound": 0.0, "gpus": 0}
            with engine.begin() as another:
                another.execute(sql.insert(nightly.RUN), [row])

    assert "optimal" in nightly.plan_day(engine, DAY, waits.append)
    assert waits == [1.0, 1.0]
    runs, instances = stored(nightly, engine)
    assert (len(runs), runs["status"][0]) == (1, "optimal")
    assert instances["usd_per_hour"].sum() == pytest.approx(runs["usd_per_hour"][0])
    engine.dispose()
    capfd.readouterr()
    assert nightly.main(["--database", url, "--day", str(DAY)]) == 0
    assert "planned already" in capfd.readouterr().out
    monkeypatch.setattr(nightly, "FIRST_WAIT_S", 0.0)
    assert nightly.main(["--database", url.replace("host=", "host=/nowhere"), "--day", str(DAY)]) == 1
    *tries, last = capfd.readouterr().err.splitlines()
    assert len(tries) == nightly.TRIES - 1
    assert "the plan of before stays" in last
    # What lasts is not tried again.
    for known, unknown, what in (("/postgres?", "/nowhere?", "database"), ("planner@", "nowhere@", "role")):
        assert nightly.main(["--database", url.replace(known, unknown), "--day", str(DAY)]) == 1
        (line,) = capfd.readouterr().err.splitlines()
        assert f'{what} "nowhere" does not exist; the plan of before stays' in line
    assert nightly.main(["--database", "postgresql+none://planner:secret@/postgres"]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "expected a URL" in line
    assert "secret" not in line
