"""A drift report from real segments, the lake and a data set version, by a job; and what is refused."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from django.conf import settings
from django.http import Http404
from django.utils import timezone

from experiments.models import DatasetVersion
from jobs.models import Job
from jobs.states import State
from monitoring import services
from monitoring.drift import full_report
from monitoring.drift.schedule import turn_due
from monitoring.drift.words import METHOD_WORDS, floor_of, verdict
from monitoring.drifting import EffectFloor, Finding, Share
from monitoring.drifting.windows import Method
from monitoring.models import DriftReport
from monitoring.shipping import ship
from registry.errors import ConflictError, InvalidError, RoleError
from registry.models import Alert, AuditEvent, ModelVersion, RegisteredModel, Role
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
    assert (report.version, report.current_rows, report.compared, report.drifted) == (champion, 2_100, 4, 1)
    assert report.reference_rows == report.reference.splits["train"]["rows"]
    assert (report.edition, report.has_drifted, report.note) == (2, True, "")
    assert report.verdict == (
        "1 of 3 features has drifted from the training rows: distance; data broke in gust (missing)."
    )
    by_name = {feature.name: feature for feature in report.feature_drifts()}
    distance, gust = by_name["distance"], by_name["gust"]
    assert distance.score == pytest.approx(0.8, abs=0.1)
    assert (distance.method, distance.n, distance.enough) == ("wasserstein", 2_100, True)
    assert {"ks_p_value", "chi2_p_value", "wasserstein"} <= distance.statistics.keys()  # exact ones
    assert distance.statistics["wasserstein"] == pytest.approx(0.8, abs=0.1)
    told = report.classifier
    assert told["drifted"]
    assert 0.6 < told["low"] <= told["auc"] <= told["high"] <= 1
    assert told["features"][0][0] == "gust"
    assert 0.1 <= distance.threshold < distance.score
    assert (gust.score, gust.missing_current, gust.breaks, gust.drifted) == (None, 1.0, ["missing"], False)
    assert (by_name["carrier"].method, by_name["carrier"].drifted) == ("total_variation", False)
    assert sorted(by_name["carrier"].labels) == ["AA", "DL", "UA"]
    assert sum(by_name["wind"].current) == pytest.approx(1, abs=1e-3)
    slices = {(one.column, one.value): one for one in report.slice_drifts()}
    assert slices.keys() == {("carrier", "AA"), ("carrier", "DL"), ("carrier", "UA")}
    assert sum(one.rows for one in slices.values()) == 2_100
    assert {(one.state, one.drifted, *one.causes[:1]) for one in slices.values()} == {("drifted", 1, "distance")}
    event = AuditEvent.objects.get(action="drift_report.create")
    assert (event.subject, event.team, event.payload["drifted"]) == (report.path, champion.model.team.slug, 1)

    # The page says it in a sentence; Evidently's own page is locked up.
    client.force_login(actor.user)
    page = client.get(report.path).content.decode()
    assert report.verdict in page
    assert "Wasserstein distance" in page
    assert "carrier AA" in page
    assert "Told apart" in page
    full = client.get(f"{report.path}?tab=full").content.decode()
    assert f'<iframe class="report mt-2" sandbox="allow-scripts" src="{report.path}evidently.html"' in full
    own = client.get(f"{report.path}evidently.html")
    assert b"<script" in b"".join(own.streaming_content)
    policy = own["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-scripts; default-src 'none';")
    assert "'unsafe-inline'" not in client.get(report.path)["Content-Security-Policy"]


def test_evidently_draws_its_page_within_bounds_or_the_report_says_why_there_is_none(tmp_path, monkeypatch):
    sides = full_report.Sides(
        [{"name": "distance", "type": "double"}], {"distance": [1.0] * 60}, {"distance": [2.0] * 60}, (), {}, {}
    )
    monkeypatch.setattr(full_report, "EVIDENTLY_S", 0.01)

    assert full_report.evidently_page(sides, tmp_path / "page.html") == "Evidently was not done within 0.01 s."
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    ("attempt", "said"),
    [
        ("page.ADDRESS_SPACE = 400 * 1024**2; page.main(); bytearray(10**9)", "MemoryError"),
        ("page.CPU_S = 1; page.main(); sum(iter(int, 1))", ""),
        ("page.main(); import socket; socket.create_connection(('127.0.0.1', 9))", "no business in the network"),
    ],
)
def test_what_draws_evidentlys_page_takes_no_more_than_its_bounds_and_asks_nobody(attempt, said):
    """In place of drawing, each attempt goes on once the bounds are set."""
    drawing = "import json, monitoring.drift.evidently_page as page; page._draw = lambda *_: None; "

    done = subprocess.run(
        [sys.executable, "-c", drawing + attempt, "a", "b", "c"], cwd=settings.BASE_DIR, input=b"{}", capture_output=True, timeout=60
    )  # fmt: skip

    assert done.returncode != 0
    assert said in done.stderr.decode()


def told(champion, drifted, **fields):
    """A report as the job keeps it, told of."""
    title = f"Drift {DriftReport.objects.count()}"
    job = Job.objects.create(kind="drift_report", queue="monitoring", scope=champion.model.team.slug, title=title)
    fields = {"until": timezone.now(), "features": [], "html": "", "verdict": f"{drifted} of 4 drifted."} | fields
    report = DriftReport.objects.create(
        version=ModelVersion.objects.get(pk=champion.pk), reference=DatasetVersion.objects.get(), reference_rows=2_000, current_rows=2_000, compared=4,
        since=fields["until"] - timedelta(days=1), drifted=drifted, job=job, **fields,
    )  # fmt: skip
    services.drift_tell(report=report)
    return report


def test_drift_is_one_alert_until_a_report_finds_none(champion):
    engineer = make_actor(champion.model.team)

    first = told(champion, 1)
    second = told(champion, 1)

    assert (first.has_drifted, second.has_drifted) == (True, True)
    alert = Alert.objects.get()
    title = f"A full report finds drift of flight-delay v{champion.number}: 1 of 4 features"
    assert (alert.kind, alert.title, alert.link, alert.cleared_at) == ("drift", title, second.path, None)
    assert [item.title for item in waiting(engineer)] == [title]
    [raised] = AuditEvent.objects.filter(action="alert.raise")
    assert raised.payload["alert"] == alert.pk

    told(champion, 0)

    alert.refresh_from_db()
    assert alert.cleared_at
    assert waiting(engineer) == []
    assert AuditEvent.objects.filter(action="alert.clear").count() == 1


def test_drift_brings_the_revalidation_forward_once_where_the_model_names_it(champion):
    team, today = champion.model.team, timezone.now().date()

    report = told(champion, 1)

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

    told(champion, 1)

    model.refresh_from_db()
    assert Alert.objects.get().kind == "drift"
    assert (model.revalidate_by, model.revalidate_why) == (due, "")


def test_only_the_latest_report_of_the_present_champion_speaks(champion):
    report = told(champion, 1)
    alert_clear(model=champion.model, key="drift:report")
    DriftReport.objects.filter(pk=report.pk).update(until=report.until + timedelta(hours=1))  # overtakes what it was

    services.drift_tell(report=report)
    assert not Alert.objects.filter(cleared_at=None).exists()
    report.refresh_from_db()
    make_champion(champion.model)
    services.drift_tell(report=report)

    assert not Alert.objects.filter(cleared_at=None).exists()


def test_too_few_predictions_make_no_report(champion):
    serve(champion, rows(49, seed=2))

    services.drift_report_start(actor=make_actor(champion.model.team), model=champion.model)
    with pytest.raises(ValueError, match="There are 49 predictions; a comparison needs at least 50"):
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


def test_report_of_the_first_edition_is_still_read(champion, client):
    feature = {
        "name": "distance", "kind": "number", "method": "jensenshannon", "score": 0.2, "drifted": True, "importance": None,
        "missing_reference": 0.0, "missing_current": 0.0, "labels": ["1 to 2"], "reference": [1.0], "current": [1.0],
    }  # fmt: skip
    old = told(champion, 4, edition=1, features=[feature], html="old.html")
    client.force_login(make_actor(champion.model.team).user)

    page = client.get(old.path).content.decode()

    assert old.feature_drifts()[0].threshold == 0.1
    assert "Jensen-Shannon distance" in page
    assert "50% of the features" in page


def test_scheduled_reports_take_each_turn_once(champion):
    services.drift_policy_change(
        actor=make_actor(champion.model.team), model=champion.model, report_cron="0 6 * * *", report_zone="Europe/Berlin",
        reason="Read at breakfast.",
    )  # fmt: skip
    due = datetime(2026, 11, 26, 5, 10, tzinfo=UTC)  # ten past six there

    assert services.drift_reports_start(now=due - timedelta(minutes=20)) == []
    [job] = services.drift_reports_start(now=due)
    assert services.drift_reports_start(now=due + timedelta(minutes=1)) == []

    assert (job.kind, job.created_by, job.params["hours"]) == ("drift_report", None, 24)
    [event] = AuditEvent.objects.filter(action="drift_report.start")
    assert event.actor == "schedule"
    [tomorrow] = services.drift_reports_start(now=due + timedelta(days=1))
    assert tomorrow != job


@pytest.mark.parametrize(
    ("cron", "zone", "now", "turn"),
    [
        (
            "30 2 * * *",
            "Europe/Berlin",
            datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
            "2026-03-29T01:00",
        ),  # left out that night
        ("30 2 * * *", "Europe/Berlin", datetime(2026, 10, 25, 0, 40, tzinfo=UTC), "2026-10-25T00:30"),
        ("30 2 * * *", "Europe/Berlin", datetime(2026, 10, 25, 1, 40, tzinfo=UTC), None),  # the hour that comes twice
        ("0 6 * * 1-5", "UTC", datetime(2026, 11, 28, 6, 5, tzinfo=UTC), None),  # a Saturday
        ("0 6 * * *", "UTC", datetime(2026, 11, 26, 6, 0, tzinfo=UTC), "2026-11-26T06:00"),
        ("0 6 * * *", "UTC", datetime(2026, 11, 26, 7, 1, tzinfo=UTC), None),  # missed for too long
    ],
)
def test_turns_of_a_schedule(cron, zone, now, turn):
    found = turn_due(cron, zone, now=now)

    assert (found and f"{found:%Y-%m-%dT%H:%M}") == turn


def finding(name, *, drifted=False, breaks=(), enough=True, n=100):
    share = Share(0.0, 0.0, 1.0, 1.0, broke=False)
    return Finding(
        name, "number", "wasserstein", 0.5, 0.5, 0.5, 0.1, 0.5, 0.1, drifted, drifted, enough, n, n, {}, share, share, share,
        share, breaks,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("drifted", "broken", "said"),
    [
        (0, 0, "Nothing has drifted: 5 features hold against the training rows."),
        (1, 0, "1 of 5 features has drifted from the training rows: f0."),
        (2, 1, "2 of 5 features have drifted from the training rows: f0 and f1; data broke in f0 (type)."),
        (5, 0, "5 of 5 features have drifted from the training rows: f0, f1, f2 and 2 more."),
        (0, 2, "Data broke in f0 (type) and f1 (type)."),
    ],
)
def test_verdict_in_a_sentence(drifted, broken, said):
    found = [finding(f"f{n}", drifted=n < drifted, breaks=("type",) if n < broken else ()) for n in range(5)]

    assert verdict(found) == said


def test_verdict_on_too_few_values():
    assert verdict([finding("f", enough=False, n=31)]) == "There are too few values to judge by: 31 of 50."
    assert verdict([]) == "There are too few values to judge by: 0 of 50."


def test_every_method_has_words():
    assert set(get_args(Method)) <= METHOD_WORDS.keys()


def test_floors_are_in_proportion_to_that_of_numbers():
    assert floor_of(0.1) == EffectFloor()
    assert floor_of(0.2).category == pytest.approx(2 * EffectFloor().category)
