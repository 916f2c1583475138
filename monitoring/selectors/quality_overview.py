"""What the page on a model's quality shows: the lines over time, what they rest on, and what speaks against them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.models.quality import QualityPairs, QualityPolicy, QualityReference, QualityWindow
from monitoring.quality.metrics import Band, Measured, coverage_by_score, is_uneven
from monitoring.quality.pairs import add_pairs, compare, unpaired
from monitoring.quality.points import QualityPoint
from monitoring.quality.sums import DELAYS, Kind
from monitoring.selectors.quality import (
    DAY,
    HOUR,
    estimate_of,
    measured_of,
    point_of,
    start_of,
    sums_of,
    windows_by_span,
)
from registry.models import AliasMove, ModelVersion
from serving.contract import CANARY, CHAMPION

FINE = timedelta(days=2)  # up to which the lines go hour by hour


@dataclass(frozen=True)
class Step:
    """One span of the lines.

    Attributes:
        number: of the version that answered most as champion.
        champion, estimated, canary: None where nothing was predicted.
    """

    at: datetime
    number: int | None
    champion: QualityPoint | None
    estimated: QualityPoint | None
    canary: QualityPoint | None


@dataclass(frozen=True)
class Overview:
    """A metric of a model over some time.

    Attributes:
        whole: of all predictions of the champion's arm whose labels are due, taken together.
        changes: of the champion, (when, number).
    """

    policy: QualityPolicy
    metric: str
    span: timedelta
    since: datetime
    until: datetime
    steps: list[Step]
    whole: QualityPoint | None
    changes: list[tuple[datetime, int]]
    reference: QualityReference | None


def quality_overview(
    policy: QualityPolicy, *, metric: str, days: int, now: datetime, version: ModelVersion | None = None
) -> Overview:
    """Return the lines of the last days: of the champion's and the canary's arm, or of one version's only."""
    span = HOUR if timedelta(days=days) <= FINE else DAY
    since = start_of(now - timedelta(days=days), span)
    spans = windows_by_span(policy, since=since, until=now, span=span, version=version)
    steps = [
        _step(policy, since + n * span, span, spans.get(since + n * span, []), metric, now, own=version is not None)
        for n in range(int((now - since) / span) + 1)
    ]
    due = [
        row for at, rows in spans.items() if at + span + policy.maturity <= now
        for row in rows if version or row.arm == CHAMPION
    ]  # fmt: skip
    whole = _together(policy, metric, due, since) if due else None
    moves = AliasMove.objects.filter(model=policy.model_id, name=CHAMPION, at__gte=since, version__isnull=False)
    changes = list(moves.order_by("at").values_list("at", "version__number"))
    return Overview(policy, metric, span, since, now, steps, whole, changes, _reference(policy, version))


def _step(
    policy: QualityPolicy,
    at: datetime,
    span: timedelta,
    rows: list[QualityWindow],
    metric: str,
    now: datetime,
    *,
    own: bool,
) -> Step:
    most = {
        arm: max((row for row in rows if row.arm == arm or (own and arm == CHAMPION)), key=lambda row: row.predictions, default=None)
        for arm in (CHAMPION, CANARY)
    }  # fmt: skip
    champion, canary = most[CHAMPION], None if own else most[CANARY]
    return Step(
        at, champion.version.number if champion else None,
        point_of(policy, at, span, [champion], metric, now) if champion else None,
        estimate_of(policy, at, span, [champion], metric, now) if champion else None,
        point_of(policy, at, span, [canary], metric, now) if canary else None,
    )  # fmt: skip


def _reference(policy: QualityPolicy, version: ModelVersion | None) -> QualityReference | None:
    rows = QualityReference.objects.select_related("version__model", "data__dataset").defer("cells", "losses")
    if version:
        return rows.filter(version=version).first()
    return rows.filter(version__model=policy.model_id, version__aliases__name=CHAMPION).first()


@dataclass(frozen=True)
class Challenge:
    """A challenger beside a champion: the difference of a metric, challenger minus champion.

    Attributes:
        paired: on the same predictions, as a shadow; else each on its own share of the callers.
    """

    champion: int
    challenger: int
    paired: bool
    labelled: int
    difference: Measured


@dataclass(frozen=True)
class Details:
    """What stands beside the lines, of predictions whose labels are due.

    Attributes:
        delays: how many labels took how long: at most so many seconds (None: longer), and the count.
        uneven: labels are surely scarcer for some scores.
    """

    challenges: list[Challenge]
    slices: list[tuple[str, QualityPoint]]
    bands: list[Band]
    uneven: bool
    delays: list[tuple[int | None, int]]


def quality_details(policy: QualityPolicy, *, metric: str, days: int, now: datetime) -> Details:
    """Return what the last days say of challengers, slices, and of the labels themselves."""
    span = HOUR if timedelta(days=days) <= FINE else DAY
    since, until = start_of(now - timedelta(days=days), span), now - policy.maturity - span
    rows = QualityWindow.objects.filter(
        version__model=policy.model_id, kind=policy.compares, span=int(span.total_seconds()), started_at__gte=since,
        started_at__lte=until, arm__in=(CHAMPION, CANARY),
    ).defer("measured", "estimated").select_related("version")  # fmt: skip
    answered = [row for row in rows if not row.data_slice]
    slices: dict[str, list[QualityWindow]] = {}
    for row in rows:
        if row.data_slice and row.arm == CHAMPION:
            slices.setdefault(row.data_slice, []).append(row)
    bands = coverage_by_score(sums_of(answered)) if policy.compares is Kind.PROBABILITY else []
    return Details(
        challenges=[*_paired(policy, metric, span, since, until), *_unpaired(policy, metric, answered)],
        slices=[(name, _together(policy, metric, of, since)) for name, of in sorted(slices.items())],
        bands=bands, uneven=is_uneven(bands), delays=_delays(answered),
    )  # fmt: skip


def _together(policy: QualityPolicy, metric: str, rows: list[QualityWindow], since: datetime) -> QualityPoint:
    found = measured_of(policy.compares, rows, metric)
    labelled, made = sum(row.labelled for row in rows), sum(row.predictions for row in rows)
    return QualityPoint(
        since, found.value, found.low, found.high, labelled, made, found.good, found.total, False, found.reason
    )


def _paired(
    policy: QualityPolicy, metric: str, span: timedelta, since: datetime, until: datetime
) -> Iterable[Challenge]:
    rows = QualityPairs.objects.filter(
        challenger__model=policy.model_id, kind=policy.compares, span=int(span.total_seconds()), started_at__gte=since,
        started_at__lte=until,
    ).select_related("champion", "challenger")  # fmt: skip
    by_versions: dict[tuple[int, int], list[QualityPairs]] = {}
    for row in rows:
        by_versions.setdefault((row.challenger.number, row.champion.number), []).append(row)
    for (challenger, champion), of in sorted(by_versions.items(), reverse=True):
        pairs = add_pairs(row.read() for row in of)
        missing = Measured(reason="not compared on pairs" if pairs.labelled else "no labels")
        yield Challenge(
            champion,
            challenger,
            True,
            pairs.labelled,
            compare(policy.compares, pairs, only=metric).get(metric, missing),
        )


def _unpaired(policy: QualityPolicy, metric: str, rows: list[QualityWindow]) -> Iterable[Challenge]:
    """Compare each canary with the champion of the same spans."""
    canaries: dict[int, list[QualityWindow]] = {}
    for row in rows:
        if row.arm == CANARY:
            canaries.setdefault(row.version.number, []).append(row)
    for number, of in sorted(canaries.items(), reverse=True):
        spans = {row.started_at for row in of}
        beside = [
            row for row in rows if row.arm == CHAMPION and row.started_at in spans and row.version.number != number
        ]
        if beside:
            most = max(beside, key=lambda row: row.predictions).version.number
            theirs = measured_of(policy.compares, [row for row in beside if row.version.number == most], metric)
            ours = measured_of(policy.compares, of, metric)
            yield Challenge(most, number, False, sum(row.labelled for row in of), unpaired(theirs, ours))


def _delays(rows: Iterable[QualityWindow]) -> list[tuple[int | None, int]]:
    counts = [0] * (len(DELAYS) + 1)
    for row in rows:
        for i in range(len(counts)):
            counts[i] += int(row.sums.get(f"delay_{i}", 0))
    return list(zip([*DELAYS, None], counts, strict=True)) if any(counts) else []
