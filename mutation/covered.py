"""`python -m mutation.covered [pytest's arguments]`: print the share of lines that tests run, by module. Told, not chased: mutants tell more."""

import os
import shutil
import subprocess
import sys

from mutation.workshop import HOME, ROOT, program

PACKAGES = ("controlplane", "rollouts", "monitoring", "experiments", "registry", "jobs", "serving")


def main() -> int:
    """Run tests under coverage, also in the processes that they start."""
    program()
    folder = ROOT / "var/coverage"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    settings = folder / "coverage.ini"
    settings.write_text(
        f"[run]\nsource = {','.join(PACKAGES)}\nomit = */migrations/*\npatch = subprocess\nparallel = true\n"
        f"data_file = {folder}/data\n[report]\nskip_empty = true\n"
    )
    coverage = [str(HOME / "bin/python"), "-m", "coverage"]
    told = f"--rcfile={settings}"
    ended = subprocess.run([*coverage, "run", told, "-m", "pytest", "-q", *sys.argv[1:]], cwd=ROOT, env=os.environ)  # noqa: S603
    for step in ("combine", "report"):
        subprocess.run([*coverage, step, told], cwd=ROOT, check=True)  # noqa: S603
    return ended.returncode


if __name__ == "__main__":
    sys.exit(main())
