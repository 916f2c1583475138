"""`python -m benchmarks`: run every benchmark and rewrite docs/benchmarks.md."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
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
    "drift",
    "quality",
    "harness",
]

HEAD = """# Benchmarks

Written by `make bench`. Times move with the machine; ratios are measured side by side in one run. Each section names the script,
which tells what it does.
"""


def main() -> None:
    """Run each in a process of its own, so that none inherits another's state."""
    sections = [HEAD]
    for name in BENCHMARKS:
        with tempfile.NamedTemporaryFile(suffix=".json") as result:
            command = [sys.executable, "-m", f"benchmarks.{name}", "--json", result.name]
            subprocess.run(command, check=True, cwd=ROOT)  # noqa: S603
            told = json.loads(Path(result.name).read_text())
        machine = told["machine"]
        sections.append(
            f"## {name}\n\n`benchmarks/{name}.py`, {told['at']}, {machine['cores']} cores, load {machine['load']}, Python {machine['python']}.\n\n"
            f"{told['table']}\n"
        )
    (ROOT / "docs/benchmarks.md").write_text("\n".join(sections))


if __name__ == "__main__":
    main()
