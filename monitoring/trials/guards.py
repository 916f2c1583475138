"""Guards: what is compared while two versions of a model answer live traffic. Pure: what a guard asks, and what a record says to it."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import msgspec

from serving.contract import PredictionRecord

Kind = Literal["errors", "timeouts", "slow", "output", "mean", "agreement", "pairs", "quality"]
Loss = Literal["correct", "absolute_error", "squared_error", "log_loss"]
Outputs = Mapping[str, float | int | str]

KINDS: tuple[Kind, ...] = get_args(Kind)
LOSSES: tuple[Loss, ...] = get_args(Loss)
EVENTS = ("errors", "timeouts", "slow", "output")  # a request has one or has none
PAIRED = ("errors", "agreement", "pairs")  # what a shadow's answer is compared in
GATEWAY_TIMEOUT = 504
LEAST_P = 1e-6  # of a log loss: a probability of 0 that was wrong must not outweigh all others


class Guard(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One thing that must not be worse in the candidate. Which fields belong to which kind, :func:`check_guards` says.

    Attributes:
        name: unique within a trial.
        threshold_ms: of ``slow``; of ``timeouts`` the callers' patience, where the gateway's 504 alone is not all.
        output: which output is looked at; empty: the first one, of numbers the first that is one.
        above, below: of ``output``: from where on a value is a hit, the bound itself not.
        threshold: of ``agreement`` and of the loss ``correct``: the cut of the decision; none: the values themselves.
        tolerance: of ``agreement``: how far apart two numbers may lie and still be alike.
        loss: of ``quality``: what is compared; ``correct`` is 1 for a wrong answer and 0 for a right one.
        maturity_s: of ``quality``: younger predictions wait, since early labels are not like the others.
    """

    name: str
    kind: Kind
    threshold_ms: float | None = None
    output: str = ""
    above: float | None = None
    below: float | None = None
    threshold: float | None = None
    tolerance: float | None = None
    loss: Loss | None = None
    maturity_s: float | None = None

    @property
    def is_events(self) -> bool:
        """Whether it counts requests that have something; the others measure values."""
        return self.kind in EVENTS

    @property
    def is_paired(self) -> bool:
        """Whether a shadow's answer is compared with the caller's."""
        return self.kind in PAIRED


# The fields each kind may have beside name and kind; those marked must be given.
FIELDS: dict[Kind, dict[str, bool]] = {
    "errors": {},
    "timeouts": {"threshold_ms": False},
    "slow": {"threshold_ms": True},
    "output": {"output": False, "above": False, "below": False},
    "mean": {"output": False},
    "agreement": {"output": False, "threshold": False, "tolerance": False},
    "pairs": {"output": False},
    "quality": {"output": False, "loss": True, "maturity_s": True, "threshold": False},
}


class GuardError(ValueError):
    """A guard contradicts itself or another; names the field."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def check_guards(guards: Sequence[Guard]) -> list[Guard]:
    """Return ``guards`` if each says what its kind needs and nothing else, under a name of its own.

    Raises:
        GuardError: names the first field that is wrong, such as ``guards/2/threshold_ms``.
    """
    names: set[str] = set()
    for i, guard in enumerate(guards):
        at = f"guards/{i}"
        if not guard.name or len(guard.name) > 60 or not guard.name.isprintable():
            raise GuardError(f"{at}/name", "A guard needs a name of up to 60 printable characters.")
        if guard.name in names:
            raise GuardError(f"{at}/name", f"Two guards are called {guard.name}.")
        names.add(guard.name)
        for field in ("threshold_ms", "output", "above", "below", "threshold", "tolerance", "loss", "maturity_s"):
            _check_field(guard, field, at)
        _check_together(guard, at)
    return list(guards)


def _check_field(guard: Guard, field: str, at: str) -> None:
    value, allowed = getattr(guard, field), FIELDS[guard.kind]
    if value is None or value == "":
        if allowed.get(field):
            raise GuardError(f"{at}/{field}", f"A guard of kind {guard.kind} needs {field}.")
        return
    if field not in allowed:
        may = ", ".join(allowed) or "none beside its name"
        raise GuardError(f"{at}/{field}", f"A guard of kind {guard.kind} has no {field}; its fields are: {may}.")
    if isinstance(value, float | int) and not math.isfinite(value):
        raise GuardError(f"{at}/{field}", f"{field} must be a number, not {value}.")
    if field in ("threshold_ms", "maturity_s") and value <= 0:
        raise GuardError(f"{at}/{field}", f"{field} must be above 0.")
    if field == "tolerance" and value < 0:
        raise GuardError(f"{at}/{field}", "tolerance must not be negative.")


def _check_together(guard: Guard, at: str) -> None:
    if guard.kind == "output" and (guard.above is None) == (guard.below is None):
        raise GuardError(f"{at}/above", "A guard of kind output needs either above or below.")
    if guard.threshold is not None and guard.tolerance is not None:
        raise GuardError(f"{at}/tolerance", "Decisions are alike by a threshold, or numbers by a tolerance; not both.")
    if guard.kind == "quality" and guard.threshold is not None and guard.loss != "correct":
        raise GuardError(f"{at}/threshold", f"The loss {guard.loss} has no threshold; only correct has.")


def value_of(outputs: Outputs, name: str) -> float | int | str | None:
    """Return the output called ``name``, or the first one where that is empty; None if there is none."""
    return outputs.get(name) if name else next(iter(outputs.values()), None)


def number_of(outputs: Outputs, name: str) -> float | None:
    """Return the output called ``name`` if it is a finite number, or the first that is one where the name is empty; else None."""
    for value in [outputs.get(name)] if name else outputs.values():
        if value is not None and not isinstance(value, str) and math.isfinite(value):
            return float(value)
    return None


def is_exposed(guard: Guard, first: PredictionRecord) -> bool:
    """Whether a request can have an event or a value; what failed was neither slow nor held an output."""
    return first.status < 400 or guard.kind in ("errors", "timeouts")


def has_event(guard: Guard, rows: Sequence[PredictionRecord]) -> bool:
    """Whether an exposed request has what an event guard counts.

    Args:
        rows: the records of one request by one version.
    """
    first = rows[0]
    match guard.kind:
        case "errors":
            return first.status >= 500
        case "timeouts":
            late = guard.threshold_ms is not None and first.latency_us > guard.threshold_ms * 1000
            return first.status == GATEWAY_TIMEOUT or late
        case "slow":
            assert guard.threshold_ms is not None  # noqa: S101  check_guards
            return first.latency_us > guard.threshold_ms * 1000
        case "output":
            return any(_is_hit(guard, number_of(row.outputs, guard.output)) for row in rows)
    raise ValueError(f"{guard.kind} counts no events")


def _is_hit(guard: Guard, value: float | None) -> bool:
    if value is None:
        return False
    return value > guard.above if guard.above is not None else value < (guard.below or 0.0)


def mean_of(guard: Guard, outputs: Sequence[Outputs]) -> float | None:
    """Return the mean of a request's numbers, so that a request counts once however many rows it has; None without any."""
    values = [value for row in outputs if (value := number_of(row, guard.output)) is not None]
    return math.fsum(values) / len(values) if values else None


def are_alike(guard: Guard, one: Outputs, other: Outputs) -> bool:
    """Whether two versions decided alike on a row."""
    if guard.threshold is not None or guard.tolerance is not None:
        a, b = number_of(one, guard.output), number_of(other, guard.output)
        if a is None or b is None:
            return a is b
        if guard.threshold is not None:
            return (a >= guard.threshold) == (b >= guard.threshold)
        return abs(a - b) <= (guard.tolerance or 0.0)
    return value_of(one, guard.output) == value_of(other, guard.output)


def loss_of(guard: Guard, outputs: Outputs, label: float | str | bool) -> float | None:
    """Return how wrong a prediction was; None where output and label cannot be compared.

    Log loss is -ln of the probability given to what happened, never below that of ``LEAST_P``; labels are then 0 or 1.
    """
    value = value_of(outputs, guard.output)
    if guard.loss == "correct" and guard.threshold is None:
        return None if value is None else float(not _same(value, label))
    number = number_of(outputs, guard.output)
    if number is None or isinstance(label, str):
        return None
    match guard.loss:
        case "correct":
            return float((number >= (guard.threshold or 0.0)) != bool(label))
        case "absolute_error":
            return abs(number - label)
        case "squared_error":
            return (number - label) ** 2
        case "log_loss" if 0 <= number <= 1 and label in (0, 1):
            return -math.log(max(number if label else 1 - number, LEAST_P))
    return None


def _same(value: float | int | str, label: float | str | bool) -> bool:
    """Whether a predicted label is the one that came true; 1 and "1" are the same, as forms and CSV have it."""
    if isinstance(value, str) != isinstance(label, str):
        return str(value) == str(label)
    return value == label
