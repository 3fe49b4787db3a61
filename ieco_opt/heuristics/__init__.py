"""Shortcuts that planners take instead of a proof, behind one interface; ``compare`` says what each costs."""

from ieco_opt.heuristics.interface import Heuristic, Proposals
from ieco_opt.heuristics.registry import BUILT_IN, GROUP, get, names
from ieco_opt.results.comparison import Budget

__all__ = ["BUILT_IN", "GROUP", "Budget", "Heuristic", "Proposals", "get", "names"]
