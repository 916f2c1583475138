"""Looks at the latest inputs: each window judged by what its size allows, kept by slot, told to alerts, shown, and forgotten."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from monitoring import services
from monitoring.drift.features import SCORE, Cells, cells_of, features_of
from monitoring.models import DAY_S, DriftPolicy, DriftWindow, FeatureHistogram
from monitoring.selectors import drift_standings, findings_of
from registry.histograms import number_histogram, profile_of
from registry.models import Alert, AuditEvent, RegisteredModel, Role
from registry.services import reference_record
from tests.api import Api, problem
from tests.browser import check_page, log_in
from tests.data_sets import make_trained_champion
from tests.factories import make_actor, make_champion, make_model, make_user, make_version

pytestmark = pytest.mark.django_db
INPUTS = [
    {"name": "carrier", "type": "string"},
    {"name": "distance", "type": "double"},
    {"name": "wind", "type": "double"},
]
Span = FeatureHistogram.Span
NOW = datetime(2026, 11, 26, 12, 34, tzinfo=UTC)


def drawn(rows, *, shift=0.0, carriers=("AA", "BB"), gaps=0.0, seed=7):
    random = np.random.default_rng(seed)
    distance = random.normal(size=rows) + shift
    return {
        "carrier": random.choice(carriers, rows).tolist(),
        "distance": [
            None if gap else value for value, gap in zip(distance.tolist(), random.random(rows) < gaps, strict=True)
        ],
        "wind": random.gamma(2.0, size=rows).tolist(),
    }


COLUMNS = profile_of(drawn(20_000), INPUTS)
SCORES = number_histogram(np.random.default_rng(8).beta(2, 5, 5_000).tolist())
FEATURES = features_of(COLUMNS, SCORES)


@pytest.fixture
def champion():
    found = make_trained_champion(make_model(name="flight-delay"), f"sha256:{9:064x}", INPUTS)
    reference_record(version=found, source="training", rows=20_000, columns=COLUMNS, score=SCORES)
    return found


def count(version, columns, *, arm="champion", at=NOW - timedelta(minutes=4), span=Span.FIVE_MINUTES, scores=None):
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    scores = np.random.default_rng(9).beta(2, 5, len(rows)).tolist() if scores is None else scores
    FeatureHistogram.objects.create(
        version=version, arm=arm, span=span, started_at=at.replace(minute=at.minute // 5 * 5), rows=len(rows),
        cells=cells_of(FEATURES, rows, scores).pack(),
    )  # fmt: skip


def look(now=NOW):
    services.drift_look(now=now)
    return {window.span: window for window in DriftWindow.objects.filter(judged_at=now)}


def test_a_look_judges_the_hour_and_the_day_and_keeps_them_by_slot(champion):
    count(champion, drawn(500, shift=0.5))
    count(champion, drawn(2_000, seed=3), at=NOW - timedelta(hours=3))

    windows = look()

    hour, day = windows[3600], windows[DAY_S]
    assert (hour.version, hour.arm, hour.rows, day.rows) == (champion, "champion", 500, 2_500)
    assert (hour.slot_at, day.slot_at) == (NOW.replace(minute=0), NOW.replace(hour=0, minute=0))
    assert hour.until - hour.since == timedelta(hours=1)
    assert (hour.state, hour.drifted, hour.compared, hour.broken) == ("drifted", 1, 4, 0)
    assert hour.verdict == "1 of 4 features has drifted from the training rows: distance."
    assert (hour.causes, hour.drawings[0]["name"]) == (["distance"], "distance")
    assert hour.peak > 1
    first = findings_of(hour)[0]
    assert (first.name, first.n, first.drifted) == ("distance", 500, True)
    assert first.distance == pytest.approx(0.5, abs=0.15)

    # The next look in the same hour takes the place of this one, and the day is looked at less often.
    count(champion, drawn(100), at=NOW + timedelta(minutes=1))
    assert look(NOW + timedelta(minutes=2)).keys() == {3600}
    assert DriftWindow.objects.count() == 2
    assert DriftWindow.objects.get(span=3600).rows == 600


@pytest.mark.parametrize(
    ("given", "state", "causes"),
    [
        ({"rows": 500}, "steady", []),
        ({"rows": 49, "shift": 1.0}, "thin", []),
        ({"rows": 50, "shift": 2.0}, "drifted", ["distance"]),
        ({"rows": 500, "gaps": 0.5}, "broken", ["distance"]),
        ({"rows": 500, "carriers": ("AA", "BB", "CC")}, "broken", ["carrier"]),
        ({"rows": 500, "carriers": ("AA", "AA", "BB", 7)}, "drifted", ["carrier"]),
    ],
    ids=["the same", "too few", "few but far", "missing", "new category", "shares and type"],
)
def test_states(champion, given, state, causes):
    count(champion, drawn(**given))

    window = look()[3600]

    assert (window.state, window.causes) == (state, causes)


def test_drift_of_scores_is_told_as_of_any_feature(champion):
    count(champion, drawn(500), scores=np.random.default_rng(1).beta(4, 3, 500).tolist())

    assert look()[3600].causes == [SCORE]


def test_full_hours_are_read_as_sums(champion):
    hour = NOW.replace(minute=0) - timedelta(hours=3)
    count(champion, drawn(400, seed=1), at=hour)
    count(champion, drawn(400, seed=1), at=hour, span=Span.HOUR)
    count(
        champion, drawn(300, seed=2), at=NOW - timedelta(hours=23, minutes=50)
    )  # of an hour that began before the window
    count(champion, drawn(300, seed=2), at=(NOW - timedelta(hours=23, minutes=50)).replace(minute=0), span=Span.HOUR)
    count(champion, drawn(100, seed=3))

    day = look()[DAY_S]

    assert day.rows == 400 + 300 + 100
    summed = Cells.unpack(bytes(FeatureHistogram.objects.get(rows=100).cells))
    assert sum(summed.counts.tolist()) == 100 * len(FEATURES)


def test_who_was_not_asked_lately_or_has_no_reference_is_not_looked_at(champion):
    count(champion, drawn(500), at=NOW - timedelta(minutes=25))
    count(make_version(champion.model), drawn(500))

    assert look() == {}


def test_other_arms_are_looked_at_but_raise_no_alert(champion):
    candidate = make_version(champion.model)
    reference_record(version=candidate, source="production", rows=5_000, columns=COLUMNS, score=SCORES)
    count(candidate, drawn(500, shift=1.0), arm="canary")
    count(candidate, drawn(500, shift=1.0), arm="shadow")

    look()

    assert set(DriftWindow.objects.values_list("arm", "state")) == {("canary", "drifted"), ("shadow", "drifted")}
    assert "from the first predictions: distance" in DriftWindow.objects.first().verdict
    assert not Alert.objects.exists()
    [shadow, canary] = sorted(drift_standings([champion.model], now=NOW)[champion.model_id], key=lambda s: s.arm)[::-1]
    assert (shadow.arm, canary.arm, len(canary.windows)) == ("shadow", "canary", 2)


def test_drift_and_broken_data_are_alerts_of_their_own_until_they_end(champion):
    count(champion, drawn(500, shift=1.0, carriers=("AA", "BB", "CC")))

    window = look()[3600]

    alerts = {alert.key: alert for alert in Alert.objects.filter(cleared_at=None)}
    assert alerts.keys() == {"drift:window", "drift:day", "drift:new_categories"}
    drift = alerts["drift:window"]
    assert (drift.kind, drift.link) == ("drift", window.path)
    assert drift.title == f"Inputs of flight-delay v{champion.number} drifted in the last hour: 1 of 4 features"
    assert "distance" in drift.next_step
    assert (
        alerts["drift:new_categories"].title == "Inputs of flight-delay broke in the last hour, new categories: carrier"
    )

    later = NOW + timedelta(hours=2)
    count(champion, drawn(30, shift=1.0), at=later - timedelta(minutes=4))
    assert look(later)[3600].state == "thin"
    assert Alert.objects.filter(cleared_at=None).count() == 3  # too few to say that it is over

    count(champion, drawn(5_000), at=later + timedelta(minutes=1))
    look(later + timedelta(minutes=2))
    assert set(Alert.objects.filter(cleared_at=None).values_list("key", flat=True)) == {"drift:day"}


def test_the_day_brings_the_revalidation_forward(champion):
    count(champion, drawn(500, shift=1.0))

    look()

    model = RegisteredModel.objects.get(pk=champion.model_id)
    assert model.revalidate_why == DriftWindow.objects.get(span=DAY_S).verdict


def policy(champion, **fields):
    actor = make_actor(champion.model.team)
    return services.drift_policy_change(actor=actor, model=champion.model, **{"reason": "Known."} | fields)


def test_policy_decides_on_windows_floors_and_muted_features(champion):
    count(champion, drawn(500, shift=1.0))
    policy(champion, window_hours=6, muted=["distance"])

    windows = look()

    assert windows.keys() == {6 * 3600, DAY_S}
    window = windows[6 * 3600]
    assert (window.state, window.compared, window.causes, window.policy_number) == ("steady", 3, [], 1)
    assert [one.name for one in findings_of(window) if one.drifted] == ["distance"]  # measured all the same
    assert not Alert.objects.exists()

    policy(champion, muted=[], effect_floor=1.5)
    assert look(NOW + timedelta(minutes=10))[6 * 3600].state == "steady"
    policy(champion, effect_floor=0.5)
    count(champion, drawn(50, shift=1.0), at=NOW + timedelta(minutes=15))
    assert look(NOW + timedelta(minutes=20))[6 * 3600].state == "drifted"


def test_policies_are_numbered_audited_and_never_changed(champion):
    first = policy(champion, alpha=0.001, reason="Fewer false alarms.")

    assert policy(champion, alpha=0.001).number == first.number  # changes nothing
    assert policy(champion, report_cron="0 6 * * *").number == 2
    event = AuditEvent.objects.filter(action="drift_policy.change").earliest("seq")
    assert (event.payload["number"], event.payload["reason"]) == (1, "Fewer false alarms.")
    assert event.payload["changes"] == ["false alarms of one feature: 0.01 → 0.001"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"number": 3}, "adding its next number"),
        ({"reason": " "}, "says why"),
        ({"role": Role.PRODUCT}, "engineer or admin"),
    ],
)
def test_the_database_holds_the_rules_of_policies(champion, change, said):
    role = change.pop("role", Role.ENGINEER)
    row = DriftPolicy(model=champion.model, changed_by=make_user(champion.model.team, role), reason="Because.")
    for name, value in change.items():
        setattr(row, name, value)

    with pytest.raises(DatabaseError, match=said), transaction.atomic():
        row.save()
    kept = policy(champion, alpha=0.001)
    with pytest.raises(DatabaseError), transaction.atomic():
        DriftPolicy.objects.filter(pk=kept.pk).update(alpha=0.1)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"window_hours": 25}, "window_hours"),
        ({"alpha": 0.5}, "alpha"),
        ({"fdr": 0}, "fdr"),
        ({"effect_floor": -1}, "effect_floor"),
        ({"sample_rows": 999}, "sample_rows"),
        ({"muted": ["passport"]}, "muted"),
        ({"slices": ["passport"]}, "slices"),
        ({"report_cron": "* * * * *"}, "report_cron"),
        ({"report_cron": "0 6 * *"}, "report_cron"),
        ({"report_cron": "0 25 * * *"}, "report_cron"),
        ({"report_cron": "0 6 * * *", "report_zone": "Mars/Base"}, "report_zone"),
        ({"alpha": 0.001, "reason": ""}, "reason"),
        ({"beta": 1}, "beta"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused_and_named(champion, body, field):

    answer = Api(champion.model.team).put("models/flight-delay/drift-policy", {"reason": "Known."} | body)

    assert problem(answer, 400)["errors"][0]["pointer"] == f"/{field}"
    assert not DriftPolicy.objects.exists()


def test_api_and_page_change_the_policy(champion, client):
    api = Api(champion.model.team)
    assert api.get("models/flight-delay/drift-policy").json()["number"] == 0

    answer = api.put("models/flight-delay/drift-policy", {"muted": ["wind", SCORE], "reason": "Seasonal."})

    assert (answer.status_code, answer.json()["muted"]) == (200, [SCORE, "wind"])
    client.force_login(make_user(champion.model.team))
    page = "/models/flight-delay/drift/policy/"
    shown = client.get(page).content.decode()
    assert "Seasonal." in shown
    form = {
        "window_hours": 2, "alpha": 0.01, "fdr": 0.01, "effect_floor": 0.1, "muted": ["wind"], "slices": ["carrier"],
        "report_cron": "0 6 * * *", "report_zone": "Europe/Berlin", "sample_rows": 50_000, "reason": "",
    }  # fmt: skip
    refused = client.post(page, form)
    assert refused.status_code == 422
    assert "Say why" in refused.content.decode()
    assert client.post(page, form | {"reason": "Slower traffic."}).status_code == 302
    assert DriftPolicy.objects.first().spans == [7200, DAY_S]

    client.force_login(make_user(champion.model.team, Role.VIEWER))
    assert "Put in force" not in client.get(page).content.decode()
    assert client.post(page, form | {"reason": "No."}).status_code == 403
    assert DriftPolicy.objects.count() == 2


def test_pages_and_api_say_what_was_found(champion, client):
    count(champion, drawn(500, shift=1.0, carriers=("AA", "BB", "CC")), at=timezone.now() - timedelta(minutes=1))
    services.drift_look(now=timezone.now())
    window = DriftWindow.objects.get(span=3600)
    client.force_login(make_user(champion.model.team, Role.VIEWER))

    listed = client.get("/drift/").content.decode()
    page = client.get("/models/flight-delay/drift/").content.decode()
    panel = client.get("/models/flight-delay/drift-panel/").content.decode()
    of_version = client.get(f"{champion.path}inputs-panel/").content.decode()

    for shown in (listed, page, of_version):
        assert window.verdict in shown
    assert "new categories" in page
    assert page.index('id="f-distance"') < page.index('id="f-wind"')
    assert "Wasserstein distance, in standard deviations" in page
    assert "500 values" not in page
    assert "Drifted" in panel
    assert client.get("/drift/", {"state": "steady"}).content.decode().count(window.verdict) == 0
    assert client.get("/models/flight-delay/drift/", {"window": 10**9}).status_code == 404

    api = Api(champion.model.team, Role.VIEWER)
    assert [one["hours"] for one in api.get("models/flight-delay/drift").json()] == [1, 24]
    found = api.get("models/flight-delay/drift-windows", hours=1).json()["results"]
    assert [(one["id"], one["state"], one["causes"]) for one in found] == [(window.pk, "drifted", window.causes)]
    detail = api.get(f"drift-windows/{window.pk}").json()
    assert detail["features"][0]["name"] == window.causes[0]
    assert {"psi", "ks", "wasserstein", "jensen_shannon", "chi2"} == detail["features"][0]["statistics"].keys()
    assert api.get(f"models/flight-delay/versions/{champion.number}/inputs").json()["hours"] == 24


def test_models_with_drift_come_first_and_others_say_why_not(champion, client):
    quiet = make_champion(make_model(champion.model.team, name="a-quiet-one"))
    steady = make_champion(make_model(champion.model.team, name="b-steady-one"))
    reference_record(version=steady, source="training", rows=20_000, columns=COLUMNS)
    at = timezone.now() - timedelta(minutes=1)
    count(champion, drawn(500, shift=1.0), at=at)
    count(steady, drawn(500), at=at)
    services.drift_look(now=timezone.now())
    client.force_login(make_user(champion.model.team, Role.VIEWER))

    page = client.get("/drift/").content.decode()

    places = [page.index(f">{name}") for name in ("flight-delay", "b-steady-one", quiet.model.name)]
    assert places == sorted(places)
    assert "Not looked at" in page


def test_the_page_asks_no_more_queries_for_more_looks(champion, client):
    count(champion, drawn(500, shift=1.0), at=timezone.now() - timedelta(minutes=1))
    services.drift_look(now=timezone.now())
    client.force_login(make_user(champion.model.team, Role.VIEWER))
    asked = []
    for looks in (1, 60):
        for window in DriftWindow.objects.filter(span=3600)[:1]:
            earlier = [DriftWindow.objects.get(pk=window.pk) for _ in range(looks)]
            for n, one in enumerate(earlier, 1):
                one.pk, one.slot_at = None, one.slot_at - timedelta(hours=n + looks)
            DriftWindow.objects.bulk_create(earlier, ignore_conflicts=True)
        with CaptureQueriesContext(connection) as captured:
            assert client.get("/models/flight-delay/drift/").status_code == 200
        asked.append(len(captured))

    assert asked[1] <= asked[0]


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_pages_are_accessible_and_fit_in_both_themes_and_widths(champion, page, live_server):
    count(
        champion, drawn(500, shift=1.0, gaps=0.2, carriers=("AA", "BB", "CC")), at=timezone.now() - timedelta(minutes=1)
    )
    services.drift_look(now=timezone.now())
    [hour] = DriftWindow.objects.filter(span=3600)
    for n in range(1, 40):
        hour.pk = None
        hour.slot_at, hour.peak = hour.slot_at - timedelta(hours=1), 1 + n % 7
        hour.save(force_insert=True)
    log_in(page, make_user(champion.model.team), live_server)

    for path in ("/drift/", "/models/flight-delay/drift/", "/models/flight-delay/drift/policy/"):
        check_page(page, path, live_server)


def test_old_looks_are_forgotten(champion):
    count(champion, drawn(500))
    look()
    DriftWindow.objects.update(slot_at=NOW - timedelta(days=91))

    services.drift_windows_purge(now=NOW)
    assert [window.span for window in DriftWindow.objects.all()] == [DAY_S]

    services.drift_windows_purge(now=NOW + timedelta(days=1_100))
    assert not DriftWindow.objects.exists()
