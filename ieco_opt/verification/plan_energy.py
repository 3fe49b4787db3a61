"""The energy of a row of a plan, from what it serves, and what energy adds to the cost of its tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ieco_opt.catalog.calibration import BusyPower
from ieco_opt.results.agreement import exceeds, same, shown
from ieco_opt.results.instances import InstanceRow
from ieco_opt.scenario import ResolvedPool

_KILO = 1000.0
_SECONDS = 3600.0


def energy_problems(
    pool: ResolvedPool, row: InstanceRow, busy_s: Sequence[float], busy_s_of_token: float, tokens_per_s: float
) -> Iterator[str]:
    """What is wrong with the energy that a row states, and with the cost of its tokens.

    Parameters
    ----------
    busy_s
        Busy seconds of a request of each class that the row may serve; of several the row does not say how many it
        serves, and its energy lies between those of the least and the most.
    busy_s_of_token, tokens_per_s
        Of a full instance, in its slowest class.
    """
    if pool.power_w is None:
        if row.energy_kw is not None:
            yield f"energy_kw: found {shown(row.energy_kw)}, expected null where power_w is unknown"
        return
    profile, site = pool.accelerator.calibration, pool.accelerator.power
    shares = BusyPower() if profile is None else profile.power.of(pool.accelerator.name)
    board_kw = row.gpus * pool.power_w / _KILO * (1.0 if site is None else site.pue)
    least, most = (
        board_kw * (shares.idle * row.instances + shares.busy * each * row.requests_per_s)
        for each in (min(busy_s), max(busy_s))
    )
    found = row.energy_kw
    if found is None or exceeds(found, most) or exceeds(least, found):
        between = shown(most) if len(busy_s) == 1 else f"{shown(least)} to {shown(most)}"
        yield f"energy_kw: found {shown(found)}, the performance model gives {between}"
    if site is not None and site.usd_per_kwh is not None:
        per_s = row.gpus * pool.usd_per_gpu_hour / _SECONDS
        joules_kw = board_kw * (shares.idle + shares.busy * busy_s_of_token * tokens_per_s)
        cost = 1e6 / tokens_per_s * (per_s + joules_kw * site.usd_per_kwh / _SECONDS)
        if not same(row.cost_usd_per_mtok, cost):
            yield f"cost_usd_per_mtok: found {shown(row.cost_usd_per_mtok)}, the performance model gives {shown(cost)}"
