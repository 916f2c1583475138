"""What every suite takes and gives: rows with what models answered, and measurements. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from experiments.metrics import Floats, Interval, Ints
from experiments.metrics.bootstrap import RESAMPLES
from experiments.rows.roles import TARGET_KINDS
from experiments.suites.plan import Plan

SEED = 20130101
MOST_SLICES = 6  # values of a category that is measured part by part without being asked for
BOOTSTRAP = f"95% percentile interval of {RESAMPLES} bootstrap resamples"

Progress = Callable[[float, str], None]
Mask = npt.NDArray[np.bool_]


class UnmeasurableError(ValueError):
    """The rows or the answers are not what the suite measures; the message says what is missing."""


@dataclass(frozen=True)
class Measurement:
    """One value with its 95% interval, in the metric's unit.

    Attributes:
        rows: of how many rows, queries or forecasts (count).
        paired: a difference to the champion.
        undecided: why the value decides nothing; empty where it does.
    """

    metric: str
    value: float
    low: float
    high: float
    rows: int
    data_slice: str = ""
    paired: bool = False
    detail: dict[str, Any] = field(default_factory=dict)
    undecided: str = ""


@dataclass(frozen=True)
class Took:
    """What answering took, (q,) each: milliseconds by the clock and of the processor; and the size of the model's file (bytes)."""

    latency_ms: Floats
    cpu_ms: Floats
    bytes: int


@dataclass(frozen=True)
class Answers:
    """What one model answered.

    Attributes:
        held_out: (n,) of the held-out rows, or (n, h) for the next h steps of each; NaN where a retriever did not find the row.
        validation: (v,) of the validation rows.
        quantiles: of a forecast by level, (n, h) of the held-out rows; NaN in steps that it has none for.
        took, best: of a retriever, what its answers took, and the score of the best document of each query, (q,).
    """

    held_out: Floats
    validation: Floats | None = None
    quantiles: Mapping[float, Floats] = field(default_factory=dict)
    took: Took | None = None
    best: Floats | None = None


@dataclass(frozen=True)
class Material:
    """Held-out rows and what was answered of them.

    Attributes:
        task: of the model, as :class:`registry.models.Task` names it.
        rows: n held-out rows, all columns.
        roles: by role (``time``, ``key``, ``query``, ``series``, ``entity``), the column that has it.
        features, categorical: columns that a model may see, and those of them that hold categories.
        validation: rows that thresholds may be chosen on; None where the data set has none.
        history: of a forecast, the rows before; None where there are none.
    """

    task: str
    rows: pd.DataFrame
    target: str
    version: Answers
    champion: Answers | None = None
    roles: Mapping[str, str] = field(default_factory=dict)
    features: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    validation: pd.DataFrame | None = None
    history: pd.DataFrame | None = None
    plan: Plan = field(default_factory=Plan)
    progress: Progress = lambda share, phase: None

    def slices(self) -> dict[str, Mask]:
        """Return the parts that are measured on their own, by name such as ``origin=JFK``, and which rows belong to each."""
        declared = [name for name in self.plan.slices if name in self.rows]
        few = declared or [name for name in self.categorical if self.rows[name].nunique() <= MOST_SLICES]
        return {
            f"{name}={value}": (self.rows[name] == value).to_numpy(dtype=bool)
            for name in few
            for value in sorted(self.rows[name].dropna().unique())
        }

    def codes(self, role: str) -> Ints | None:
        """Return which of the things in a role each row is of, from 0 in order of first appearance; None without such a column."""
        name = self.roles.get(role)
        return pd.factorize(self.rows[name], use_na_sentinel=False)[0].astype(np.int64) if name else None

    def tie_break(self) -> npt.NDArray[np.uint64]:
        """Return what orders rows with equal scores: a hash of their key, which has nothing to do with what is measured."""
        name = self.roles.get("key")
        keys = self.rows[name].astype(str) if name else pd.Series(np.arange(len(self.rows))).astype(str)
        return pd.util.hash_array(keys.to_numpy(dtype=object))

    def resampled(self) -> str:
        """Return in words what a resample draws."""
        name = self.roles.get("entity")
        return f"{BOOTSTRAP} of {f'whole groups of rows by {name}' if name else 'the rows'}"


@dataclass(frozen=True)
class Suite:
    """What is measured of the models of one task.

    Attributes:
        name: with its version: a suite whose numbers change gets a new one, since evidence is recorded once by name.
        targets: kinds of target that it can measure, of ``experiments.rows.roles.TARGET_KINDS``.
        needs: roles that columns of the data set must have.
        metrics: what it gives of all rows, where the rows allow.
        compared: in which of them two versions are compared on the same rows, the main one first.
        steps: whether a model is asked for several steps of each row.
    """

    task: str
    name: str
    measure: Callable[[Material], list[Measurement]]
    targets: tuple[str, ...]
    needs: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    compared: tuple[str, ...] = ()
    steps: bool = False

    def refusal(self, roles: Mapping[str, str], target_kind: str) -> str:
        """Return why rows with these roles and this kind of target are not measured; empty where they are."""
        if target_kind not in self.targets:
            return f"{self.name} measures against {' or '.join(TARGET_KINDS[kind] for kind in self.targets)}; the target is {TARGET_KINDS[target_kind]}."
        missing = [role for role in self.needs if role not in roles]
        if not missing:
            return ""
        return f"{self.name} needs a column in the role {' and one in the role '.join(missing)}, which the data set version does not have."


def measurement(metric: str, found: Interval, rows: int, method: str, **detail: Any) -> Measurement:
    """Return a measurement of all rows; its interval holds the value."""
    low, high = min(found.low, found.value), max(found.high, found.value)
    return Measurement(metric, found.value, low, high, rows, detail={"method": method, **detail})


def decided(found: Measurement, count: int, least: int, what: str) -> Measurement:
    """Return the measurement, which decides nothing where it rests on fewer than ``least``."""
    if count >= least:
        return found
    return replace(found, undecided=f"it rests on {count:,} {what}, and {least:,} are the least that decide")
