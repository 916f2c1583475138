"""Mutants of state tables: a move that is taken out, leads elsewhere, or is let in. mutmut leaves what stands outside functions alone.

The tests are loaded once; each mutant is a process forked from there, with one entry of one table changed.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from enum import StrEnum
from importlib import import_module
from io import StringIO

from jobs.state_table import StateTable
from mutation.workshop import QUICK, ROOT, SETTINGS

TABLES = {
    "jobs.states": ("JOB",),
    "registry.states": ("PROMOTION", "WAIVER", "RETIREMENT"),
    "rollouts.states": ("ROLLOUT",),
    "monitoring.retraining.states": ("RETRAINING",),
}
TESTS = ("tests/test_state_tables.py", "tests/test_jobs_states.py")
Cell = tuple[StrEnum, StrEnum]


def tried() -> int:
    """Print what became of the mutants of all tables; return how many are left."""
    os.environ.update(SETTINGS, DJANGO_SETTINGS_MODULE="controlplane.settings")
    os.chdir(ROOT)
    began, count, left = time.monotonic(), 0, 0
    if _fails("--collect-only"):
        raise SystemExit("The tests of the state tables cannot be loaded.")
    if _fails():
        raise SystemExit("The tests of the state tables fail already.")
    for module, names in TABLES.items():
        for name in names:
            table: StateTable[StrEnum, StrEnum] = getattr(import_module(module), name)
            for cell, to in mutants(table):
                count += 1
                if not _noticed(table, cell, to):
                    left += 1
                    sys.stdout.write(f"{module}.{name}: {cell[0]}, {cell[1]!r} leads to {to}\n")
    sys.stdout.write(
        f"tables: {count} mutants, {count - left} killed, 0 explained, {left} left; {time.monotonic() - began:.0f} s\n"
    )
    return left


def mutants(table: StateTable[StrEnum, StrEnum]) -> Iterator[tuple[Cell, StrEnum | None]]:
    """Yield each change of one entry: where it now leads, or None where it is taken out."""
    (state, event), *_ = table
    states, events = list(type(state)), list(type(event))
    for cell in ((state, event) for state in states for event in events):
        other = states[(states.index(table.get(cell, cell[0])) + 1) % len(states)]
        yield cell, other
        if cell in table:
            yield cell, None


def _noticed(table: StateTable[StrEnum, StrEnum], cell: Cell, to: StrEnum | None) -> bool:
    """Return whether a test fails in a process in which the table is another one."""
    child = os.fork()
    if not child:
        if to is None:
            del table[cell]
        else:
            table[cell] = to
        os._exit(_fails())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0


def _fails(*options: str) -> int:
    import pytest

    with redirect_stdout(StringIO()):
        return int(pytest.main(["-q", "-x", "-c", os.devnull, "--rootdir=.", *QUICK[2:], *options, *TESTS]))
