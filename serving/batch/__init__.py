"""Batch scoring: a file or table in, a Delta table out, in chunks, by what answers single requests too."""
