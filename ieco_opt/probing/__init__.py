"""Measuring the machine at hand; torch is imported where something is measured, nowhere else."""
