"""What starts one server, for callers: words, environment, files, and what could not be said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LaunchCommand:
    """A server's commands.

    Attributes
    ----------
    name, title
        For files, and for people.
    engine, version
        Server and the range of its versions.
    image
        Container image of the version that was read; ``None`` where none is known for the accelerator.
    files
        Contents of the files that it names, by absolute path; the caller writes them.
    not_expressible
        What the server cannot be told, or is not known; empty: it starts as the point was priced.
    nodes, node_env
        Words of the command and its environment variables for every node, in the order of ranks.
    hosts
        Names of the nodes; the first one stands in the commands of the others.
    phase
        ``colocated``, ``prefill``, ``decode`` or ``router``.
    benchmark
        Words of the client that measures it with the scenario's lengths and batch; empty for a router.
    package
        Package that brings the command where the image may lack it; empty for none.
    """

    name: str
    title: str
    engine: str
    version: str
    image: str | None
    files: Mapping[str, str]
    not_expressible: tuple[str, ...]
    nodes: tuple[tuple[str, ...], ...]
    node_env: tuple[Mapping[str, str], ...]
    hosts: tuple[str, ...]
    phase: str = "colocated"
    benchmark: tuple[str, ...] = ()
    package: str = ""

    @property
    def argv(self) -> tuple[str, ...]:
        """Words of the command, of node 0 where there are several."""
        return self.nodes[0]

    @property
    def contained_argv(self) -> tuple[str, ...]:
        """The same for a container, which gets the package that its image may lack before it starts."""
        if not self.package:
            return self.argv
        return ("sh", "-c", f'python3 -m pip install --quiet {self.package} && exec "$@"', "sh", *self.argv)

    @property
    def env(self) -> Mapping[str, str]:
        """Environment variables of that command."""
        return self.node_env[0]

    def to_dict(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return {
            "name": self.name,
            "title": self.title,
            "engine": self.engine,
            "version": self.version,
            "image": self.image,
            "phase": self.phase,
            "argv": list(self.argv),
            "env": dict(self.env),
            "files": dict(self.files),
            "not_expressible": list(self.not_expressible),
            "nodes": [
                {"host": host, "argv": list(argv), "env": dict(env)}
                for host, argv, env in zip(self.hosts, self.nodes, self.node_env, strict=False)
            ],
            "benchmark": list(self.benchmark),
            "package": self.package,
        }
