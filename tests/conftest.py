"""What holds for every test: nobody opens a connection, neither the tests nor what they call."""

from __future__ import annotations

import sys

import pytest

NETWORK = frozenset({"socket.bind", "socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"})

_SEEN: list[str] = []


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.__new__" or event in NETWORK:
        _SEEN.append(f"{event}{arguments[1:]}")
    if event in NETWORK:
        raise AssertionError(f"{event}{arguments[1:]}: catalogs and solvers are local, nothing needs a network")


sys.addaudithook(_refuse)


@pytest.fixture
def sockets() -> list[str]:
    """Every socket that was made in this process so far, and every refused use of one, also where it was caught."""
    return _SEEN
