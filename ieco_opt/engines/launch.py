"""Servers that are started together, and the routers before those that share the work of a request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ieco_opt.documents.yaml_document import yaml_text
from ieco_opt.engines.command import LaunchCommand
from ieco_opt.engines.profile import Profile, Router
from ieco_opt.engines.saying import filled, rounded
from ieco_opt.engines.server import Server, options_path

ROUTER_PORT = 8000
"""At which clients reach a workload whose prompts and answers are served apart."""

Address = Callable[[Server], str]


@dataclass(frozen=True, slots=True)
class RoutedWorkload:
    """Prefill and decode servers of one workload.

    Attributes
    ----------
    name
        Of the router, for files, clusters and containers.
    out_folder
        Where the router's file shall lie.
    port
        At which clients reach it on the first node of the prefill servers, where no other server listens at it.
    """

    name: str
    title: str
    profile: Profile
    prefill: tuple[Server, ...]
    decode: tuple[Server, ...]
    out_folder: Path
    port: int = ROUTER_PORT

    @property
    def host(self) -> str:
        """The node that the router runs on."""
        return self.prefill[0].placed.hosts[0]

    def router(
        self, address: Address | None = None, config: str | None = None, port: int | None = None
    ) -> LaunchCommand | None:
        """The router's command; ``None`` where the profile knows none.

        Parameters
        ----------
        address
            Where a server is reached; by default on its first node.
        config
            Path of its file; by default in ``out_folder``.
        port
            At which it listens; by default its own on the node.
        """
        router = self.profile.router
        if router is None:
            return None
        reached = address or (lambda server: server.address)
        path = config or options_path(self.out_folder, self.name, self.profile)
        listens = self.port if port is None else port
        texts = {"config": path, "port": str(listens)}
        argv = [filled(word, texts) for word in router.command]
        for servers, pattern in ((self.prefill, router.prefill), (self.decode, router.decode)):
            for server in servers:
                bootstrap = rounded("bootstrap_port", router.bootstrap_port, server.numbers)
                own = {"address": reached(server), "bootstrap_port": str(bootstrap)}
                argv += [filled(word, own) for word in pattern]
        content = self._content(router, reached, listens)
        return LaunchCommand(
            name=self.name,
            title=self.title,
            engine=self.profile.name,
            version=self.profile.version,
            image=self.prefill[0].image,
            files={path: content} if content else {},
            not_expressible=(),
            nodes=(tuple(argv),),
            node_env=({},),
            hosts=(self.host,),
            phase="router",
            package=router.package,
        )

    def _content(self, router: Router, reached: Address, port: int) -> str:
        if not router.config:
            return ""
        groups = ((router.prefill_key, self.prefill), (router.decode_key, self.decode))
        servers = {
            key: {"num_instances": len(each), "urls": [reached(server) for server in each]} for key, each in groups
        }
        # A number stays one where the profile says the port alone.
        said = {name: port if value == "{port}" else value for name, value in router.config.items()}
        return yaml_text({**said, **servers})


@dataclass(frozen=True, slots=True)
class Launch:
    """What is started together.

    Attributes
    ----------
    heading
        What it is, on one line.
    servers
        Every server.
    routed
        Workloads whose servers need a router.
    left_out
        What has no server here, and why.
    """

    heading: str
    servers: tuple[Server, ...]
    routed: tuple[RoutedWorkload, ...] = ()
    left_out: tuple[str, ...] = ()

    def commands(self) -> tuple[LaunchCommand, ...]:
        """Commands of all servers, then those of the routers."""
        routers = (each.router() for each in self.routed)
        return (*(each.command() for each in self.servers), *(each for each in routers if each is not None))
