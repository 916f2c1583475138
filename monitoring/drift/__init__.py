"""Drift as it is told, drawn, kept and reported; the arithmetic is in ``monitoring.drifting``."""
