"""Setups, speculation and batches of a scenario, cut down to what can be on its frontier."""
