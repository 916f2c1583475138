"""Programs that ask this product questions, each in an environment of its own below ``.venvs``, made at the first call."""

import subprocess
import sys
from pathlib import Path

VENVS = Path(__file__).parent.parent / ".venvs"
SCHEMATHESIS = "schemathesis==4.32.*"
KSERVE = "kserve==0.21.*"


def schemathesis() -> Path:
    """Return the command of Schemathesis."""
    return _installed("schemathesis", SCHEMATHESIS).with_name("schemathesis")


def kserve() -> Path:
    """Return an interpreter that has KServe's client."""
    return _installed("kserve", KSERVE)


def _installed(name: str, requirement: str) -> Path:
    """Return the interpreter of an environment that has ``requirement``, made at the first call."""
    home = VENVS / name
    python = home / "bin/python"
    if not (home / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)  # noqa: S603
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--prefer-binary"]
        subprocess.run([*pip, requirement], check=True)  # noqa: S603
        (home / "installed").touch()
    return python
