"""A child process that may die: it is given bytes, limits itself, and answers bytes or a reason.

A malformed file can crash a library or exhaust memory. What happens to the child happens to nobody else. Its environment
holds no secret, and it can write no file.
"""

import os
import resource
import subprocess
import sys
from pathlib import Path

CPU_SECONDS = 30
MEMORY_BYTES = 4 * 1024**3
OPEN_FILES = 256
UNSOUND = 3  # exit code: the reason is on standard error


class TrialError(ValueError):
    """The child refused or died; the message says why or how."""


def run_trial(module: str, *arguments: str, given: bytes) -> bytes:
    """Run ``python -m MODULE ARGUMENTS`` with ``given`` as its standard input and return what it answers.

    Raises:
        TrialError: it ended with another code than 0, was killed, or took too long.
    """
    try:
        child = subprocess.run(  # noqa: S603  our own interpreter and module
            [sys.executable, "-m", module, *arguments],
            input=given, capture_output=True, timeout=2 * CPU_SECONDS, check=False, cwd=Path(__file__).parent.parent,
            env={"PATH": os.defpath, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONNOUSERSITE": "1"},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise TrialError(f"the model could not be loaded within {2 * CPU_SECONDS} s") from None
    if child.returncode < 0:
        raise TrialError(f"loading the model killed a trial process (signal {-child.returncode})")
    if child.returncode:
        lines = child.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise TrialError(lines[-1][:500])
    return child.stdout


def limit_this_process() -> None:
    """Bound the CPU time, memory, files and traces of this process, which is a child made for one model."""
    _limit(resource.RLIMIT_CPU, CPU_SECONDS)
    _limit(resource.RLIMIT_AS, MEMORY_BYTES)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, OPEN_FILES)


def _limit(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))
