"""Clients of the server's own release and of the two before it, each in an environment of its own."""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from conformance.servers import ROOT, Address

VENVS = ROOT / ".venvs"
CHECKS = Path(__file__).with_name("checks.py")
MINORS_BACK = 2


@dataclass(frozen=True)
class Client:
    """An interpreter that has some release of MLflow's client, and what that is called."""

    name: str
    python: Path

    def check(self, address: Address) -> dict[str, str]:
        """Run the checks against ``address``; return what each found wrong, empty where nothing."""
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
        done = subprocess.run(  # noqa: S603
            [str(self.python), str(CHECKS)], env=kept | address.environment(), cwd=VENVS.parent, check=False,
            capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        try:
            found: dict[str, str] = json.loads(done.stdout.rpartition("\n{")[1][1:] + done.stdout.rpartition("\n{")[2])
        except ValueError:
            return {"start": done.stderr[-2000:]}
        return found


def own() -> Client:
    """Return the client that the server itself is built on."""
    return Client(f"mlflow {importlib.metadata.version('mlflow')}", Path(sys.executable))


def older() -> list[Client]:
    """Return clients of earlier minor releases, installing them at the first call: the older one without its extras."""
    major, minor = (int(part) for part in importlib.metadata.version("mlflow").split(".")[:2])
    wanted = [
        ("mlflow-skinny", minor - 2, ["numpy", "pandas"]),
        ("mlflow", minor - 1, []),
    ]
    return [_installed(package, f"{major}.{number}", extras) for package, number, extras in wanted]


def _installed(package: str, release: str, extras: list[str]) -> Client:
    """Return the newest client of a minor release, in an environment of its own below ``.venvs``."""
    home = VENVS / f"{package}-{release}"
    python = home / "bin/python"
    if not (home / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)  # noqa: S603
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--prefer-binary"]
        subprocess.run([*pip, f"{package}=={release}.*", *extras], check=True)  # noqa: S603
        (home / "installed").touch()
    version = subprocess.run(  # noqa: S603
        [str(python), "-m", "pip", "show", package], check=True, capture_output=True, text=True
    ).stdout
    found = re.search(r"^Version: (.+)$", version, re.MULTILINE)
    return Client(f"{package} {found[1] if found else release}", python)
