"""Installing requirements: one moving line, nothing twice, and a hint where it fails."""

import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from controlplane import install

ROOT = Path(__file__).parent.parent


@pytest.fixture
def environment(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_installed_file_is_not_installed_again_until_it_changes(environment, capsys):
    requirements = environment / "requirements.txt"
    requirements.write_text("# nothing to install\n")

    codes = [install.main(["requirements.txt"]), install.main(["requirements.txt"])]
    once = capsys.readouterr().out
    requirements.write_text("# still nothing\n")
    codes.append(install.main(["requirements.txt"]))

    assert codes == [0, 0, 0]
    assert once.count("Installing 0 packages") == 1
    assert "Installing 0 packages" in capsys.readouterr().out


def test_a_failed_install_shows_pips_words_and_is_tried_again(environment, capsys):
    (environment / "requirements.txt").write_text(f"{environment / 'missing'}-1.0-py3-none-any.whl\n")

    code = install.main(["requirements.txt"])

    told = capsys.readouterr().out
    assert code == 1
    assert "missing-1.0" in told
    assert "No compiler is needed" in told
    assert not list(environment.glob(".installed-*"))


def test_hundreds_of_lines_become_a_few(capsys):
    lines = "\n".join(
        f"Collecting package{n}==1.0 (from -r requirements.txt (line {n}))\\n  Downloading…" for n in range(60)
    )
    pip = subprocess.Popen(
        [sys.executable, "-c", f"print({lines!r})\nprint('Installing collected packages: …')"],
        stdout=subprocess.PIPE,
        text=True,
    )

    last = install.show_progress(pip, 60)

    pip.wait()
    assert capsys.readouterr().out == "  25/60\n  50/60\n  unpacking\n"
    assert last[-1].startswith("Installing collected packages")


def test_pins_are_counted_and_comments_are_not():
    lines = ["# via celery==5", "celery==5.7.0", "    # via", "", "--find-links x"]

    assert [line for line in lines if install.is_pin(line)] == ["celery==5.7.0"]


def pins(*names):
    lines = [line for name in names for line in (ROOT / name).read_text().splitlines() if install.is_pin(line)]
    return {canonicalize_name(line.partition("==")[0]) for line in lines}


@pytest.mark.parametrize("python", ["3.11.0", "3.11.2", "3.11.9", "3.12.0", "3.13.0"])
@pytest.mark.parametrize("names", [["requirements.txt"], ["requirements.txt", "requirements-dev.txt"]])
def test_the_lock_holds_what_each_python_needs(names, python):
    """The lock is resolved under one Python, and what it leaves out is never installed."""
    locked = pins(*names) | {"pip", "setuptools"}  # venv's own
    here = default_environment() | {
        "python_full_version": python, "python_version": python.rpartition(".")[0], "extra": "",
    }  # fmt: skip
    missing = [
        f"{name} needs {needed}"
        for name in sorted(pins(*names))
        for needed in map(Requirement, distribution(name).requires or [])
        if (needed.marker is None or needed.marker.evaluate(here)) and canonicalize_name(needed.name) not in locked
    ]

    assert missing == []
