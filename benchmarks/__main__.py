"""`python -m benchmarks [name …]`: run every benchmark, or those named, and write what they say into docs/benchmarks.md."""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
REPORT = ROOT / "docs/benchmarks.md"
BENCHMARKS = [
    "registry",
    "gateway",
    "pages",
    "explore",
    "audit",
    "verdicts",
    "faults",
    "telemetry",
    "lookup",
    "publishing",
    "drift",
    "quality",
    "harness",
]

HEAD = """# Benchmarks

Written by `make bench`. Times move with the machine; ratios are measured side by side in one run. Each section names the script,
which tells what it does.
"""


def main() -> None:
    """Run each in a process of its own, so that none inherits another's state. What was measured is written at once."""
    chosen = sys.argv[1:] or BENCHMARKS
    if unknown := sorted(set(chosen) - set(BENCHMARKS)):
        sys.exit(f"There is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}.")
    sections = {part.split("\n", 1)[0]: part for part in re.split(r"^## ", REPORT.read_text(), flags=re.MULTILINE)[1:]}
    for name in chosen:
        sections[name] = measured(name)
        kept = [f"## {sections[known].strip()}\n" for known in BENCHMARKS if known in sections]
        REPORT.write_text("\n".join([HEAD, *kept]))


def measured(name: str) -> str:
    """Run one benchmark and return its section, without the mark of a heading."""
    with tempfile.NamedTemporaryFile(suffix=".json") as result:
        command = [sys.executable, "-m", f"benchmarks.{name}", "--json", result.name]
        subprocess.run(command, check=True, cwd=ROOT)  # noqa: S603
        told = json.loads(Path(result.name).read_text())
    machine = told["machine"]
    return (
        f"{name}\n\n`benchmarks/{name}.py`, {told['at']}, {machine['cores']} cores, load {machine['load']}, Python {machine['python']}.\n\n"
        f"{told['table']}"
    )


if __name__ == "__main__":
    main()
