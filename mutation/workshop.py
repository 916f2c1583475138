"""A copy of the product in which mutmut works, with an environment of its own that sees the product's libraries.

mutmut writes all mutants of a function beside it, loads the tests once and forks a process for each mutant, from a server that has run
no test: threads that a library has started would not outlive a fork.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mutation.targets import Target

ROOT = Path(__file__).parent.parent
HOME = ROOT / ".venvs/mutation"
PIN = "mutmut==3.8.1"
COPIED = (
    "controlplane", "rollouts", "monitoring", "experiments", "registry", "jobs", "serving", "benchmarks", "tests",
    "manage.py",
)  # fmt: skip
TIMED_OUT = {24, -24, 36, 152, 255}
UNTESTED = {5, 33}
SURVIVED = 0
# Settings without a server: nothing connects. In CI's profile Hypothesis draws the same examples each time, and knows no deadline.
SETTINGS = {
    "CI": "1",
    "DEPLOYMENT": "test",
    "SECRET_KEY": "mutants",
    "DATABASE_URL": "postgresql://none@127.0.0.1:1/none",
    "BROKER_URL": "redis://127.0.0.1:1/0",
    "OMP_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
}
# Two plug-ins take half of a process's time, for nothing, and so does the smallest example of a failure.
QUICK = ("-c", "pytest.ini", "-p", "no:faker", "-p", "no:unraisableexception", "--hypothesis-profile=any_failure")
PYTEST = "[pytest]\nDJANGO_SETTINGS_MODULE = controlplane.settings\npythonpath = .\naddopts = -p no:cacheprovider\nmarkers =\n  browser\n  stack\n"


# What `mutmut run` does first; it tells no names without trying them.
GENERATE = """
from pathlib import Path
from mutmut import __main__ as steps
steps.set_mutant_under_test("mutant_generation")
Path("mutants").mkdir()
steps.copy_src_dir()
steps.copy_also_copy_files()
steps.setup_source_paths()
steps.create_mutants(1)
"""

# What `mutmut show` prints, for all mutants that are named and not for one each time.
SHOW = """
import json, sys
from mutmut import __main__ as steps
print(json.dumps([steps.get_diff_for_mutant(name, path=steps.find_mutant(name).path) for name in sys.argv[1:]]))
"""


@dataclass(frozen=True)
class Mutant:
    """One fault, and what became of it.

    Attributes:
        place: module and function; with its class, where it is a method.
        code: how a test run with it ended; None where it was not tried.
    """

    name: str
    place: str
    code: int | None

    @property
    def is_killed(self) -> bool:
        """Whether a test failed, or never ended."""
        return self.code not in (None, SURVIVED, *UNTESTED)


def program() -> str:
    """Return mutmut, installing it at the first call."""
    done = HOME / "installed"
    if not done.exists() or done.read_text() != PIN:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(HOME)], check=True)  # noqa: S603
        pip = [str(HOME / "bin/python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--prefer-binary"]
        subprocess.run([*pip, PIN], check=True)  # noqa: S603
        libraries = next(HOME.glob("lib/python*/site-packages"))
        (libraries / "product.pth").write_text(sysconfig.get_path("purelib"))
        done.write_text(PIN)
    return str(HOME / "bin/mutmut")


def prepare(target: Target) -> Path:
    """Return a fresh folder with the product and what mutmut has to know."""
    folder = ROOT / "var/mutants" / target.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    (folder / "pytest.ini").write_text(PYTEST)
    options = {
        "source_paths": [target.package],
        "only_mutate": target.sources,
        "also_copy": [name for name in (*COPIED, "pytest.ini") if name not in (target.package, "tests")],
        "pytest_add_cli_args": [*QUICK, *(f"--deselect=tests/{test}" for test in target.deselected)],
        "pytest_add_cli_args_test_selection": [f"tests/{test}" for test in target.tests],
        "process_isolation": ["forkserver"],
        "track_dependencies": ["false"],
        "use_git_change_detection": ["false"],
        "timeout_multiplier": ["5"],
        "timeout_constant": ["3"],  # seconds, before it is multiplied
    }
    lines = [
        f"{name} =\n    " + "\n    ".join(values) if len(values) > 1 else f"{name} = {values[0]}"
        for name, values in options.items()
    ]
    (folder / "setup.cfg").write_text("\n".join(["[mutmut]", *lines, ""]))
    return folder


def generate(target: Target, folder: Path) -> list[str]:
    """Write all mutants of a target and return their names, in order."""
    program()
    command = [str(HOME / "bin/python"), "-c", GENERATE]
    subprocess.run(command, cwd=folder, env=_environment(), check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    return [mutant.name for mutant in _results(target, folder)]


def run(target: Target, folder: Path, names: Collection[str]) -> list[Mutant]:
    """Try the mutants that are named, one at a time.

    Raises:
        SystemExit: mutmut ended without having tried them; what it said is kept.
    """
    log = folder / "mutmut.log"
    with log.open("w") as output:
        ended = subprocess.run(  # noqa: S603
            [program(), "run", "--max-children", "1", *names], cwd=folder, env=_environment(), stdout=output, stderr=subprocess.STDOUT
        )  # fmt: skip
    found = [mutant for mutant in _results(target, folder) if mutant.name in names]
    if ended.returncode or any(mutant.code is None for mutant in found):
        raise SystemExit(f"mutmut ended with {ended.returncode}; its words are in {log.relative_to(ROOT)}")
    return found


def _environment() -> dict[str, str]:
    return {**os.environ, **SETTINGS}


def changes(mutants: Sequence[Mutant], folder: Path) -> list[tuple[str, str]]:
    """Return the lines that each mutant takes out and those it puts in."""
    command = [str(HOME / "bin/python"), "-c", SHOW, *(mutant.name for mutant in mutants)]
    shown = subprocess.run(command, cwd=folder, env=_environment(), check=True, capture_output=True, text=True).stdout  # noqa: S603
    return [_change(diff) for diff in json.loads(shown)]


def _change(diff: str) -> tuple[str, str]:
    lines = [line for line in diff.splitlines() if line[:1] in "+-" and not line.startswith(("+++", "---"))]
    out, into = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    return out, into


def _results(target: Target, folder: Path) -> Iterator[Mutant]:
    for file in sorted((folder / "mutants" / target.package).rglob("*.py.meta")):
        for name, code in json.loads(file.read_text())["exit_code_by_key"].items():
            module, _, mangled = name.rpartition(".")
            function = mangled.rpartition("__mutmut_")[0].removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
            if not target.functions or function in target.functions:
                yield Mutant(name, f"{module}.{function}", code)
