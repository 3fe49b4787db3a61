"""What heuristics cost: their proposals against the exact frontier of the same scenario."""

from ieco_opt.comparison.compare import DEFAULT_DELTA, compare

__all__ = ["DEFAULT_DELTA", "compare"]
