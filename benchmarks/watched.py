"""One model that has been watched for 90 days, for the benchmark of pages: looks at 300 features, quality by late labels, objectives.

What a page shows of a window was counted, judged and measured by the product's own code, for an hour or a day; the other windows are
copies of it at other times.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from benchmarks.catalogue import Home, execute

MODEL = "model-000007"
FEATURES, CATEGORIES = 280, 20
DAYS = 90
PER_HOUR = 2_000
SHARES = {"champion": 0.9, "canary": 0.1, "shadow": 0.3}
COLUMNS = [f"feature_{i:03}" for i in range(FEATURES + CATEGORIES)]
PAGES = {
    "drift": f"/models/{MODEL}/drift/?days={DAYS}",
    "drift_all_features": f"/models/{MODEL}/drift/?days={DAYS}&features=all",
    "drift_list": "/drift/",
    "quality": f"/models/{MODEL}/quality/?days={DAYS}",
    "quality_details": f"/models/{MODEL}/quality-details-panel/?days={DAYS}",
    "slo": "/slos/1/",
    "slo_quality": "/slos/2/",
    "slos": "/slos/",
}


def fill(home: Home) -> None:
    """Write what 90 days of watching leave behind of the model."""
    from registry.models import ModelVersion

    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    version = ModelVersion.objects.select_related("model__team").get(model__name=MODEL, number=3)
    _looks(version, now)
    _quality(version, now)
    _objectives(version, now)
    execute(
        home.postgres,
        _copies("monitoring_driftwindow", ("slot_at", "since", "until", "judged_at"), span=3600, times=24 * DAYS - 1),
        _copies("monitoring_driftwindow", ("slot_at", "since", "until", "judged_at"), span=86_400, times=DAYS - 1),
        *(
            _copies(table, ("started_at",), span=span, times=DAYS - 1, every=86_400)
            for table in ("monitoring_qualitywindow", "monitoring_qualitypairs")
            for span in (3600, 86_400)
        ),
    )


def _copies(table: str, instants: tuple[str, ...], *, span: int, times: int, every: int = 0) -> str:
    """Return an INSERT that repeats the windows of a span as often, each further back by their length or ``every`` seconds."""
    from django.apps import apps

    [model] = [one for one in apps.get_app_config("monitoring").get_models() if one._meta.db_table == table]
    columns = [f'"{one.column}"' for one in model._meta.concrete_fields if not one.primary_key]
    values = [
        f"{one} - n * interval '{every or span} seconds'" if one.strip('"') in instants else one for one in columns
    ]
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)}"  # noqa: S608  our own names
        f" FROM {table}, generate_series(1, {times}) n WHERE span = {span}"
    )


def _looks(version: Any, now: datetime) -> None:
    """Count some hours of inputs, a tenth of which moved, and look at it as the periodic task does."""
    from monitoring import services
    from monitoring.drift.features import cells_of, features_of
    from monitoring.models import FeatureHistogram
    from registry.histograms import profile_of
    from registry.services import reference_record

    inputs = [{"name": name, "type": "double" if i < FEATURES else "string"} for i, name in enumerate(COLUMNS)]
    random = np.random.default_rng(1)
    profile = profile_of(_columns(random, 20_000, moved=False), inputs)
    reference_record(version=version, source="training", rows=20_000, columns=profile)
    features = features_of(profile)
    span = FeatureHistogram.Span
    for at, seconds in [(now - timedelta(hours=n + 1), span.HOUR) for n in range(5)] + [(now, span.FIVE_MINUTES)]:
        columns = _columns(random, PER_HOUR, moved=True)
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        cells = cells_of(features, rows, [None] * PER_HOUR)
        FeatureHistogram.objects.create(
            version=version, arm="champion", span=seconds, started_at=at, rows=PER_HOUR, cells=cells.pack()
        )
    services.drift_look(now=now + timedelta(minutes=6))


def _columns(random: np.random.Generator, rows: int, *, moved: bool) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for i, name in enumerate(COLUMNS):
        by = 0.4 if moved and i % 10 == 0 else 0.0
        if i < FEATURES:
            found[name] = (random.gamma(2.0, size=rows) + by).tolist()
        else:
            found[name] = random.choice(
                ["north", "east", "south", "west"], rows, p=[0.4 - by / 2, 0.3, 0.2, 0.1 + by / 2]
            ).tolist()
    return found


def _quality(version: Any, now: datetime) -> None:
    """Say what is watched, and count yesterday hour by hour as labels told it, beside a canary and a shadow."""
    from monitoring.models import QualityPolicy
    from monitoring.quality.replacing import replace_pairs, replace_windows

    model = version.model
    policy = QualityPolicy.objects.create(
        model=model, kind="probability", metric="average_precision", limit=0.2, maturity_s=86_400, changed_by=version.created_by,
        slices={"region": ["north", "east", "south"]},
    )  # fmt: skip
    start = (now - timedelta(days=1)).replace(hour=0).timestamp()
    windows = dict(_windows(start))
    replace_windows(model, policy, windows, _reference(version))
    replace_pairs(model, policy, dict(_pairs(start)), hours={key.started_at for key in windows})


def _windows(start: float) -> Iterator[tuple[Any, Any]]:
    from monitoring.quality.sums import Key, probabilities

    for n in range(24):
        for arm, share in SHARES.items():
            for slice_ in ("", "region=north", "region=east", "region=south") if arm == "champion" else ("",):
                scores, labels = _told(n, round(PER_HOUR * share))
                number = 3 if arm == "champion" else 4
                yield Key(number, arm, slice_, start + n * 3600), probabilities(scores, labels, threshold=0.5)


def _pairs(start: float) -> Iterator[tuple[Any, Any]]:
    from monitoring.quality.pairs import probability_pairs
    from monitoring.quality.rows import PairKey

    for n in range(24):
        scores, labels = _told(n, 500)
        ours = np.clip(scores + np.random.default_rng(n).normal(0, 0.05, scores.size), 0, 1)
        yield PairKey(3, 4, start + n * 3600), probability_pairs(scores, ours, labels, threshold=0.5)


def _told(seed: int, rows: int) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    scores = random.beta(1, 8, rows)
    labels = (random.random(rows) < scores).astype(float)
    labels[random.random(rows) < 0.2] = np.nan
    return scores, labels


def _reference(version: Any) -> dict[int, Any]:
    """Keep what estimates of the version rest on, as its job would have."""
    from monitoring.models import QualityReference
    from monitoring.quality.sums import probabilities

    scores, labels = _told(99, 20_000)
    sums = probabilities(scores, labels, threshold=0.5)
    data = version.training_run.dataset_version
    made = QualityReference.objects.create(
        version=version,
        data=data,
        kind="probability",
        rows=sums.labelled,
        cells=sums.cells.pack(),
        job_id=version.job_id,
    )
    return {version.number: made}


def _objectives(version: Any, now: datetime) -> None:
    """Promise availability and quality over 90 days, and count each five minutes of them, or each hour."""
    from monitoring.models import Slo, SloCount, SloSpan

    common = {"model": version.model, "window_days": DAYS, "created_by": version.created_by}
    served = Slo.objects.create(**common, pk=1, name="availability", kind="availability", objective="0.999")
    promised = Slo.objects.create(
        **common, pk=2, name="quality", kind="quality", objective="0.9", metric="accuracy", slice_s=3600, maturity_s=86_400,
        min_coverage=0.5,
    )  # fmt: skip
    random = np.random.default_rng(2)
    fine, joined = timedelta(minutes=5), timedelta(hours=1)  # after ten days the counts of an hour are joined
    spans = [(now - n * fine, 1) for n in range(10 * 288)] + [(now - n * joined, 12) for n in range(240, DAYS * 24)]
    SloCount.objects.bulk_create(
        SloCount(
            slo=served,
            version=version,
            arm=arm,
            started_at=at,
            total=total * joined_from,
            bad=random.binomial(total * joined_from, 0.0005),
        )
        for at, joined_from in spans
        for arm, total in (("champion", 9_000), ("canary", 1_000))
    )
    SloSpan.objects.bulk_create(
        SloSpan(
            slo=promised, started_at=now - n * joined, state="final" if n > 24 else "provisional", total=1_600,
            bad=random.binomial(1_600, 0.08), value=0.92, labelled=1_600, predictions=2_000, stated_at=now,
        )
        for n in range(DAYS * 24)
    )  # fmt: skip
