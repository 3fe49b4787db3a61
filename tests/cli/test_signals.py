"""Signals outside searches: a line and status 4, also where a library loses what they raise or makes an error of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from ieco_opt.cli import signals
from ieco_opt.cli.exit_status import ExitStatus
from ieco_opt.cli.main import main
from ieco_opt.cli.signals import interrupting

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")

SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


def lost(number: signal.Signals) -> None:
    """Raise a signal where its exception cannot be passed on, as in a callback of an import."""

    class Fragile:
        def __del__(self) -> None:
            signal.raise_signal(number)

    Fragile()
    time.sleep(5.0)


def swallowed(number: signal.Signals) -> None:
    """Raise a signal in code that catches everything."""
    try:
        signal.raise_signal(number)
    except BaseException:
        time.sleep(5.0)


def made_an_error_of(number: signal.Signals) -> None:
    """Raise a signal in code that makes another error of it."""
    try:
        signal.raise_signal(number)
    except KeyboardInterrupt as interrupt:
        raise RuntimeError("redirected output") from interrupt


def noted_by_python(number: signal.Signals) -> None:
    """Raise a signal in a string of code, which Python remembers when it ends."""
    exec("import signal; signal.raise_signal(number)", {"number": number})  # noqa: S102


@SIGNALS
@pytest.mark.parametrize("way", [lost, swallowed, made_an_error_of, noted_by_python], ids=lambda way: way.__name__)
def test_a_signal_while_a_command_prepares_ends_it_wherever_it_comes(
    way: Callable[[signal.Signals], None],
    number: signal.Signals,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(signals, "AGAIN_S", 0.01)
    monkeypatch.setattr(sys.modules[main.__module__], "import_module", lambda _: way(number))
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)}
    with pytest.raises(SystemExit) as ended:
        main(["solve", "x.yaml"])
    assert ended.value.code == ExitStatus.STOPPED
    assert capfd.readouterr().err == "interrupted before anything was found\n"
    assert {each: signal.getsignal(each) for each in before} == before


def test_an_error_without_a_signal_is_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)

    def broken(_: str) -> Any:
        raise RuntimeError("of this test")

    monkeypatch.setattr(sys.modules[main.__module__], "import_module", broken)
    with pytest.raises(SystemExit) as ended:
        main(["solve", "x.yaml"])
    assert ended.value.code == ExitStatus.INTERNAL_ERROR


def test_a_handler_of_a_search_hears_the_repeated_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "AGAIN_S", 0.01)
    heard: list[int] = []

    def search(number: int, _frame: FrameType | None) -> None:
        heard.append(number)

    with interrupting() as interruption:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        signal.signal(signal.SIGINT, search)
        deadline = time.monotonic() + 5.0
        while not heard and time.monotonic() < deadline:
            time.sleep(0.01)
    assert interruption.came
    assert heard == [signal.SIGINT]


@SIGNALS
def test_a_signal_while_the_command_line_is_imported_is_no_traceback(number: signal.Signals) -> None:
    code = (
        "import builtins, signal\n"
        "honest = builtins.__import__\n"
        "def importing(name, *rest, **given):\n"
        "    if name == 'click':\n"
        f"        signal.raise_signal({int(number)})\n"
        "    return honest(name, *rest, **given)\n"
        "builtins.__import__ = importing\n"
        "from ieco_opt.cli import main\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (ExitStatus.STOPPED, "interrupted before anything was found\n")


def test_a_process_that_was_interrupted_in_a_string_of_code_ends_with_4(tmp_path: Path) -> None:
    # Python only looks at its note where it runs a module by name.
    (tmp_path / "program.py").write_text(
        "import signal, sys\n"
        "from ieco_opt.cli.main import main\n"
        "command_line = sys.modules[main.__module__]\n"
        "command_line.import_module = lambda _: exec('signal.raise_signal(signal.SIGINT)', {'signal': signal})\n"
        "main(['solve', 'x.yaml'])\n"
    )
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    command = [sys.executable, "-m", "program"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path})
    assert (done.returncode, done.stderr) == (ExitStatus.STOPPED, "interrupted before anything was found\n")
