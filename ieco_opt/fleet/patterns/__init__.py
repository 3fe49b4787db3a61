"""Fleets by patterns: what each workload takes of the pools is chosen among vectors (docs/proof.md)."""
