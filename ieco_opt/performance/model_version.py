"""Number of the performance model that results carry."""

MODEL_VERSION = 5
"""Raised by every change of the figures that fidelity ``deployable`` gives.

1 is the model of file format 1. 2 has weights by part, memory as servers use it, precisions of the cache, layers of
several kinds and redundant experts. 3 has servers: the configurations that they start, priced as they run them, whole
groups of sequences, and draft models on the ranks of the model. 4 is calibrated where a scenario does not say
otherwise, with the launches of a server that is alone, and has first tokens as servers bring them. 5 has all-reduces at
the bandwidth that servers reach, and exchanges of quantised tokens.
"""
