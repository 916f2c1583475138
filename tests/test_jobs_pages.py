"""The pages and the API of jobs: what they show, to whom, and who may act."""

import re
from datetime import timedelta

import pytest
from django.db.models import F
from django.test import Client

from jobs.leases import job_claim, job_fail, job_finish, job_log, job_progress
from jobs.models import Job
from jobs.services import job_create
from registry.models import AuditEvent, Role
from tests import factories, job_kinds

pytestmark = pytest.mark.django_db


@pytest.fixture
def team():
    return factories.make_team("flight-ops")


@pytest.fixture
def engineer(client, team):
    client.force_login(factories.make_user(team, Role.ENGINEER, "erin"))
    return client


@pytest.fixture
def viewer(team):
    client = Client()
    client.force_login(factories.make_user(team, Role.VIEWER))
    return client


@pytest.fixture
def stranger():
    client = Client()
    client.force_login(factories.make_user(factories.make_team("cards"), Role.ADMIN))
    return client


def make_job(**fields):
    wanted = {"kind": "test.effect", "scope": "flight-ops", "title": "Train delays", "subject": "/models/delay/"}
    return job_create(**wanted | fields)


def claim():
    return job_claim(queue=job_kinds.QUEUE, worker="host:1")


def make_running(**fields):
    make_job(**fields)
    return claim()


def make_succeeded(result=None):
    job = make_running()
    job_finish(job_id=job.pk, attempt=1, result=result or {})
    return job


def make_failed(error="ValueError: no"):
    Job.objects.filter(pk=make_job().pk).update(max_attempts=1)
    job = claim()
    job_fail(job_id=job.pk, attempt=1, error=error)
    return job


def text_of(response):
    return response.content.decode()


def test_empty_list_says_what_a_job_is(engineer):
    page = text_of(engineer.get("/jobs/"))

    assert "No job yet" in page
    assert "every 2s" not in page


def test_list_filters_by_address_and_polls_while_work_is_unfinished(engineer):
    done, waiting = make_succeeded(), make_job(title="Evaluate delays", subject="/models/delay/versions/2/")

    page = text_of(engineer.get("/jobs/?state=queued&q=evaluate"))

    assert waiting.path in page
    assert done.path not in page
    assert 'hx-get="/jobs/?state=queued&amp;q=evaluate"' in page
    assert "every 2s" in page
    assert "every 2s" not in text_of(engineer.get("/jobs/?state=succeeded"))
    assert "No job matches" in text_of(engineer.get("/jobs/?kind=nothing"))
    assert f"#{done.pk}" in text_of(engineer.get(f"/jobs/?q={done.pk}"))


def test_list_renews_only_its_rows(engineer):
    make_job()

    piece = text_of(engineer.get("/jobs/", headers={"HX-Request": "true"}))

    assert piece.lstrip().startswith('<section class="section" id="list"')


def test_list_is_paged_both_ways_with_a_constant_number_of_queries(engineer, django_assert_max_num_queries):
    jobs = [make_job() for _ in range(120)]
    newest_first = [job.pk for job in jobs][::-1]

    def shown(address):
        with django_assert_max_num_queries(15):
            response = engineer.get(address)
        return [job.pk for job in response.context["page"].rows], response.context["page"]

    first, page = shown("/jobs/")
    assert (first, page.previous) == (newest_first[:50], None)
    second, page = shown(f"/jobs/?cursor={page.next}")
    third, last = shown(f"/jobs/?cursor={page.next}")
    assert (second, third, last.next) == (newest_first[50:100], newest_first[100:], None)
    back, page = shown(f"/jobs/?cursor={last.previous}")
    assert back == second
    back, page = shown(f"/jobs/?cursor={page.previous}")
    assert (back, page.previous) == (first, None)


def test_running_job_shows_phase_progress_and_expected_time(engineer):
    Job.objects.filter(pk=make_succeeded().pk).update(started_at=F("finished_at") - timedelta(minutes=3))
    job = make_running()
    job_progress(job_id=job.pk, attempt=1, share=0.62, phase="Train fold 3")
    job_log(job_id=job.pk, attempt=1, text="first line\nsecond line")

    page = text_of(engineer.get(job.path))

    assert "Train fold 3" in page
    assert 'width="62.0%"' in page
    assert "3 min" in page
    assert "median of earlier jobs of this kind" in page
    assert '<li id="L2"><a href="?line=2#L2"' in page
    assert f'hx-get="/jobs/{job.pk}/state/"' in page
    assert f'hx-get="/jobs/{job.pk}/log/?after=2"' in page
    assert "Cancel job" in page


def test_finished_job_shows_outputs_and_stops_polling(engineer):
    job = make_succeeded({"version": "/models/delay/versions/1/", "auc": 0.81, "evil": "//evil.example", "rows": [1]})

    page = text_of(engineer.get(job.path))

    assert '<a href="/models/delay/versions/1/">' in page
    assert "//evil.example" in page
    assert 'href="//evil.example"' not in page
    assert "<dd>0.81</dd>" in page
    assert "every 2s" not in page
    assert "Retry" not in page


def test_failed_job_shows_the_error_and_every_attempt(engineer):
    job = make_failed("<b>Traceback</b>")

    page = text_of(engineer.get(job.path))

    assert page.count("&lt;b&gt;Traceback&lt;/b&gt;") == 2
    assert 'on <span class="mono">host:1</span>' in page
    assert "Retry" in page


def test_moving_pieces_of_a_page_are_swapped_together(engineer):
    job = make_succeeded({"answer": 42})

    piece = text_of(engineer.get(f"{job.path}state/"))

    assert 'id="state"' in piece
    assert '<div id="facts" hx-swap-oob="true">' in piece
    assert "every 2s" not in piece


def test_log_follows_and_links_to_any_line(engineer):
    job = make_running()
    job_log(job_id=job.pk, attempt=1, text="\n".join(f"line {n}" for n in range(1, 1001)))

    def numbers(address):
        return [int(n) for n in re.findall(r'<li id="L(\d+)">', text_of(engineer.get(address)))]

    assert numbers(job.path) == list(range(601, 1001))
    assert numbers(f"{job.path}?line=300") == list(range(201, 601))
    assert numbers(f"{job.path}log/?after=990") == list(range(991, 1001))
    assert "Later lines" in text_of(engineer.get(f"{job.path}?line=300"))
    raw = engineer.get(f"{job.path}log.txt")
    assert raw.headers["Content-Disposition"] == f'attachment; filename="job-{job.pk}.log"'
    lines = b"".join(raw.streaming_content).decode().splitlines()
    assert len(lines) == 1000
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z 1 line 1000", lines[-1])


def test_engineer_cancels_and_retries_on_the_record(engineer):
    job = make_job()

    cancelled = engineer.post(f"{job.path}cancel/", follow=True)

    job.refresh_from_db()
    assert job.state == "cancelled"
    assert f"Job {job.pk} is cancelled." in text_of(cancelled)
    assert job.log.get().text == "erin asked to cancel."

    engineer.post(f"{job.path}retry/")

    job.refresh_from_db()
    assert job.state == "queued"
    events = AuditEvent.objects.filter(subject=job.path).order_by("seq").values_list("action", "actor")
    assert list(events) == [("job.cancel", "erin"), ("job.retry", "erin")]


def test_act_that_the_state_forbids_changes_nothing(engineer):
    job = make_succeeded()

    page = text_of(engineer.post(f"{job.path}cancel/", follow=True))

    assert "A job that is succeeded cannot be cancelled. Nothing was changed." in page
    assert not AuditEvent.objects.filter(subject=job.path).exists()


@pytest.mark.parametrize("act", ["cancel", "retry"])
def test_viewer_may_look_but_not_act(viewer, act):
    job = make_job()

    assert viewer.get(job.path).status_code == 200
    assert viewer.post(f"{job.path}{act}/").status_code == 403
    assert viewer.post(f"/api/v1/jobs/{job.pk}/{act}/").status_code == 403

    job.refresh_from_db()
    assert job.state == "queued"


@pytest.mark.parametrize("base", ["/jobs/", "/api/v1/jobs/"])
def test_job_of_another_team_does_not_exist(stranger, base):
    job = make_job()

    for address in ("", "log/"):
        assert stranger.get(f"{base}{job.pk}/{address}").status_code == 404
    for act in ("cancel/", "retry/"):
        assert stranger.post(f"{base}{job.pk}/{act}").status_code == 404

    assert "Train delays" not in text_of(stranger.get(base))
    job.refresh_from_db()
    assert job.state == "queued"


def test_acts_need_a_csrf_token(team):
    client = Client(enforce_csrf_checks=True)
    client.force_login(factories.make_user(team))
    job = make_job()

    assert client.post(f"{job.path}cancel/").status_code == 403
    assert client.post(f"/api/v1/jobs/{job.pk}/cancel/", content_type="application/json").status_code == 403

    job.refresh_from_db()
    assert job.state == "queued"


def test_panel_shows_the_latest_jobs_of_a_subject(engineer, stranger):
    make_job(title="Elsewhere", subject="/models/other/")
    job = make_job()

    panel = text_of(engineer.get("/jobs/panel/?subject=/models/delay/"))

    assert job.path in panel
    assert "Elsewhere" not in panel
    assert 'hx-get="/jobs/panel/?subject=/models/delay/"' in panel
    assert "No job yet" in text_of(stranger.get("/jobs/panel/?subject=/models/delay/"))
    assert engineer.get("/jobs/panel/").status_code == 404


def test_api_lists_reads_and_acts(client, team):
    _, secret = factories.make_token(team)
    headers = {"Authorization": f"Bearer {secret}"}
    job = make_running()
    job_log(job_id=job.pk, attempt=1, text="a\nb")
    make_job(kind="test.raise")

    listed = client.get("/api/v1/jobs/?kind=test.effect&state=running", headers=headers).json()
    read = client.get(f"/api/v1/jobs/{job.pk}/", headers=headers).json()
    log = client.get(f"/api/v1/jobs/{job.pk}/log/", headers=headers).json()
    cancelled = client.post(f"/api/v1/jobs/{job.pk}/cancel/", headers=headers)

    assert [row["id"] for row in listed["results"]] == [job.pk]
    assert read["attempts"][0]["worker"] == "host:1"
    assert [(line["number"], line["text"]) for line in log["results"]] == [(1, "a"), (2, "b")]
    assert cancelled.status_code == 200
    assert cancelled.json()["cancel_requested_at"]
    refused = client.post(f"/api/v1/jobs/{job.pk}/retry/", headers=headers)
    assert (refused.status_code, refused.headers["Content-Type"]) == (409, "application/problem+json")
    assert refused.json()["detail"] == "A job that is running cannot be retried."


def test_api_token_without_write_cannot_act(client, team):
    _, secret = factories.make_token(team, scopes=["read"])
    job = make_job()

    answer = client.post(f"/api/v1/jobs/{job.pk}/cancel/", headers={"Authorization": f"Bearer {secret}"})

    assert answer.status_code == 403
    job.refresh_from_db()
    assert job.state == "queued"


@pytest.mark.parametrize("query", ["colour=red", "kind=a&kind=b", "state=lost", "page_size=0", "page_size=x"])
def test_api_refuses_what_it_does_not_know(engineer, query):
    answer = engineer.get(f"/api/v1/jobs/?{query}")

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == f"/{query.partition('=')[0]}"
