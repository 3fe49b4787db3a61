"""From saved answers to the servers that they describe."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from ieco_opt.catalog.types import Accelerator, Model
from ieco_opt.documents.origin import found as shown
from ieco_opt.engines.command import LaunchCommand
from ieco_opt.engines.hosts import Devices, host_size, spread
from ieco_opt.engines.launch import ROUTER_PORT, Launch, RoutedWorkload
from ieco_opt.engines.profile import Profile
from ieco_opt.engines.server import Named, Placed, Server, Serving, server_of, slug
from ieco_opt.errors import ScenarioError
from ieco_opt.results.choice import Choice
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.instances import InstanceRow
from ieco_opt.results.plan import FleetPlan, FleetResult, NodeRow
from ieco_opt.scenario.resolve import resolve
from ieco_opt.scenario.resolve_fleet import ResolvedWorkload, resolve_fleet


@dataclass(frozen=True, slots=True)
class LaunchOptions:
    """How servers shall be started.

    Attributes
    ----------
    out_folder
        Where the files shall lie that commands name.
    stem
        What their names begin with.
    trust_remote_code
        Whether servers may run code from the model's repository.
    first_only
        Of the instances of a kind in a plan, the first alone: what people look at, who have thousands of them.
    """

    out_folder: Path = Path()
    stem: str = ""
    trust_remote_code: bool = False
    first_only: bool = False


NO_OPTIONS = LaunchOptions()


@dataclass(frozen=True, slots=True)
class Launched:
    """Servers of an answer.

    Attributes
    ----------
    launches
        One for each point or plan; servers that do not start as they are priced are left out.
    refused
        Why they are, one sentence each.
    unsaid
        What the others cannot be told, or is not known.
    """

    launches: tuple[Launch, ...]
    refused: tuple[str, ...]
    unsaid: tuple[str, ...]


def launched(
    answer: Frontier | FleetResult,
    engine: str | None = None,
    points: Sequence[int] | None = None,
    options: LaunchOptions = NO_OPTIONS,
) -> Launched:
    """Make the servers of points of an answer.

    Parameters
    ----------
    engine
        Name of a server, also of one whose profile the answer brings, or a file; ``None``: the one that each point or
        instance was priced for.
    points
        Numbers of points or plans in the order of the table, from 1; ``None``: all.

    Raises
    ------
    ScenarioError
        The engine is unknown, or the answer has nothing to launch.
    """
    return _sorted_out(_launches(answer, engine, points, options))


def servers_of(answer: Frontier | FleetResult, chosen: Profile | None) -> list[Server]:
    """Every server of every point or plan, also those that do not start as they are priced; errors as of `launched`."""
    return [server for launch in _launches(answer, chosen, None, NO_OPTIONS) for server in launch.servers]


def _launches(
    answer: Frontier | FleetResult, engine: Profile | str | None, points: Sequence[int] | None, options: LaunchOptions
) -> list[Launch]:
    count = len(answer)
    numbers = range(1, count + 1) if points is None else points
    if not count:
        raise ScenarioError.single("found no point, expected at least one that can be launched", field="result")
    for number in numbers:
        if not 1 <= number <= count:
            raise ScenarioError.single(f"found {number}, expected a point from 1 to {count}", field="point")
    stem = options.stem or slug(answer.scenario.name)
    named = replace(options, stem=stem)
    if isinstance(answer, FleetResult):
        plans = _Fleet(answer, engine, named)
        return [plans.launch(number) for number in numbers]
    deployments = _Deployments(answer, engine, named)
    return [deployments.launch(number) for number in numbers]


def one_command(answer: Frontier, engine: str | None, point: int | None, folder: Path) -> LaunchCommand:
    """The command of one point of a frontier, whose file shall lie in a folder.

    Raises
    ------
    ScenarioError
        There are several points and none is chosen, or the server does not start the point as it is priced.
    """
    return _unrefused(answer, engine, point, folder)[0].servers[0].command()


def all_commands(answer: FleetResult, engine: str | None, plan: int | None, folder: Path) -> list[LaunchCommand]:
    """The commands of all instances of a plan, and of the routers before them; errors as of :func:`one_command`."""
    return [command for launch in _unrefused(answer, engine, plan, folder) for command in launch.commands()]


def _unrefused(
    answer: Frontier | FleetResult, engine: str | None, number: int | None, folder: Path
) -> tuple[Launch, ...]:
    if number is None and len(answer) > 1:
        what = "plans" if isinstance(answer, FleetResult) else "points"
        raise ScenarioError.single(f"found no choice among {len(answer)} {what}, expected one from 1", field="point")
    result = launched(answer, engine, None if number is None else [number], LaunchOptions(folder))
    if result.refused:
        raise ScenarioError.single(result.refused[0], field="point")
    return result.launches


def _sorted_out(made: Sequence[Launch]) -> Launched:
    """Leave out what does not start as it is."""
    refused: list[str] = []
    unsaid: list[str] = []
    kept: list[Launch] = []
    for launch in made:
        refused += launch.left_out
        for server in launch.servers:
            name = f"{server.kind}: {server.profile.title}"
            if server.broken:
                refused.append(f"{name} does not start it as it is: {server.broken}")
            else:
                unsaid += [f"{name}: {each}" for each in server.not_expressible]
        unsaid += [f"{each.title}: no router is known" for each in launch.routed if each.router() is None]
        good = tuple(server for server in launch.servers if not server.broken)
        routed = [each for each in launch.routed if not any(server.broken for server in (*each.prefill, *each.decode))]
        if good:
            kept.append(replace(launch, servers=good, routed=tuple(routed)))
    return Launched(tuple(kept), tuple(dict.fromkeys(refused)), tuple(dict.fromkeys(unsaid)))


class _Deployments:
    """Servers of the points of one scenario."""

    def __init__(self, answer: Frontier, engine: Profile | str | None, options: LaunchOptions) -> None:
        resolved = resolve(answer.scenario)
        if not isinstance(resolved.model, Model):
            raise ScenarioError.single(
                "found fidelity paper, which knows no server; expected deployable", field="fidelity"
            )
        self._answer, self._options = answer, options
        self._choice = Choice(engine, resolved.engines)
        self._accelerators = {each.name: each for each in resolved.accelerators}
        speculation = answer.scenario.speculation
        workload = answer.scenario.workload
        self._serving = Serving(
            model=resolved.model,
            reference=answer.scenario.model,
            context_tokens=workload.first_tokens,
            output_tokens=workload.output_tokens,
            memory_utilization=answer.scenario.memory_utilization,
            draft=resolved.draft if isinstance(resolved.draft, Model) else None,
            draft_reference=None if speculation is None else speculation.draft_model,
            engines=resolved.engines,
        )

    def launch(self, number: int) -> Launch:
        """The server of one point."""
        deployment = self._answer[number - 1]
        accelerator = self._accelerators.get(deployment.accelerator)
        if accelerator is None:
            message = f"found {shown(deployment.accelerator)}, expected an accelerator of the scenario"
            raise ScenarioError.single(message, field=f"deployments[{number - 1}].accelerator")
        machines = _machines(deployment.gpus, accelerator)
        alone = len(self._answer) == 1
        title = self._answer.scenario.name if alone else f"point {number} of {self._answer.scenario.name}"
        server = server_of(
            self._choice.of(deployment.engine, self._serving.engines, title),
            deployment.to_dict(),
            self._serving,
            accelerator,
            Placed(tuple(host for host, _ in machines), tuple(devices for _, devices in machines)),
            Named(
                self._options.stem if alone else f"{self._options.stem}-point-{number}",
                title,
                title,
                self._options.out_folder,
            ),
            trust_remote_code=self._options.trust_remote_code,
        )
        return Launch(f"{title}: {_figures(deployment)}", (server,))


def _machines(gpus: int, accelerator: Accelerator) -> list[tuple[str, Devices]]:
    """As few machines as hold a deployment, with as many accelerators of each where that is possible."""
    size = host_size(accelerator)
    count = math.ceil(gpus / size)
    used = tuple(range(math.ceil(gpus / count)))
    return [(f"node-{node}", None if len(used) == size else used) for node in range(count)]


def _figures(deployment: Deployment) -> str:
    return (
        f"{deployment.speed_tokens_per_s:.4g} tokens/s, ${deployment.cost_usd_per_mtok:.4g} per million tokens, "
        f"{deployment.gpus} x {deployment.accelerator}, {deployment.parallelism.short()}, batch {deployment.batch}"
    )


class _Fleet:
    """Servers of the plans of a fleet."""

    def __init__(self, answer: FleetResult, engine: Profile | str | None, options: LaunchOptions) -> None:
        resolved = resolve_fleet(answer.scenario)
        self._answer, self._options = answer, options
        self._choice = Choice(engine, [each for workload in resolved.workloads for each in workload.engines])
        self._pools = {pool.name: pool for pool in resolved.pools}
        names = _Names()
        self._hosts = {name: names.of(name) for name in self._pools}
        self._workloads = {each.workload.name: each for each in resolved.workloads}

    def launch(self, number: int) -> Launch:
        """All servers of one plan, with their nodes."""
        plan = self._answer[number - 1]
        alone = len(self._answer) == 1
        names = _Names(self._options.stem if alone else f"{self._options.stem}-plan-{number}")
        nodes = _Nodes(plan, self._hosts)
        servers: list[tuple[InstanceRow, Server]] = []
        left_out: list[str] = []
        for row in plan.instances:
            kind = f"{row.workload}, {row.phase} ({row.instance_type} on {row.pool})"
            if row.parallelism is None:
                left_out.append(f"{kind}: found an operating point, whose degrees are not known here")
            for instance in range(row.instances):
                # What is left out takes its accelerators, too.
                placed, even = nodes.placed(row, instance, host_size(self._pools[row.pool].accelerator))
                if row.parallelism is not None and not (instance and self._options.first_only):
                    server = self._server(row, kind, instance, placed, names)
                    if not (even or server.broken):
                        server = replace(server, broken="it lies unevenly on its nodes")
                    servers.append((row, server))
        title = f"plan of {self._answer.scenario.name}" if alone else f"plan {number} of {self._answer.scenario.name}"
        heading = f"{title}: ${plan.usd_per_hour:.4g}/h, {plan.gpus} GPUs"
        routed = tuple(self._routed(plan, servers, names))
        return Launch(heading, tuple(server for _, server in servers), routed, tuple(left_out))

    def _server(self, row: InstanceRow, kind: str, instance: int, placed: Placed, names: _Names) -> Server:
        title = f"{kind}, {instance + 1} of {row.instances}"
        name = names.of(row.workload, row.phase, row.pool, row.instance_type, str(instance))
        serving = _serving(self._workloads[row.workload], title)
        return server_of(
            self._choice.of(row.engine, serving.engines, title),
            row.to_dict(),
            serving,
            self._pools[row.pool].accelerator,
            placed,
            Named(name, title, kind, self._options.out_folder),
            trust_remote_code=self._options.trust_remote_code,
        )

    def _routed(
        self, plan: FleetPlan, servers: Sequence[tuple[InstanceRow, Server]], names: _Names
    ) -> Iterator[RoutedWorkload]:
        taken = {(host, server.port) for _, server in servers for host in server.placed.hosts}
        for summary in plan.workloads:
            if summary.serving != "disaggregated":
                continue
            own = [(row.phase, server) for row, server in servers if row.workload == summary.workload]
            prefill, decode = ([server for each, server in own if each == phase] for phase in ("prefill", "decode"))
            if prefill and decode:
                host = prefill[0].placed.hosts[0]
                port = next(port for port in count(ROUTER_PORT) if (host, port) not in taken)
                taken.add((host, port))
                yield RoutedWorkload(
                    name=names.of(summary.workload, "router"),
                    title=f"{summary.workload}, router",
                    profile=prefill[0].profile,
                    prefill=tuple(prefill),
                    decode=tuple(decode),
                    out_folder=self._options.out_folder,
                    port=port,
                )


class _Names:
    """Names for files, clusters and containers: texts that are told apart by other letters get names of their own."""

    _LONGEST = 50

    def __init__(self, *before: str) -> None:
        self._before = before
        self._taken: dict[str, tuple[str, ...]] = {}

    def of(self, *parts: str) -> str:
        """The name of what the parts tell from everything else."""
        whole = (*self._before, *parts)
        text = "-".join(whole)
        name = slug(text)
        if len(text) > self._LONGEST or self._taken.setdefault(name, whole) != whole:
            digest = hashlib.sha256("\n".join(whole).encode()).hexdigest()[:8]
            name = f"{name[: self._LONGEST - 9].strip('-')}-{digest}"
        return name


def _serving(resolved: ResolvedWorkload, title: str) -> Serving:
    workload = resolved.workload
    if not isinstance(resolved.model, Model):
        raise ScenarioError.single("found no model, expected one that can be launched", field=title)
    return Serving(
        model=resolved.model,
        reference=workload.model,
        context_tokens=max(each.prompt_tokens for each in workload.classes),
        output_tokens=max(each.output_tokens for each in workload.classes),
        memory_utilization=workload.memory_utilization,
        draft=resolved.draft if isinstance(resolved.draft, Model) else None,
        draft_reference=None if workload.speculation is None else workload.speculation.draft_model,
        engines=resolved.engines,
    )


class _Nodes:
    """Which accelerators of each node are taken, in the order of the plan."""

    def __init__(self, plan: FleetPlan, hosts: Mapping[str, str]) -> None:
        self._hosts = hosts
        self._rows: dict[tuple[str, str, str, str, int], list[NodeRow]] = {}
        for row in plan.nodes:
            key = (row.workload, row.phase, row.pool, row.instance_type, row.instance)
            self._rows.setdefault(key, []).append(row)
        self._taken: dict[tuple[str, int], int] = {}
        self._servers: dict[str, int] = {}

    def placed(self, row: InstanceRow, instance: int, size: int) -> tuple[Placed, bool]:
        """Where an instance lies, and whether it has as many accelerators on each of its machines of a size."""
        found = self._rows.get((row.workload, row.phase, row.pool, row.instance_type, instance))
        if found is None:
            message = f"found no node of instance {instance} of {row.instance_type}, expected those that it sits on"
            raise ScenarioError.single(message, field="nodes")
        rows = sorted(found, key=lambda each: each.node)
        machines = [machine for each in rows for machine in self._machines(each, size)]
        hosts = tuple(host for host, _ in machines)
        number = self._servers.get(hosts[0], 0)
        self._servers[hosts[0]] = number + 1
        devices = tuple(used for _, used in machines)
        placed = Placed(hosts, devices, number, row.phase, alone=len(hosts) == 1 and row.phase == "colocated")
        return placed, len({size if used is None else len(used) for used in devices}) == 1

    def _machines(self, row: NodeRow, size: int) -> list[tuple[str, Devices]]:
        at = (row.pool, row.node)
        start = self._taken.get(at, 0)
        self._taken[at] = start + row.gpus
        return spread(f"{self._hosts[row.pool]}-{row.node}", start, row.gpus, min(size, row.node_gpus), row.node_gpus)
