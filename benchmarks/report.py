"""What every benchmark prints and writes: a table, figures with names, and the machine they were measured on."""

import argparse
import json
import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One figure: its name, the value, the target as ``(sign, number)`` where there is one, and the unit.

    ``why`` is where the docs say why a target is not met.
    """

    name: str
    value: float
    unit: str = ""
    target: tuple[str, float] | None = None
    why: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        sign, number = self.target
        return self.value <= number if sign == "≤" else self.value >= number


def arguments(about: str) -> argparse.Namespace:
    """Parse the two options that every benchmark takes."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--quick", action="store_true", help="a rough answer in under two minutes")
    return parser.parse_args()


def table(rows: list[Row]) -> str:
    """Return the figures as a Markdown table."""
    lines = ["| figure | measured | target | met |", "|---|---:|---:|---|"]
    for row in rows:
        target = f"{row.target[0]} {row.target[1]:g} {row.unit}".strip() if row.target else ""
        met = {True: "yes", False: f"no: [why]({row.why})" if row.why else "no", None: ""}[row.met]
        lines.append(f"| `{row.name}` | {f'{row.value:,.4g} {row.unit}'.strip()} | {target} | {met} |")
    return "\n".join(lines)


def finish(rows: list[Row], path: Path | None) -> None:
    """Print the table and, where a path is given, write ``{"figures", "machine", "at", "rows"}`` there."""
    print(table(rows))  # noqa: T201  a benchmark prints
    if path:
        document = {
            "figures": {row.name: row.value for row in rows},
            "machine": {
                "cores": os.cpu_count(),
                "python": platform.python_version(),
                "system": platform.platform(),
                "load": round(os.getloadavg()[1], 1),  # processes that wanted to run, over the last five minutes
            },
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "table": table(rows),
        }
        path.write_text(json.dumps(document, indent=2) + "\n")
