"""Child processes that parse what somebody uploaded: they may die, and know none of this process's secrets."""

import os
import subprocess
import sys

from django.conf import settings


def run_child(module: str, *arguments: str, given: bytes, seconds: float) -> "subprocess.CompletedProcess[bytes]":
    """Run ``python -m MODULE ARGUMENTS`` with ``given`` as its standard input; it sets its own limits.

    Raises:
        subprocess.TimeoutExpired: it was not done within ``seconds``, and was ended.
    """
    return subprocess.run(  # noqa: S603  our own interpreter and module
        [sys.executable, "-m", module, *arguments], input=given, capture_output=True, timeout=seconds, check=False,
        cwd=settings.BASE_DIR,
        env={"PATH": os.defpath, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONNOUSERSITE": "1"},
    )  # fmt: skip
