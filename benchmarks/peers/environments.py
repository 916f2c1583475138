"""Environments of peers below ``.venvs``: what conflicts with ours, or with one another, is kept apart."""

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.catalogue import ROOT

VENVS = ROOT / ".venvs"
PINS = {
    # MLServer starts with no newer uvloop.
    "mlserver": ["mlserver==1.7.1", "mlserver-lightgbm==1.7.1", "uvloop==0.21.0"],
    "mlflow": ["mlflow==3.17.2"],
    "litserve": ["litserve==0.2.19"],
    "bentoml": ["bentoml==1.4.40"],
}
LIGHTGBM = "lightgbm==4.7.0"


def binaries(name: str) -> Path:
    """Return the folder of the peer's programs, installing it at the first call."""
    home = VENVS / f"peer-{name}"
    done = home / "installed"
    wanted = "\n".join([*PINS[name], LIGHTGBM])
    if not done.exists() or done.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)  # noqa: S603
        pip = [str(home / "bin/python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--prefer-binary"]
        subprocess.run([*pip, *PINS[name], LIGHTGBM], check=True)  # noqa: S603
        done.write_text(wanted)
    return home / "bin"


def environment(name: str) -> dict[str, str]:
    """Return the variables of a peer's process: none of this product's."""
    return {
        "PATH": f"{binaries(name)}:{os.environ['PATH']}",
        "HOME": os.environ["HOME"],
        "OMP_NUM_THREADS": "1",
        "DO_NOT_TRACK": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "BENTOML_DO_NOT_TRACK": "true",
    }
