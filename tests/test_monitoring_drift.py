"""A drift report from real segments, the lake and a data set version, by a job; and what is refused."""

from datetime import timedelta

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
from registry.models import Alert, AuditEvent, RegisteredModel, Role
from registry.selectors import waiting
from registry.services import alert_clear, model_update, revalidation_record
from tests.data_sets import make_data, make_trained_champion
from tests.factories import (
    NOON,
    make_actor,
    make_champion,
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


def serve(version, frame, segment=1):
    """Let the version have answered these rows an hour ago, as the gateway records it."""
    after = timezone.now().timestamp() - NOON - 3600
    inputs = frame.astype(object).where(frame.notna(), None).to_dict("records")
    records = [make_record(version, after=after + n / 100, inputs=row) for n, row in enumerate(inputs)]
    make_segment(settings.SPOOL_ROOT, "spool-a", segment, records)
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


def compare(champion, frame, segment):
    """Have the champion answer these rows, and a job compare them with its training rows."""
    serve(champion, frame, segment)
    services.drift_report_start(actor=make_actor(champion.model.team), model=champion.model)
    run_jobs("monitoring")
    return DriftReport.objects.latest("id")


def test_drift_is_one_alert_until_a_report_finds_none(champion):
    engineer = make_actor(champion.model.team)

    first = compare(champion, rows(2_100, seed=2, distance=80, gust=False), 1)
    second = compare(champion, rows(2_100, seed=3, distance=80, gust=False), 2)

    assert (first.has_drifted, second.has_drifted) == (True, True)
    alert = Alert.objects.get()
    title = f"Inputs of flight-delay v{champion.number} have drifted: 2 of 4 features"
    assert (alert.kind, alert.title, alert.link, alert.cleared_at) == ("drift", title, second.path, None)
    assert [item.title for item in waiting(engineer)] == [title]
    [raised] = AuditEvent.objects.filter(action="alert.raise")
    assert raised.payload["alert"] == alert.pk

    compare(champion, rows(20_000, seed=4), 3)

    alert.refresh_from_db()
    assert alert.cleared_at
    assert waiting(engineer) == []
    assert AuditEvent.objects.filter(action="alert.clear").count() == 1


def test_drift_brings_the_revalidation_forward_once_where_the_model_names_it(champion):
    team, today = champion.model.team, timezone.now().date()

    report = compare(champion, rows(2_100, seed=2, distance=80, gust=False), 1)

    model = RegisteredModel.objects.get(pk=champion.model_id)
    assert (model.revalidate_by, model.revalidate_why) == (today + timedelta(days=14), report.verdict)
    event = AuditEvent.objects.get(action="revalidation.bring_forward")
    assert (event.actor, event.payload["reason"]) == (f"job:{report.job_id}", report.verdict)

    # The drift goes on, but whoever re-validated knew of it.
    done = revalidation_record(
        actor=make_actor(team, Role.APPROVER), model=model, note="Still ranks well.", document="Report of November."
    )
    services.drift_tell(report=report)
    model.refresh_from_db()
    assert (model.revalidate_by, model.revalidate_why) == (done.next_due, "")


def test_drift_of_a_model_that_does_not_name_it_only_alerts(champion):
    model = model_update(actor=make_actor(champion.model.team), model=champion.model, revalidation_triggers=[])
    due = model.revalidate_by

    compare(champion, rows(2_100, seed=2, distance=80, gust=False), 1)

    model.refresh_from_db()
    assert Alert.objects.get().kind == "drift"
    assert (model.revalidate_by, model.revalidate_why) == (due, "")


def test_only_the_latest_report_of_the_present_champion_speaks(champion):
    report = compare(champion, rows(2_100, seed=2, distance=80, gust=False), 1)
    alert_clear(model=champion.model, key="drift")
    DriftReport.objects.filter(pk=report.pk).update(until=report.until + timedelta(hours=1))  # overtakes what it was

    services.drift_tell(report=report)
    assert not Alert.objects.filter(cleared_at=None).exists()
    report.refresh_from_db()
    make_champion(champion.model)
    services.drift_tell(report=report)

    assert not Alert.objects.filter(cleared_at=None).exists()


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
