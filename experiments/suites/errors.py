"""Error tables: the rows a model is most wrong about, as they are, without what is nobody's business. Pure."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from experiments.metrics import Ints
from experiments.suites.parts import Material

WORST = 20
MOST_COLUMNS = 40
MOST_TEXT = 200
WITHHELD = "withheld"


def error_table(given: Material, places: Ints | Sequence[int], **columns: Any) -> dict[str, Any]:
    """Return rows as ``{columns, rows}`` of plain values, worst first.

    Args:
        places: positions of the rows, worst first; the first twenty are told.
        columns: (n,) what is told beside each row's own columns, such as the score.
    """
    chosen = np.asarray(places, dtype=np.int64)[:WORST]
    own = dict.fromkeys(filter(None, (given.roles.get("key"), given.roles.get("time"), given.target)))
    shown = [*own, *(name for name in given.features if name not in own)][:MOST_COLUMNS]
    shown = [name for name in shown if name in given.rows]
    hidden = {*given.plan.hidden, *given.plan.groups}
    parts = given.rows.iloc[chosen]
    told = {name: [WITHHELD] * len(chosen) if name in hidden else parts[name].tolist() for name in shown}
    told |= {name: np.asarray(values)[chosen].tolist() for name, values in columns.items()}
    order = [*own, *columns, *(name for name in shown if name not in own)]
    order = [name for name in order if name in told]
    return {
        "columns": order,
        "rows": [[_plain(told[name][i]) for name in order] for i in range(len(chosen))],
        "withheld": sorted(hidden & set(shown)),
    }


def _plain(value: Any) -> Any:
    if value is None or value is pd.NaT or (isinstance(value, float) and not np.isfinite(value)):
        return None
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}" if value == value.normalize() else f"{value:%Y-%m-%d %H:%M}"
    return value if isinstance(value, bool | int) else str(value)[:MOST_TEXT]
