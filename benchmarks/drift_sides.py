"""`python -m benchmarks.drift_sides SIDE FOLDER`: compare reference.parquet with current.parquet there, once, and print what it took.

Reading the files and importing libraries is not timed; a small run comes first, so that neither side pays for its first use.
"""

import json
import resource
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.drift_data import KINDS

Answer = dict[str, dict[str, Any]]


def main(side: str, folder: Path) -> None:
    """Run one side and print one line of JSON."""
    tables = [pl.read_parquet(folder / f"{name}.parquet") for name in ("reference", "current")]
    run: Callable[..., Answer] = {"evidently": _evidently, "exact": _exact, "compatible": _compatible}[side]
    given = [table.to_pandas() for table in tables] if side == "evidently" else tables
    run(*(table.head(2_000) for table in given))
    start, cpu = time.perf_counter(), time.process_time()
    columns = run(*given)
    told = {
        "s": time.perf_counter() - start,
        "cpu_s": time.process_time() - cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "columns": columns,
    }
    print(json.dumps(told))  # noqa: T201  for the parent


def _evidently(reference: Any, current: Any) -> Answer:
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(
        numerical_columns=[name for name, kind in KINDS.items() if kind == "number"],
        categorical_columns=[name for name, kind in KINDS.items() if kind == "category"],
    )
    sides = [Dataset.from_pandas(table, data_definition=definition) for table in (current, reference)]
    told = Report([DataDriftPreset()], include_tests=True).run(*sides).dict()
    failed = {
        test["metric_config"]["params"]["column"]
        for test in told["tests"]
        if test["status"] == "FAIL" and "column" in test["metric_config"]["params"]
    }
    return {
        one["config"]["column"]: {
            "method": one["config"]["method"],
            "score": float(one["value"]),
            "drifted": one["config"]["column"] in failed,
        }
        for one in told["metrics"]
        if one["metric_name"].startswith("ValueDrift")
    }


def _exact(reference: pl.DataFrame, current: pl.DataFrame) -> Answer:
    from monitoring.drifting import exact

    return {
        one.name: {"method": one.method, "score": one.score, "drifted": one.drifted}
        for one in exact.compare(reference, current, KINDS)
    }


def _compatible(reference: pl.DataFrame, current: pl.DataFrame) -> Answer:
    from monitoring.drifting import exact

    found = exact.compare(reference, current, KINDS, mode="evidently", everything=False)
    return {one.name: {"method": one.method, "score": one.score, "drifted": one.drifted} for one in found}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(sys.argv[1], Path(sys.argv[2]))
