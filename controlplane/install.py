"""Install pinned requirements, showing one line that moves: `python -m controlplane.install requirements.txt …`.

It runs before anything is installed, so it imports the standard library alone. Nothing happens while the files are the
ones that were installed last.
"""

import hashlib
import subprocess
import sys
from collections import deque
from pathlib import Path

EVERY = 25  # packages between two lines where the output is no terminal


def main(names: list[str]) -> int:
    """Install the requirements files ``names`` unless they are as they were at the last success."""
    files = [Path(name) for name in names]
    stamp = Path(sys.prefix) / f".installed-{files[0].stem}"
    wanted = hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return 0
    total = sum(is_pin(line) for file in files for line in file.read_text().splitlines())
    sys.stdout.write(f"Installing {total} packages into {Path(sys.prefix).name} (the first time takes some minutes)\n")
    # The files pin everything, so there is nothing to resolve.
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--progress-bar", "off", "--no-color",
               "--disable-pip-version-check", "--prefer-binary"]  # fmt: skip
    for file in files:
        command += ["-r", str(file)]
    pip = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # noqa: S603
    last = show_progress(pip, total)
    if pip.wait():
        sys.stdout.write("\n".join(last))
        sys.stdout.write(
            "\npip could not install the requirements. No compiler is needed: there are wheels for Python 3.11 to 3.13 on "
            "Linux.\nIf pip names a package without a wheel, delete .venv and use one of those: "
            "make demo PYTHON=python3.11\n"
        )
        return 1
    stamp.write_text(wanted)
    return 0


def is_pin(line: str) -> bool:
    """Tell whether a line of a requirements file names a package."""
    return "==" in line and not line.lstrip().startswith("#")


def show_progress(pip: "subprocess.Popen[str]", total: int) -> deque[str]:
    """Show how far pip is, until it ends; return the last lines it wrote."""
    assert pip.stdout  # noqa: S101  opened as a pipe
    last: deque[str] = deque(maxlen=15)
    done = 0
    moving = sys.stdout.isatty()
    for line in pip.stdout:
        last.append(line.rstrip())
        if "(from -r " in line:  # one such line for each package, wherever it comes from
            done += 1
            if moving:
                sys.stdout.write(f"\r  {done}/{total}")
            elif done % EVERY == 0:
                sys.stdout.write(f"  {done}/{total}\n")
        elif line.startswith("Installing collected packages"):
            sys.stdout.write(("\r\x1b[K" if moving else "") + "  unpacking\n")
        sys.stdout.flush()
    return last


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
