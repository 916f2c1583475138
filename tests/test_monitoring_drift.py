"""A drift report from real segments, the lake and a data set version, by a job; and what is refused."""

import numpy as np
import pandas as pd
import pytest
from django.conf import settings
from django.http import Http404
from django.utils import timezone

from jobs.models import Job
from jobs.states import State
from monitoring import services
from monitoring.drift import FeatureDrift, most_telling_first, verdict
from monitoring.models import DriftReport
from monitoring.shipping import ship
from registry.errors import ConflictError, InvalidError, RoleError
from registry.models import AuditEvent, Role
from tests.data_sets import make_data, make_trained_champion
from tests.factories import (
    NOON,
    make_actor,
    make_model,
    make_record,
    make_segment,
    make_team,
    make_version,
    run_jobs,
)

pytestmark = pytest.mark.django_db
INPUTS = [
    {"name": n, "type": "string" if n == "carrier" else "double"} for n in ("distance", "carrier", "wind", "gust")
]


def rows(count, *, seed, distance=0.0, gust=True):
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "distance": random.normal(500 + distance, 100, count),
            "carrier": random.choice(["AA", "UA", "DL"], count),
            "wind": random.normal(10, 3, count),
            "gust": random.normal(30, 3, count) if gust else np.nan,
        }
    )


@pytest.fixture
def champion():
    model = make_model(name="flight-delay")
    return make_trained_champion(model, make_data(model.team, rows(3_300, seed=1)).digest, INPUTS)


def serve(version, frame):
    """Let the version have answered these rows an hour ago, as the gateway records it."""
    after = timezone.now().timestamp() - NOON - 3600
    inputs = frame.astype(object).where(frame.notna(), None).to_dict("records")
    records = [make_record(version, after=after + n / 100, inputs=row) for n, row in enumerate(inputs)]
    make_segment(settings.SPOOL_ROOT, "spool-a", 1, records)
    ship()


def test_report_names_what_has_moved(champion, client):
    actor = make_actor(champion.model.team)
    serve(champion, rows(2_100, seed=2, distance=80, gust=False))

    services.drift_report_start(actor=actor, model=champion.model)
    [job] = run_jobs("monitoring")

    assert (job.state, job.error) == (State.SUCCEEDED, "")
    report = DriftReport.objects.get()
    assert job.result["report"] == report.path
    assert (report.version, report.current_rows, report.compared, report.drifted) == (champion, 2_100, 4, 2)
    assert report.reference_rows == report.reference.splits["train"]["rows"]
    assert report.has_drifted
    assert report.verdict == (
        "The inputs have drifted: 2 of 4 features have moved away from the training rows (distance, gust)."
    )
    by_name = {feature.name: feature for feature in report.feature_drifts()}
    assert by_name["distance"].score == pytest.approx(0.8, abs=0.1)
    assert by_name["distance"].method == "wasserstein"
    assert (by_name["gust"].score, by_name["gust"].missing_current) == (None, 1.0)
    assert (by_name["carrier"].method, by_name["carrier"].drifted) == ("jensenshannon", False)
    assert sorted(by_name["carrier"].labels) == ["AA", "DL", "UA"]
    assert sum(by_name["wind"].current) == pytest.approx(1, abs=1e-3)
    event = AuditEvent.objects.get(action="drift_report.create")
    assert (event.subject, event.team, event.payload["drifted"]) == (report.path, champion.model.team.slug, 2)

    # The page says it in a sentence; Evidently's own page is locked up.
    client.force_login(actor.user)
    page = client.get(report.path).content.decode()
    assert report.verdict in page
    assert "Wasserstein distance" in page
    full = client.get(f"{report.path}?tab=full").content.decode()
    assert f'<iframe class="report mt-2" sandbox="allow-scripts" src="{report.path}evidently.html"' in full
    own = client.get(f"{report.path}evidently.html")
    assert b"<script" in b"".join(own.streaming_content)
    policy = own["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-scripts; default-src 'none';")
    assert "'unsafe-inline'" not in client.get(report.path)["Content-Security-Policy"]


def test_too_few_predictions_make_no_report(champion):
    serve(champion, rows(1_999, seed=2))

    services.drift_report_start(actor=make_actor(champion.model.team), model=champion.model)
    with pytest.raises(ValueError, match="There are 1999 predictions; a comparison needs at least 2000"):
        run_jobs("monitoring")

    assert not DriftReport.objects.exists()


def test_viewers_and_other_teams_start_nothing(champion):
    with pytest.raises(RoleError):
        services.drift_report_start(actor=make_actor(champion.model.team, Role.VIEWER), model=champion.model)
    with pytest.raises(Http404):
        services.drift_report_start(actor=make_actor(make_team()), model=champion.model)

    assert not Job.objects.filter(kind="drift_report").exists()


@pytest.mark.parametrize("hours", [0, 169])
def test_hours_out_of_range_are_refused(champion, hours):
    with pytest.raises(InvalidError):
        services.drift_report_start(actor=make_actor(champion.model.team), model=champion.model, hours=hours)

    assert not Job.objects.filter(kind="drift_report").exists()


def test_without_champion_or_known_training_rows_there_is_nothing_to_compare(champion):
    actor = make_actor(champion.model.team)
    idle = make_model(champion.model.team, name="idle")
    make_version(idle)

    with pytest.raises(ConflictError, match="No version of idle is champion"):
        services.drift_report_start(actor=actor, model=idle)
    foreign = make_trained_champion(make_model(champion.model.team, name="foreign"), f"sha256:{0:064x}", INPUTS)
    with pytest.raises(ConflictError, match="names no training data set"):
        services.drift_report_start(actor=actor, model=foreign.model)

    assert not Job.objects.filter(kind="drift_report").exists()


def drift(name, score, *, drifted=False, importance=None):
    return FeatureDrift(name, "number", "wasserstein", score, drifted, importance, 0, 0, [], [], [])


def test_importance_weighs_scores_where_it_is_known():
    features = [drift("a", 0.9, drifted=True), drift("b", 0.05), drift("c", 0.2, drifted=True)]
    weighed = [drift("a", 0.9, drifted=True, importance=0.1), drift("c", 0.2, drifted=True, importance=0.9)]

    assert [f.name for f in most_telling_first(features)] == ["a", "c", "b"]
    assert [f.name for f in most_telling_first(weighed)] == ["c", "a"]


@pytest.mark.parametrize(
    ("drifted", "said"),
    [
        (0, "None of the 5 features has drifted from the training rows."),
        (1, "The inputs hold as a whole: 1 of 5 features has moved away from the training rows (f0)."),
        (4, "The inputs have drifted: 4 of 5 features have moved away from the training rows (f0, f1, f2 and 1 more)."),
    ],
)
def test_verdict_in_a_sentence(drifted, said):
    assert verdict([drift(f"f{n}", 0.5, drifted=n < drifted) for n in range(5)]) == said
