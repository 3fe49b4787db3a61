"""What heuristics cost: their proposals against the exact frontier of the same scenario."""

from ieco_opt.comparison.compare import compare

__all__ = ["compare"]
