"""The device that torch runs on, and how long something takes there."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ieco_opt.documents.destinations import require_library
from ieco_opt.documents.origin import found
from ieco_opt.errors import ScenarioError
from ieco_opt.probing.timings import CPU, CUDA, Device

_SERIES = 5
"""A time is the median of so many series."""

_MOST_CALLS = 100_000

Step = Callable[[], object]


@dataclass(frozen=True)
class Machine:
    """A device, and torch on it."""

    device: Device
    torch: Any

    @property
    def place(self) -> Any:
        """What torch calls the device."""
        return self.torch.device(self.device.kind)

    def wait(self) -> None:
        """Wait until the device has done all that it was given."""
        if self.device.kind == CUDA:
            self.torch.cuda.synchronize()

    def captured(self, step: Step) -> Step:
        """The same as one launch of a captured graph; on a CPU, which has none, the step itself.

        Raises
        ------
        RuntimeError
            The step cannot be captured.
        """
        if self.device.kind != CUDA:
            return step
        graph = self.torch.cuda.CUDAGraph()
        self.warmed(step)
        with self.torch.cuda.graph(graph):
            step()
        return lambda: graph.replay()

    def warmed(self, step: Step) -> None:
        """Run a step on a stream of its own, so that libraries have their memory before a graph is captured."""
        if self.device.kind != CUDA:
            step()
            return
        stream = self.torch.cuda.Stream()
        stream.wait_stream(self.torch.cuda.current_stream())
        with self.torch.cuda.stream(stream):
            step()
            step()
        self.torch.cuda.current_stream().wait_stream(stream)
        self.wait()

    def timed(self, step: Step, seconds: float) -> float:
        """Seconds of one call of a step: the median of five series that take about so many seconds together.

        A call that takes longer than that counts as it is.
        """
        self.warmed(step)
        once = self._series(step, 1)
        if once > seconds:
            return once
        calls = max(1, min(_MOST_CALLS, int(seconds / _SERIES / max(once, 1e-7))))
        return statistics.median(self._series(step, calls) for _ in range(_SERIES))

    def _series(self, step: Step, calls: int) -> float:
        self.wait()
        start = time.perf_counter()
        for _ in range(calls):
            step()
        self.wait()
        return (time.perf_counter() - start) / calls


def machine_of(kind: str | None, count: int | None) -> Machine:
    """The device to measure.

    Parameters
    ----------
    kind
        ``cuda`` or ``cpu``; ``None``: a card where there is one.
    count
        Cards, or processes of the CPU, that take part in all-reduces; ``None``: all cards, or one process.

    Raises
    ------
    ScenarioError
        Torch is not installed, or the machine has no such device.
    """
    require_library("torch", field="probe")
    import torch

    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    chosen = kind or (CUDA if cards else CPU)
    software = f"torch {torch.__version__}"
    if chosen == CPU:
        memory = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
        name = "-".join(filter(None, ("CPU", platform.machine(), f"{torch.get_num_threads()}-threads")))
        return Machine(Device(name, CPU, memory, count or 1, None, software), torch)
    if not cards:
        message = f"found {found(chosen)}, but torch {torch.__version__} sees no card here; expected {CPU}"
        raise ScenarioError.single(message, field="device")
    if count is not None and count > cards:
        raise ScenarioError.single(f"found {count}, expected at most {cards}, the cards of this machine", field="cards")
    properties = torch.cuda.get_device_properties(0)
    vendor = "amd" if torch.version.hip else "nvidia"
    stack = f"ROCm {torch.version.hip}" if torch.version.hip else f"CUDA {torch.version.cuda}"
    device = Device(
        torch.cuda.get_device_name(0), CUDA, float(properties.total_memory), cards, vendor, f"{software}, {stack}"
    )
    return Machine(replace(device, count=count or cards), torch)
