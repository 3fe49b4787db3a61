"""What servers accept and what their flags are called: profiles, the rules on arrays, and the commands."""

from ieco_opt.engines.acceptance import Accepted, accepts, exchanges
from ieco_opt.engines.command import LaunchCommand
from ieco_opt.engines.facts import EngineFacts, facts_of
from ieco_opt.engines.hosts import host_size
from ieco_opt.engines.pricing import spread, usual_exchange
from ieco_opt.engines.profile import Profile
from ieco_opt.engines.reading import read
from ieco_opt.engines.spread import ALL_GATHER, ALL_TO_ALL, EXCHANGES, NONE, Spread
from ieco_opt.engines.store import NAMES, profile, profiles

__all__ = [
    "ALL_GATHER",
    "ALL_TO_ALL",
    "EXCHANGES",
    "NAMES",
    "NONE",
    "Accepted",
    "EngineFacts",
    "LaunchCommand",
    "Profile",
    "Spread",
    "accepts",
    "exchanges",
    "facts_of",
    "host_size",
    "profile",
    "profiles",
    "read",
    "spread",
    "usual_exchange",
]
