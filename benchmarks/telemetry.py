"""How much PostgreSQL keeps of one arm's telemetry after 90 days: 300 features in 256 bins each, 100 predictions a second.

The histograms are packed by the product's own code. Features have distributions of their own, and all bins are used, which is the
worst case for a sparse form. Ten minutes more are written as the shipper writes them, every two seconds, and the rows that this
leaves behind are counted too. Then the same is shipped for trials: of a model that has none, and of one with six guards.
"""

import statistics
import time
from datetime import UTC, datetime, timedelta

import numpy as np

from benchmarks.catalogue import installation
from benchmarks.report import Row, arguments, finish

FEATURES = 300
BINS = 256
PER_SECOND = 100
SHIPPED_EVERY_S = 2
NOW = datetime(2026, 11, 26, tzinfo=UTC)
TABLES = "FeatureHistogram", "TelemetryWindow", "TelemetryHour", "FailedKey"


def main() -> None:
    """Fill the tables of one arm and ask PostgreSQL for their size."""
    options = arguments(__doc__ or "")
    share = 10 if options.quick else 1  # of the spans, which are all alike
    with installation():
        from monitoring.models import FeatureHistogram

        version_id = _version()
        span = FeatureHistogram.Span
        kept = {span.FIVE_MINUTES: 7 * 288, span.HOUR: 90 * 24, span.DAY: 90}
        for seconds, periods in kept.items():
            _fill(version_id, seconds, periods // share)
        _windows(version_id, 48 * 360 // share)
        at_rest = _bytes() * share
        added_ms = _as_shipped(version_id, minutes=10)
        left = _bytes() - at_rest / share
        without_ms, with_ms = _trial(version_id)
        rows = [
            Row("telemetry.arm_90_days_gb", (at_rest + left) / 1e9, "GB", ("≤", 2.0)),
            Row("telemetry.at_rest_gb", at_rest / 1e9, "GB"),
            Row("telemetry.left_by_updates_mb", left / 1e6, "MB"),
            Row("telemetry.bytes_per_day_histogram", _packed(span.DAY), "B"),
            Row("telemetry.bytes_per_5_minutes", _packed(span.FIVE_MINUTES), "B"),
            Row("telemetry.count_200_rows_ms", added_ms, "ms"),
            Row("telemetry.trial_200_requests_ms", with_ms, "ms"),
            Row("telemetry.no_trial_200_requests_ms", without_ms, "ms"),
        ]
    finish(rows, options.json)


def _version() -> int:
    """Register a version with a reference of as many features and bins, and return its key."""
    from django.contrib.auth.models import User

    from registry import services
    from registry.access import Actor
    from registry.models import Membership, ReferenceProfile, Role, Team

    user = User.objects.create_user("engineer")
    team = Team.objects.create(slug="bench", name="Bench")
    Membership.objects.create(team=team, user=user, role=Role.ENGINEER)
    actor = Actor(user, "session")
    model = services.model_create(actor=actor, team=team, name="wide")
    version = services.version_create(actor=actor, model=model, source="runs:/abc/model", run_id="abc")
    edges = np.linspace(-3, 3, BINS + 1).tolist()
    columns = {f"f{i:03}": {"kind": "number", "edges": edges, "counts": {}, "missing": 0} for i in range(FEATURES)}
    ReferenceProfile.objects.create(version=version, source="training", rows=1, columns=columns)
    return version.pk


def _fill(version_id: int, seconds: int, periods: int) -> None:
    """Write so many histograms of a span, back from now."""
    from monitoring.drift.features import MISSING, SLOTS, Cells
    from monitoring.models import FeatureHistogram

    draw = np.random.default_rng(seconds)
    shares = draw.dirichlet(np.ones(BINS + 3), FEATURES)  # with what is out of range on both sides, and missing
    spots = np.concatenate([np.arange(BINS + 2), [MISSING]])
    places = (spots + np.arange(FEATURES)[:, None] * SLOTS).ravel()
    for n in range(periods):
        counts = draw.multinomial(PER_SECOND * seconds, shares).ravel()
        cells = Cells(places[counts > 0], counts[counts > 0])
        FeatureHistogram.objects.create(
            version_id=version_id, arm="champion", span=seconds, rows=PER_SECOND * seconds, cells=cells.pack(),
            started_at=NOW - timedelta(seconds=seconds * (n + 1)),
        )  # fmt: skip


def _windows(version_id: int, windows: int) -> None:
    from monitoring.models import TelemetryHour, TelemetryWindow

    full = {
        "version_id": version_id,
        "arm": "champion",
        "requests": 1000,
        "rows": 1000,
        "latency": [55] * 18,
        "scores": [50] * 20,
    }
    TelemetryWindow.objects.bulk_create(
        TelemetryWindow(**full, table_version=1, weight_bp=10_000, started_at=NOW - timedelta(seconds=10 * n))
        for n in range(windows)
    )
    TelemetryHour.objects.bulk_create(
        TelemetryHour(**full, started_at=NOW - timedelta(hours=n)) for n in range(90 * 24)
    )


def _as_shipped(version_id: int, *, minutes: int) -> float:
    """Count so many minutes in the shipper's steps, and return the median of a step in ms."""
    from django.db import transaction

    from monitoring.counting.shipped import _count_features
    from registry.models import ModelVersion
    from serving.contract import PredictionRecord

    version = ModelVersion.objects.select_related("model").get(pk=version_id)
    draw = np.random.default_rng(1)
    names = [f"f{i:03}" for i in range(FEATURES)]
    took = []
    for second in range(0, minutes * 60, SHIPPED_EVERY_S):
        at = (NOW + timedelta(seconds=second)).timestamp()
        records = [
            PredictionRecord(
                "", 0, at, "wide", version.model_id, 1, "champion", 1, 10_000, 0, False, 200, 900,
                dict(zip(names, values, strict=True)), {},
            )
            for values in draw.normal(size=(PER_SECOND * SHIPPED_EVERY_S, FEATURES)).tolist()
        ]  # fmt: skip
        began = time.perf_counter()
        with transaction.atomic():
            _count_features(records, {(version.model_id, 1): version_id})
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


def _trial(version_id: int) -> tuple[float, float]:
    """Return what the shipper's step takes for trials, before one is opened and while one with six guards is; medians in ms."""
    from django.contrib.auth.models import User
    from django.db import transaction

    from monitoring.counting.trials import count_trials
    from monitoring.models import Trial
    from monitoring.services import trial_open
    from monitoring.trials.guards import Guard
    from registry import services
    from registry.access import Actor
    from registry.models import ModelVersion
    from serving.contract import PredictionRecord

    champion = ModelVersion.objects.select_related("model").get(pk=version_id)
    actor = Actor(User.objects.get(), "session")
    candidate = services.version_create(actor=actor, model=champion.model, source="runs:/abd/model", run_id="abd")
    guards = [
        Guard("errors", "errors"), Guard("timeouts", "timeouts"), Guard("slow", "slow", threshold_ms=20),
        Guard("high", "output", above=0.9), Guard("low", "output", below=0.1), Guard("score", "mean"),
    ]  # fmt: skip
    draw = np.random.default_rng(2)
    medians = []
    for _ in range(2):
        took = []
        for second in range(0, 600, SHIPPED_EVERY_S):
            at = (NOW + timedelta(seconds=second)).timestamp()
            records = [
                PredictionRecord(
                    f"r{key}", 0, at, "wide", champion.model_id, number, arm, 1, weight, key, False, status, 900, {},
                    {"probability": score},
                )
                for key, score, (number, arm, weight), status in zip(
                    draw.integers(2**62, size=PER_SECOND * SHIPPED_EVERY_S).tolist(),
                    draw.random(PER_SECOND * SHIPPED_EVERY_S).tolist(),
                    [(champion.number, "champion", 9_000)] * 180 + [(candidate.number, "canary", 1_000)] * 20,
                    [500, *[200] * 99] * 2,
                    strict=True,
                )
            ]  # fmt: skip
            began = time.perf_counter()
            with transaction.atomic():
                count_trials(records)
            took.append(time.perf_counter() - began)
        medians.append(statistics.median(took) * 1000)
        trial_open(model=champion.model, champion=champion, candidate=candidate, guards=guards)
        Trial.objects.update(opened_at=NOW)
    return medians[0], medians[1]


def _bytes() -> int:
    from django.apps import apps
    from django.db import connection

    names = [apps.get_model("monitoring", name)._meta.db_table for name in TABLES]
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(pg_total_relation_size(name::regclass)) FROM unnest(%s) name", [names])
        return int(cursor.fetchone()[0])


def _packed(span: int) -> float:
    from django.db.models import Avg
    from django.db.models.functions import Length

    from monitoring.models import FeatureHistogram

    return float(FeatureHistogram.objects.filter(span=span).aggregate(size=Avg(Length("cells")))["size"])


if __name__ == "__main__":
    main()
