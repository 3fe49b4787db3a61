"""Which server starts each point of an answer."""

from __future__ import annotations

from collections.abc import Sequence

from ieco_opt.engines.profile import Profile
from ieco_opt.engines.store import is_profile_file, profile, profile_named
from ieco_opt.errors import ScenarioError


class Choice:
    """One server for all points, or for each the one that it was priced for.

    Parameters
    ----------
    engine
        A profile, the name of an engine, or a file; ``None``: the one that each point was priced for.
    known
        Servers that the answer was chosen from: their profiles go before those of the package.

    Raises
    ------
    ScenarioError
        The engine is unknown, or its file has faults.
    """

    def __init__(self, engine: Profile | str | None, known: Sequence[Profile]) -> None:
        self._chosen = profile(engine, known) if isinstance(engine, str) else engine
        self._by_name = isinstance(engine, str) and not is_profile_file(engine)

    def of(self, engine: str | None, asked: Sequence[Profile], title: str) -> Profile:
        """The profile that starts a point.

        Parameters
        ----------
        engine
            What the point was priced for.
        asked
            Servers of the point's scenario or workload. Those of two workloads may differ and have one name.

        Raises
        ------
        ScenarioError
            The point was priced for none, and none is chosen.
        """
        if self._chosen is not None:
            same = [each for each in asked if self._by_name and each.name == self._chosen.name]
            return same[0] if same else self._chosen
        if engine is None:
            message = f"found nothing, expected the name of a server, since {title} was priced by the equations alone"
            raise ScenarioError.single(message, field="engine")
        # A row may come from a stranger, who names no file.
        return profile_named(engine, asked)
