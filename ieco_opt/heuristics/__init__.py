"""Shortcuts that planners take instead of a proof, behind one interface; ``compare`` says what each costs."""

from ieco_opt.heuristics.interface import NO_SERVER, Heuristic, Proposals
from ieco_opt.heuristics.registry import BUILT_IN, GROUP, get, names
from ieco_opt.results.comparison import Budget

__all__ = ["BUILT_IN", "GROUP", "NO_SERVER", "Budget", "Heuristic", "Proposals", "get", "names"]
