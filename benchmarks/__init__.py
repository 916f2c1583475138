"""Benchmarks: each module measures one thing, prints a table and, with ``--json PATH``, writes its figures."""
