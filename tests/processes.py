"""Commands in processes of their own, and Ctrl-C that comes at the same place however busy the machine is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

LONGEST_WAIT_S = 300.0


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
