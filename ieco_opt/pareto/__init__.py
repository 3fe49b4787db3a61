"""Epsilon-constraint steps and the sweeps made of them."""
