"""All-reduces over 2 to n cards (NCCL, RCCL) or processes of the CPU (Gloo), each rank in a process of its own."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ieco_opt.probing.timings import CPU, CUDA, AllReduceTime

if TYPE_CHECKING:
    from ieco_opt.probing.devices import Machine
    from ieco_opt.probing.sizes import Sizes

_SERIES = 5
_MOST_CALLS = 200
_MOST_LETTERS = 160
_IN_A_GRAPH = 20
"""All-reduces in one captured graph."""


def measured_all_reduces(machine: Machine, sizes: Sizes, seconds: float, notes: list[str]) -> tuple[AllReduceTime, ...]:
    """Times over every number of ranks from 2 to all, each size in about so many seconds.

    One process a rank is started; the first ranks of them form each group. On cards the all-reduces are captured in
    a graph, as servers run them. Where a process fails, a note says why, and nothing is measured.
    """
    ranks = machine.device.count
    if ranks < 2:
        return ()
    with tempfile.TemporaryDirectory() as folder:
        meeting, written = str(Path(folder) / "meeting"), str(Path(folder) / "times")
        given = (ranks, machine.device.kind, sizes.message_bytes, seconds, meeting, written)
        started = machine.torch.multiprocessing.start_processes(
            _rank, args=given, nprocs=ranks, join=False, daemon=True, start_method="spawn"
        )
        try:
            while not started.join():
                pass
        except _failures(machine.torch) as error:
            reason = next((line for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)
            notes.append(f"all-reduces were not measured: {reason.strip()[:_MOST_LETTERS]}")
            return ()
        finally:
            for process in started.processes:
                process.terminate()
        lines = Path(written).read_text("ascii").split("\n")
    return tuple(AllReduceTime(int(ranks_), float(size), float(taken)) for ranks_, size, taken in map(str.split, lines))


def _failures(torch: Any) -> tuple[type[Exception], ...]:
    """What is raised where a process ends early."""
    return (torch.multiprocessing.ProcessRaisedException, torch.multiprocessing.ProcessExitedException)


def _rank(
    rank: int, ranks: int, kind: str, message_bytes: tuple[int, ...], seconds: float, meeting: str, written: str
) -> None:
    """What the process of one rank does; the first writes the times of all."""
    import torch
    import torch.distributed as distributed

    if kind == CPU:
        # Gloo otherwise asks the network what the host is called.
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        torch.set_num_threads(1)
    else:
        torch.cuda.set_device(rank)
    distributed.init_process_group(
        "nccl" if kind == CUDA else "gloo", init_method=f"file://{meeting}", rank=rank, world_size=ranks
    )
    try:
        lines = []
        for members in range(2, ranks + 1):
            group = distributed.new_group(list(range(members)))
            if rank < members:
                for size in message_bytes:
                    taken = _timed(torch, distributed, group, kind, size, seconds)
                    lines.append(f"{members} {size} {taken!r}")
            distributed.barrier()
        if rank == 0:
            Path(written).write_text("\n".join(lines), "ascii")
        distributed.barrier()
    finally:
        distributed.destroy_process_group()


def _timed(torch: Any, distributed: Any, group: Any, kind: str, size: int, seconds: float) -> float:
    """Seconds of one all-reduce of a message of 16-bit words, by the slowest rank; the median of five series."""
    message = torch.zeros(max(size // 2, 1), dtype=torch.bfloat16, device=kind)

    def once() -> None:
        distributed.all_reduce(message, group=group)

    step, each = _captured(torch, once) if kind == CUDA else (once, 1)
    step()
    first = _series(torch, distributed, group, kind, step, 1)
    # All ranks have to agree on how often: they take the first's.
    calls = torch.tensor([max(1, min(_MOST_CALLS, int(seconds / _SERIES / max(first, 1e-7))))], device=kind)
    distributed.broadcast(calls, 0, group=group)
    series = [_series(torch, distributed, group, kind, step, int(calls)) for _ in range(_SERIES)]
    slowest = torch.tensor(sorted(series)[_SERIES // 2], dtype=torch.float64, device=kind)
    distributed.all_reduce(slowest, op=distributed.ReduceOp.MAX, group=group)
    return float(slowest) / each


def _captured(torch: Any, once: Any) -> tuple[Any, int]:
    """A graph of several all-reduces, and how many they are; the plain one where the library takes no capture."""
    once()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            for _ in range(_IN_A_GRAPH):
                once()
    except RuntimeError:
        return once, 1
    return graph.replay, _IN_A_GRAPH


def _series(torch: Any, distributed: Any, group: Any, kind: str, step: Any, calls: int) -> float:
    distributed.barrier(group=group)
    if kind == CUDA:
        torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(calls):
        step()
    if kind == CUDA:
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / calls
