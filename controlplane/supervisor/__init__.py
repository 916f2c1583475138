"""Runs the whole product on one machine: `python -m controlplane.supervisor demo | stop | reset | status`.

Nothing here imports Django: the supervisor starts before there is a database and outlives every process it runs.
"""
