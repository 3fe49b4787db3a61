"""The latency equations: pure functions on arrays, in SI units."""
