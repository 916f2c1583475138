"""Pages, panels and the API of monitoring, asked for by people of different roles and teams."""

import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from jobs.models import Job
from jobs.services import job_create
from monitoring.models import DriftReport, Slo, SloSpan
from monitoring.services import slo_edit
from monitoring.shipping import ship
from registry.models import AuditEvent, Role
from tests.api import Api, problem
from tests.browser import check_page, log_in
from tests.data_sets import make_data, make_trained_champion
from tests.factories import (
    NOON,
    make_actor,
    make_champion,
    make_model,
    make_record,
    make_segment,
    make_team,
    make_user,
)
from tests.gateways import flights

INPUTS = [{"name": "carrier", "type": "string"}, {"name": "distance", "type": "double"}]
FEATURE = {
    "name": "distance", "kind": "number", "method": "wasserstein", "score": 0.42, "drifted": True, "importance": 0.7,
    "missing_reference": 0.0, "missing_current": 0.5, "labels": ["0 to 1", "1 to 2"], "reference": [0.5, 0.5],
    "current": [0.25, 0.75],
}  # fmt: skip
GAUGE = FEATURE | {"name": "<svg onload=alert(1)>", "score": None, "method": "", "drifted": False, "labels": [],
                   "reference": [], "current": [], "importance": None}  # fmt: skip


@pytest.fixture
def champion(db):
    model = make_model(name="flight-delay", purpose="Warn travellers in time.")
    rows, _ = flights()
    return make_trained_champion(model, make_data(model.team, rows.astype({"carrier": "str"})).digest, INPUTS)


def sign_in(client, team, role=Role.ENGINEER):
    user = make_user(team, role)
    client.force_login(user)
    return user


def make_slo(model, **fields):
    known = {
        "kind": "availability", "objective": "0.99", "window_days": 30, "created_by": make_user(model.team),
        "name": f"slo-{model.slos.count()}",
    }  # fmt: skip
    return Slo.objects.create(model=model, **known | fields)


def make_report(version):
    now = timezone.now()
    job = job_create(kind="drift_report", scope=version.model.team.slug, title="Drift", params={})
    return DriftReport.objects.create(
        version=version, reference=make_data(version.model.team, flights()[0].astype({"carrier": "str"})),
        reference_rows=5_000, current_rows=2_500, since=now - timedelta(hours=24), until=now,
        features=[FEATURE, GAUGE], verdict="The inputs have drifted.", compared=2, drifted=1, html="drift/1-1.html",
        job=job,
    )  # fmt: skip


def call(version, count=100, **fields):
    """Let the version have answered some requests in the last minutes."""
    now = timezone.now().timestamp() - NOON
    records = [make_record(version, after=now - 2 * n, **fields) for n in range(count)]
    make_segment(settings.SPOOL_ROOT, f"spool-{fields.get('arm', 'a')}", 1, records)
    ship()


# --- panels of the model page


def test_panel_shows_traffic_by_version_and_arm(client, champion):
    call(champion, 100, latency_us=700)
    call(champion, 50, latency_us=700, arm="canary", weight_bp=500, status=500, outputs={})
    sign_in(client, champion.model.team, Role.VIEWER)

    panel = client.get("/models/flight-delay/telemetry-panel/").content.decode()

    assert 'hx-trigger="every 3s"' in panel
    assert "150 in all" in panel
    assert "50 failed" in panel
    assert '<span class="tag">canary</span>' in panel
    assert panel.count('class="spark"') >= 3
    assert "style=" not in panel


def test_panel_calls_nobody_champion_who_is_it_no_more(client, champion):
    call(champion, 100)
    make_champion(champion.model)
    sign_in(client, champion.model.team, Role.VIEWER)

    panel = client.get("/models/flight-delay/telemetry-panel/").content.decode()

    assert '<span class="tag">former champion</span>' in panel
    assert "100%" not in panel  # of the callers go there


def test_panel_without_traffic_says_why_and_how_to_make_some(client, champion):
    sign_in(client, champion.model.team)

    panel = client.get("/models/flight-delay/telemetry-panel/").content.decode()

    assert "No request in the last 48 hours" in panel
    assert f"{settings.GATEWAY_URL}/models/flight-delay/invocations" in panel


def test_panel_says_when_counting_stands_still(client, champion):
    make_segment(settings.SPOOL_ROOT, "a", 1, [make_record(champion, after=timezone.now().timestamp() - NOON - 600)])
    ship()
    sign_in(client, champion.model.team)

    assert "Nothing new for more than a minute" in client.get("/models/flight-delay/telemetry-panel/").content.decode()


def test_objectives_panel_never_reads_silence_as_good(client, champion):
    slo = make_slo(champion.model)
    sign_in(client, champion.model.team)

    silent = client.get("/models/flight-delay/slo-panel/").content.decode()
    call(champion, 100)
    busy = client.get("/models/flight-delay/slo-panel/").content.decode()

    assert "No data" in silent
    assert "Met" not in silent
    assert "Met" in busy
    assert f'href="{slo.path}"' in busy


def test_drift_panel_offers_a_comparison_to_who_may_start_one(client, champion):
    sign_in(client, champion.model.team, Role.VIEWER)
    assert "Full report now" not in client.get("/models/flight-delay/drift-panel/").content.decode()

    sign_in(client, champion.model.team, Role.ENGINEER)
    assert "Full report now" in client.get("/models/flight-delay/drift-panel/").content.decode()


# --- pages


def test_objective_is_set_shown_and_deleted(client, champion):
    call(champion, 200, latency_us=3_000)
    sign_in(client, champion.model.team, Role.PRODUCT)
    asked = {"model": "flight-delay", "percent": "99", "window": "30", "time_zone": "UTC", "threshold_ms": "2"}

    set_ = client.post("/slos/new/?kind=latency", asked)

    slo = Slo.objects.get()
    assert set_["Location"] == slo.path
    assert (str(slo.objective), slo.threshold_us) == ("0.99000", 2_000)
    shown = client.get(slo.path).content.decode()
    assert "Latency within 2.00 ms" in shown
    assert "Missed" in shown
    assert "One failure calls nobody" in shown
    assert "a complete outage calls a person within about" in shown
    assert "Missed" in client.get("/slos/?model=flight-delay").content.decode()
    client.post(f"{slo.path}delete/")
    assert not Slo.objects.exists()


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        ("latency", {"threshold_ms": "3"}, "Select a valid choice"),
        ("availability", {"time_zone": "Mars"}, "IANA name"),
        ("availability", {"only": "origin"}, "origin is not input=value"),
        ("availability", {"slice_s": "300"}, "share of good requests from which on a slice is good"),
        (
            "freshness",
            {"column": "x", "column_holds": "age", "max_age": "0", "age_unit": "60"},
            "greater than or equal to 1",
        ),
        ("cost", {"slice_s": "300", "slice_target": "0"}, "must be the cost of 1,000 predictions"),
    ],
)
def test_form_says_at_the_field_what_is_wrong(client, champion, kind, fields, said):
    sign_in(client, champion.model.team)
    asked = {"model": "flight-delay", "percent": "99", "window": "month", "time_zone": "UTC"}

    answer = client.post(f"/slos/new/?kind={kind}", asked | fields)

    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert 'class="err"' in answer.content.decode()
    assert not Slo.objects.exists()


def test_each_kind_asks_for_its_own_fields_alone(client, champion):
    sign_in(client, champion.model.team)
    own = {"latency": "threshold_ms", "freshness": "max_age", "cost": "For 1,000", "availability": "percent"}

    shown = {kind: client.get(f"/slos/new/?kind={kind}").content.decode() for kind in own}

    for kind, field in (("latency", 'name="threshold_ms"'), ("freshness", 'name="max_age"')):
        assert [name for name, page in shown.items() if field in page] == [kind]


def test_objective_is_edited_with_a_reason(client, champion):
    sign_in(client, champion.model.team, Role.PRODUCT)
    client.post("/slos/new/?kind=freshness", {
        "model": "flight-delay", "percent": "99", "window": "week", "time_zone": "Europe/Berlin", "column": "distance",
        "column_holds": "instant", "max_age": "2", "age_unit": "3600",
    })  # fmt: skip
    slo = Slo.objects.get()
    form = client.get(f"{slo.path}edit/").context["form"]
    asked = {name: form.initial.get(name, field.initial) or "" for name, field in form.fields.items()}

    unchanged = client.post(f"{slo.path}edit/", asked | {"reason": "Nothing."})
    client.post(f"{slo.path}edit/", asked | {"percent": "98", "reason": "The feed is late on Mondays."})

    assert (unchanged.status_code, "Nothing changes" in unchanged.content.decode()) == (422, True)
    slo.refresh_from_db()
    assert (str(slo.objective), slo.calendar, slo.max_age_s) == ("0.98000", "week", 7200)
    assert "The feed is late on Mondays." in client.get(slo.path).content.decode()


def test_prices_are_declared_listed_and_never_past(client, champion):
    sign_in(client, champion.model.team, Role.PRODUCT)
    price = {"per_1000": "0.25", "per_cpu_hour": "", "currency": "EUR", "reason": "Contract of 2026."}

    nothing = client.post("/models/flight-delay/prices/", price | {"per_1000": ""})
    client.post("/models/flight-delay/prices/", price)
    other = client.post("/models/flight-delay/prices/", price | {"currency": "USD"})

    assert (nothing.status_code, other.status_code) == (422, 422)
    assert "are in EUR" in other.content.decode()
    assert [(str(p.per_1000), p.currency) for p in champion.model.prices.all()] == [("0.250000", "EUR")]
    assert "Contract of 2026." in client.get("/models/flight-delay/prices/").content.decode()
    assert AuditEvent.objects.get(action="price.declare").payload["reason"] == "Contract of 2026."
    api = Api(champion.model.team)
    past = {"per_1000": 1, "currency": "EUR", "reason": "x", "starts_at": "2020-01-01T00:00:00Z"}
    assert problem(api.post("models/flight-delay/prices", past), 400)["errors"][0]["pointer"] == "/starts_at"
    assert [p["reason"] for p in api.get("models/flight-delay/prices").json()["results"]] == ["Contract of 2026."]


def test_viewer_is_offered_and_may_set_nothing(client, champion):
    slo = make_slo(champion.model)
    sign_in(client, champion.model.team, Role.VIEWER)

    assert "Set an objective" not in client.get("/slos/").content.decode()
    asked = {"model": "flight-delay", "percent": "99", "window": "7", "time_zone": "UTC"}
    assert client.post("/slos/new/", asked).status_code == 422
    assert client.post(f"{slo.path}delete/").status_code == 403
    assert client.post(f"{slo.path}edit/", asked | {"percent": "1", "reason": "x"}).status_code == 403
    price = {"per_1000": "1", "currency": "EUR", "reason": "x"}
    assert client.post("/models/flight-delay/prices/", price).status_code == 403
    assert client.post("/drift/start/", {"model": "flight-delay"}).status_code == 403

    assert Slo.objects.get() == slo
    assert not Job.objects.filter(kind="drift_report").exists()


def test_started_comparison_leads_to_its_job(client, champion):
    sign_in(client, champion.model.team)

    answer = client.post("/drift/start/", {"model": "flight-delay"})

    job = Job.objects.get(kind="drift_report")
    assert answer["Location"] == f"/jobs/{job.pk}/"
    assert job.subject == champion.model.path


def test_report_prints_names_as_text(client, champion):
    report = make_report(champion)
    sign_in(client, champion.model.team)

    page = client.get(report.path).content.decode()

    assert "<svg onload" not in page
    assert "&lt;svg onload=alert(1)&gt;" in page
    assert f'href="{report.path}"' in client.get("/models/flight-delay/drift-panel/").content.decode()
    assert report.verdict in client.get("/drift/?tab=reports").content.decode()


def test_other_teams_objects_are_not_found(client, champion):
    slo, report = make_slo(champion.model), make_report(champion)
    sign_in(client, make_team(), Role.ADMIN)
    panels = [f"/models/flight-delay/{name}-panel/" for name in ("telemetry", "slo", "drift")]

    for path in [*panels, slo.path, report.path, f"{report.path}evidently.html"]:
        assert client.get(path).status_code == 404, path
    for path in [f"{slo.path}delete/", "/drift/start/"]:
        assert client.post(path, {"model": "flight-delay"}).status_code == 404, path

    assert Slo.objects.filter(pk=slo.pk).exists()
    assert "flight-delay" not in client.get("/slos/").content.decode()
    assert "flight-delay" not in client.get("/drift/").content.decode()


def test_objectives_of_many_models_are_listed_page_by_page(client, champion):
    paths = {make_slo(make_model(champion.model.team, name=f"model-{n:02}")).path for n in range(26)}
    sign_in(client, champion.model.team)

    first = client.get("/slos/").content.decode()
    rest = client.get("/slos/" + re.search(r'rel="next" href="([^"]+)"', first)[1]).content.decode()
    shown = [{path for path in paths if f'href="{path}"' in page} for page in (first, rest)]

    assert (len(shown[0]), len(shown[1])) == (25, 1)
    assert shown[0] | shown[1] == paths


def test_lists_ask_the_same_number_of_queries_for_more_rows(client, champion, django_assert_max_num_queries):
    for _ in range(12):
        make_slo(make_model(champion.model.team))
        make_report(champion)
    sign_in(client, champion.model.team)

    for path in ("/slos/", "/drift/"):
        with django_assert_max_num_queries(16):
            assert client.get(path).status_code == 200


# --- API


def test_api_sets_lists_reads_and_deletes_objectives(champion):
    api = Api(champion.model.team)

    made = api.post("slos", {"model": "flight-delay", "kind": "latency", "objective": 0.99, "threshold_ms": 50})

    assert made.status_code == 201
    said = made.json()
    burn = {"name": "fast", "severity": "page", "share": 0.02, "long_s": 3600, "short_s": 300, "threshold": pytest.approx(14.4),
            "long": None, "short": None, "widened_s": 300, "bad": 0, "total": 0, "too_few": False, "burning": None}  # fmt: skip
    assert (said["burns"][0], len(said["burns"])) == (burn, 4)
    assert {name: said[name] for name in ("name", "objective", "window_days", "threshold_ms", "standing", "total", "sli")} == {
        "name": "latency-50ms-30d", "objective": "0.99000", "window_days": 30, "threshold_ms": 50.0, "standing": "no data",
        "total": 0, "sli": None,
    }  # fmt: skip
    call(champion, 100)
    [listed] = api.get("slos", model="flight-delay").json()["results"]
    assert (listed["standing"], listed["total"], listed["budget_left"]) == ("met", 100, 1.0)
    assert api.get(f"slos/{listed['id']}").json()["sli"] == 1.0
    edited = api.patch(f"slos/{listed['id']}", {"calendar": "quarter", "reason": "Reported by the quarter."}).json()
    assert (edited["calendar"], edited["window_days"], edited["total"]) == ("quarter", None, 100)
    assert api.get("slos", kind="cost").json()["results"] == []
    assert api.delete(f"slos/{listed['id']}").status_code == 204
    assert not Slo.objects.exists()


def test_api_refuses_with_problems(champion):
    team = champion.model.team
    slo = {"model": "flight-delay", "kind": "latency", "objective": 0.99, "threshold_ms": 3}

    refused = problem(Api(team).post("slos", slo), 400)
    assert refused["errors"][0]["pointer"] == "/threshold_ms"
    problem(Api(team, Role.APPROVER).post("slos", slo | {"threshold_ms": 5}), 403)
    problem(Api(team, scopes=["read"]).post("slos", slo | {"threshold_ms": 5}), 403)
    problem(Api(team, Role.VIEWER).post("models/flight-delay/drift-reports"), 403)
    problem(Api(make_team()).post("slos", slo | {"threshold_ms": 5}), 404)
    problem(Api(make_team()).get("models/flight-delay/telemetry"), 404)
    problem(Api(team).get("slos", ordering="model__name"), 400)

    assert not Slo.objects.exists()
    assert not Job.objects.filter(kind="drift_report").exists()


def test_api_tells_traffic(champion):
    call(champion, 100, latency_us=700)

    told = Api(champion.model.team).get("models/flight-delay/telemetry").json()

    [arm] = told["arms"]
    assert (arm["version"], arm["arm"], arm["weight_bp"]) == (1, "champion", 10_000)
    assert (told["last"]["requests"], told["last"]["failures"], told["last"]["p50_ms"]) == (100, 0, 0.75)


def test_api_starts_and_tells_drift_reports(champion):
    api = Api(champion.model.team)
    report = make_report(champion)

    started = api.post("models/flight-delay/drift-reports", {"hours": 48})

    job = Job.objects.latest("id")
    assert (started.status_code, started.json()) == (
        202,
        {"job": job.pk, "state": "queued", "path": f"/jobs/{job.pk}/"},
    )
    assert job.params == {"version_id": champion.pk, "hours": 48}
    [listed] = api.get("drift-reports", model="flight-delay").json()["results"]
    assert (listed["share"], listed["has_drifted"], listed["job"]) == (0.5, True, report.job_id)
    assert "features" not in listed
    assert api.get(f"drift-reports/{report.pk}").json()["features"][0]["name"] == "distance"
    assert Api(make_team()).get(f"drift-reports/{report.pk}").status_code == 404


# --- in a browser


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_pages_are_accessible_and_fit_in_both_themes_and_widths(page, live_server):
    model = make_model(name="flight-delay", purpose="Warn travellers in time.")
    version = make_trained_champion(
        model, make_data(model.team, flights()[0].astype({"carrier": "str"})).digest, INPUTS
    )
    call(version, 100, latency_us=700)
    slo, report = make_slo(model), make_report(version)
    make_slo(model, kind="latency", threshold_us=500)
    log_in(page, make_user(model.team), live_server)

    make_slo(model, kind="quality", metric="accuracy", slice_s=3600, maturity_s=60, min_coverage=0.5)
    quality = model.slos.get(kind="quality")
    now = timezone.now()
    for hours, state, total in ((5, "final", 40), (4, "final", 0), (3, "provisional", 30)):
        SloSpan.objects.create(
            slo=quality, started_at=now - timedelta(hours=hours), state=state, bad=total // 10, total=total, value=0.9, labelled=total,
            predictions=50, why="" if total else "labels of 0% of the predictions; 50% are asked for", stated_at=now,
        )  # fmt: skip
    slo_edit(actor=make_actor(model.team), slo=slo, reason="Callers asked for it.", objective="0.995")
    cost = make_slo(model, kind="cost", budgeting="timeslices", slice_s=300, slice_target=0.5)
    objectives = (slo.path, quality.path, cost.path, f"{slo.path}edit/", "/slos/import/", "/slos/new/?kind=quality")

    for path in (
        "/slos/", "/slos/new/", *objectives, report.path, "/models/flight-delay/", "/models/flight-delay/prices/",
        "/models/flight-delay/log/",
    ):  # fmt: skip
        check_page(page, path, live_server)
