"""The servers that a scenario names, as profiles, checked against its accelerators."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ieco_opt.catalog.types import Accelerator

if TYPE_CHECKING:
    from ieco_opt.engines.profile import Profile

PREFERENCE = ("vllm", "sglang", "trtllm")
"""Order of the servers where a scenario asks for any: those with figures of memory first."""

ANY, ALONE = "any", "none"
"""Every server that has a profile, and the equations alone."""


def profiles_of(names: Sequence[str]) -> tuple[Profile, ...]:
    """Profiles of the servers named, in their order; nothing for the equations alone.

    Of two servers that run a setup alike the first is priced, so that their order says which is preferred.
    """
    if ALONE in names:
        return ()
    from ieco_opt.engines.store import profile

    return tuple(profile(name) for name in (PREFERENCE if ANY in names else names))


def unserved(profiles: Sequence[Profile], accelerators: Sequence[Accelerator]) -> Iterator[tuple[int, str]]:
    """Accelerators that none of the servers runs on: position, and what was found and is expected."""
    vendors = {vendor for each in profiles for vendor in each.vendors}
    for at, each in enumerate(accelerators):
        if profiles and each.vendor is not None and each.vendor not in vendors:
            titles = " or ".join(profile.title for profile in profiles)
            known = " or ".join(sorted(vendors))
            yield (
                at,
                f"found {each.name!r}, an accelerator of {each.vendor}, expected one of {known} for {titles}; "
                "engine: none prices the equations alone",
            )
