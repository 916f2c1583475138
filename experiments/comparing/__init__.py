"""Versions and runs beside each other: a few in full, hundreds at a glance."""
