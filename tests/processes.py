"""Commands in this process or their own, and Ctrl-C that comes at the same place however busy the machine is."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from places import ROOT

from ieco_opt.cli.main import main

LONGEST_WAIT_S = 300.0


def called(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command in this process, where nothing has to be loaded first; exit status, output and messages."""
    output, messages = io.StringIO(), io.StringIO()
    words = [*map(str, arguments)]
    out, err = contextlib.redirect_stdout(output), contextlib.redirect_stderr(messages)
    with out, err, pytest.raises(SystemExit) as left:
        main(words)
    assert isinstance(left.value.code, int)
    return subprocess.CompletedProcess(words, left.value.code, output.getvalue(), messages.getvalue())


def interrupted(*arguments: object, after_cpu_s: float) -> tuple[int, str, str]:
    """Interrupt a command once it has worked for so many seconds of CPU; exit status, output and messages."""
    command = [sys.executable, "-m", "ieco_opt", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    began = time.monotonic()
    while process.poll() is None and time.monotonic() - began < LONGEST_WAIT_S:
        if _cpu_seconds(process.pid, began) >= after_cpu_s:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    output, messages = process.communicate(timeout=60)
    return process.returncode, output, messages


def _cpu_seconds(pid: int, began: float) -> float:
    """CPU time of a process and its threads; where the system does not say it, the time since it began."""
    try:
        # The name of the command is in parentheses and may hold spaces; utime and stime are fields 14 and 15.
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError:
        return time.monotonic() - began
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def on_terminal(words: list[str], columns: int, **changes: str) -> str:
    """What a command writes to a terminal of so many columns; ``changes`` are variables of its environment."""
    leader, follower = pty.openpty()
    environment = {key: value for key, value in os.environ.items() if key not in {"COLUMNS", "LINES", "NO_COLOR"}}
    size = f"fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack('HHHH', 24, {columns}, 0, 0))"
    script = f"import fcntl, struct, termios; {size}; from ieco_opt.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", script, *words],
        stdout=follower,
        env=environment | {"PYTHONPATH": str(ROOT), "TERM": "xterm"} | changes,
    ) as process:
        os.close(follower)
        written = b""
        while True:
            try:
                more = os.read(leader, 65536)
            except OSError:
                break
            if not more:
                break
            written += more
    os.close(leader)
    assert process.returncode == 0
    return written.decode().replace("\r\n", "\n")
