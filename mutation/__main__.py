"""`python -m mutation [target …]`: try every mutant, print those that no test notices and nobody has explained; end with 1 where there are any."""

import argparse
import random
import re
import sys
import time
import tomllib
from pathlib import Path

from mutation import tables, workshop
from mutation.targets import TARGETS, Target

EXPLAINED = Path(__file__).with_name("explained.toml")
SAMPLE = 150


def main() -> int:
    """Run the targets that are named, or all."""
    known = {target.name: target for target in TARGETS}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--sample",
        type=int,
        default=SAMPLE,
        help=f"mutants of each target, drawn by --seed; {SAMPLE} if left out, 0 for all",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("targets", nargs="*", choices=[*known, "tables", []], help="all, if left out")
    options = parser.parse_args()
    left = 0
    for name in options.targets or [*known, "tables"]:
        left += tables.tried() if name == "tables" else _tried(known[name], options.sample, options.seed)
    return 1 if left else 0


def _tried(target: Target, sample: int, seed: int) -> int:
    """Print what became of a target's mutants; return how many are left."""
    began = time.monotonic()
    folder = workshop.prepare(target)
    names = workshop.generate(target, folder)
    drawn = random.Random(seed).sample(names, sample) if 0 < sample < len(names) else names  # noqa: S311
    mutants = workshop.run(target, folder, drawn)
    explained = {
        (place, line): why
        for place, reasons in tomllib.loads(EXPLAINED.read_text()).items()
        for why, lines in reasons.items()
        for line in lines
    }
    survivors = [mutant for mutant in mutants if not mutant.is_killed]
    alive = [(mutant, *change) for mutant, change in zip(survivors, workshop.changes(survivors, folder), strict=True)]
    left = [
        (mutant, out, into)
        for mutant, out, into in alive
        if (mutant.place, into) not in explained and _unguarded(out) != _unguarded(into)
    ]
    for mutant, out, into in left:
        untested = ", which no test calls" if mutant.code in workshop.UNTESTED else ""
        sys.stdout.write(f"{mutant.place}{untested}\n  - {out}\n  + {into}\n")
    endless = sum(mutant.code in workshop.TIMED_OUT for mutant in mutants)
    sys.stdout.write(
        f"{target.name}: {len(mutants)} of {len(names)} mutants, {len(mutants) - len(alive)} killed ({endless} of them never ended), "
        f"{len(alive) - len(left)} explained, {len(left)} left; {time.monotonic() - began:.0f} s\n"
    )
    sys.stdout.flush()
    return len(left)


def _unguarded(line: str) -> str:
    """Return a line without what guards a ``zip`` whose sides are equally long anyway."""
    return re.sub(r",\s*(?=\))", "", re.sub(r",?\s*strict=\w+", "", line))


if __name__ == "__main__":
    sys.exit(main())
