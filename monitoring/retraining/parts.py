"""What a retraining policy is made of. Pure: no ORM, clock or settings."""

from typing import Any, Literal, get_args

import msgspec

Kind = Literal["any", "all", "schedule", "drift", "quality", "labels", "budget"]
Automation = Literal["propose", "evaluate", "promotion", "champion"]
Severity = Literal["warning", "critical"]

KINDS: tuple[Kind, ...] = get_args(Kind)
GROUPS = ("any", "all")
AUTOMATION_WORDS: dict[Automation, str] = {
    "propose": "propose it; a person starts it",
    "evaluate": "train and evaluate; a person asks for the promotion",
    "promotion": "train, evaluate and ask for a promotion that people approve",
    "champion": "train, evaluate and promote while a standing approval holds; people approve otherwise (tier 3 alone)",
}
DAY_S = 86_400


class PolicyError(ValueError):
    """The policy contradicts itself; ``field`` says where, such as ``when.conditions[1].cron``."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class Condition(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One thing that may ask for a retraining. Which fields belong to which kind, ``checks.FIELDS`` says.

    Attributes:
        conditions: of ``any`` and ``all``: those of which any or all must hold.
        cron: of ``schedule``: minute, hour, day of the month, month, day of the week.
        time_zone: of ``schedule``, by its IANA name.
        features: of ``drift``: so many features have drifted, or more.
        share: of ``drift``: that share of them, above 0 and up to 1.
        feature: of ``drift``: this one has drifted.
        severity: of ``drift``: an open alert of it is at least so severe.
        metric: of ``quality``, as labels tell it.
        below, above: of ``quality``: the limit that the metric is surely beyond, its interval and all.
        spans: of ``quality``: so many spans in a row.
        span_s: of ``quality``: how long a span is.
        early: of ``quality``: judge spans before all their labels are due; early labels may not be like the others.
        part: of ``quality``: a slice such as ``origin=JFK``; empty: all predictions.
        labels: of ``labels``: so many labelled predictions came since the last training.
        objective: of ``budget``; empty: any of the model's.
        left_below: of ``budget``: the share of the error budget that is left is below this.
    """

    kind: Kind
    conditions: "list[Condition]" = []
    cron: str = ""
    time_zone: str = ""
    features: int | None = None
    share: float | None = None
    feature: str = ""
    severity: Severity | None = None
    metric: str = ""
    below: float | None = None
    above: float | None = None
    spans: int = 1
    span_s: int = DAY_S
    early: bool = False
    part: str = ""
    labels: int | None = None
    objective: str = ""
    left_below: float | None = None

    def leaves(self) -> "list[Condition]":
        """Return what is looked at, in order: itself, or all within it."""
        if self.kind not in GROUPS:
            return [self]
        return [leaf for one in self.conditions for leaf in one.leaves()]


class Quiet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hours of each day in which no retraining starts; those that end before they begin last over midnight."""

    begins: str
    ends: str
    time_zone: str


class Policy(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """When a model is trained anew, on what, and how far that goes by itself.

    Attributes:
        when: of kind ``any`` or ``all``; what it holds may be such a group once more, and no deeper.
        pipeline, params: of ``experiments.pipelines.catalogue``.
        dataset: whose next version the frozen rows become.
        window_days: predictions of the last so many days are learnt from.
        maturity_s: younger predictions wait, since early labels are not like the others; also the gap between the parts of the rows.
        with_parent: learn from the champion's own training rows too.
        min_labels: fewer labelled predictions hold a retraining.
        held_out, validation: shares of the window's rows, the newest ones and those before them.
        suite: what is measured.
        metric: in which the new version must surely be better than the champion, on the same rows.
        better_by: how much better at least; the worse end of the interval must be above it.
        cooldown_s: after the end of the last retraining.
        runs_per_week: that may start within seven days.
        look_every_s: how often conditions are looked at.
    """

    when: Condition
    pipeline: str
    dataset: str
    params: dict[str, Any] = {}
    window_days: float = 30.0
    maturity_s: int = DAY_S
    with_parent: bool = False
    min_labels: int = 2_000
    held_out: float = 0.25
    validation: float = 0.15
    suite: str = "classification-3"
    metric: str = "average_precision"
    better_by: float = 0.0
    cooldown_s: int = DAY_S
    runs_per_week: int = 2
    quiet: Quiet | None = None
    automation: Automation = "promotion"
    look_every_s: int = 60
