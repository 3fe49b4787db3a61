"""Number of the performance model that results carry."""

MODEL_VERSION = 1
"""Raised by every change of the figures that fidelity ``deployable`` gives: 1 is the model of file format 1."""
