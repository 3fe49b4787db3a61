"""What holds for every test: nobody opens a connection, neither the tests nor what they call."""

from __future__ import annotations

import sys

NETWORK = frozenset({"socket.bind", "socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"})


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event in NETWORK:
        raise AssertionError(f"{event}{arguments[1:]}: catalogs and solvers are local, nothing needs a network")


sys.addaudithook(_refuse)
