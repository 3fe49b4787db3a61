"""Checking saved results with the performance model alone."""
