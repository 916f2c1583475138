"""One prediction is found again by its request id, in the lake or on its way there, by its own team alone."""

from datetime import timedelta
from itertools import count

import pytest
from django.conf import settings
from django.utils import timezone

from monitoring.labelling.labels import ship_labels
from monitoring.predictions import waiting
from monitoring.shipping import ship
from registry.models import Role
from rollouts.models import RoutingTable
from serving.contract import HASHED, frame
from tests.api import Api, problem
from tests.browser import check_page, log_in
from tests.factories import NOON, make_model, make_record, make_segment, make_team, make_token, make_user, make_version

_segments = count(1)


@pytest.fixture
def version(db):
    return make_version(make_model(name="flight-delay", purpose="Warn travellers in time."))


def waits(*records):
    return make_segment(settings.SPOOL_ROOT, "spool-a", next(_segments), records)


def shipped(*records):
    waits(*records)
    ship()


def find(api, request_id="r-1", **query):
    return api.get("predictions", request_id=request_id, **query)


def test_what_was_asked_and_answered_is_found_with_its_route_and_its_shadow(version):
    shadow = make_version(version.model)
    token, _ = make_token(version.model.team, scopes=["predict"])
    fields = {"request_id": "r-1", "key_hash": 2**63, "caller_id": token.pk, "table_version": 7}
    shipped(
        make_record(shadow, **fields, arm="shadow", outputs={"probability": 0.5}, latency_us=1500),
        make_record(version, **fields, inputs={"distance": None, "carrier": f"{HASHED}00"}),
        make_record(version),
    )

    [found] = find(Api(version.model.team)).json()

    assert (found["model"], found["caller"], found["labels"]) == ("flight-delay", "test", [])
    given, mirrored = found["answers"]
    assert given == {
        "row": 0, "at": "2026-11-25T12:00:00Z", "version": 1, "arm": "champion", "table_version": 7,
        "weight_bp": 10_000, "key_hash": "8000000000000000", "point_bp": 5_000, "pinned": False, "status": 200,
        "latency_us": 800, "inputs": {"distance": None, "carrier": "hashed:00"}, "outputs": {"probability": 0.25},
        "error": "", "is_shipped": True,
    }  # fmt: skip
    assert (mirrored["version"], mirrored["arm"], mirrored["outputs"]) == (2, "shadow", {"probability": 0.5})


@pytest.mark.parametrize("name", ["0.segment", "0.open"])
def test_what_waits_in_a_segment_is_found_and_said_to_be_on_its_way(version, name):
    record = make_record(version, request_id="r-1")
    path = waits(record, make_record(version))
    path.write_bytes(path.read_bytes() + frame(make_record(version, request_id="r-1", row=1))[:-3])  # being written
    path.rename(path.with_name(name))

    [found] = find(Api(version.model.team)).json()

    assert [(answer["row"], answer["is_shipped"]) for answer in found["answers"]] == [(0, False)]


def test_what_is_shipped_between_the_two_looks_is_found_once(version):
    record = make_record(version, request_id="r-1")
    path = waits(record)
    kept = path.read_bytes()
    ship()
    path.write_bytes(kept)

    [found] = find(Api(version.model.team)).json()

    assert [answer["is_shipped"] for answer in found["answers"]] == [True]


def test_no_more_of_a_broken_spool_is_read_than_is_bearable(version, monkeypatch):
    waits(make_record(version, request_id="r-1"))
    monkeypatch.setattr(waiting, "MOST_BYTES", 10)

    problem(find(Api(version.model.team)), 404)


def test_model_and_day_narrow_the_search(version):
    shipped(make_record(version, request_id="r-1"))
    api = Api(version.model.team)

    assert find(api, model="flight-delay", day="2026-11-25").status_code == 200
    problem(find(api, day="2026-11-24"), 404)
    problem(find(api, day="yesterday"), 400)
    problem(find(api, model="no-such"), 404)


def test_another_teams_prediction_is_404_in_the_lake_and_on_its_way(version, client):
    shipped(make_record(version, request_id="r-1"))
    waits(make_record(version, request_id="r-2"))
    stranger = Api(make_team())

    for request_id in ("r-1", "r-2"):
        problem(find(stranger, request_id), 404)
    problem(find(stranger, model="flight-delay"), 404)
    client.force_login(stranger.user)
    page = client.get("/predictions/", {"request_id": "r-1"})
    assert b"Nothing is recorded under this id" in page.content
    assert b"flight-delay" not in page.content


@pytest.mark.parametrize("request_id", ["r-1' OR '1'='1", "r-1'; DROP TABLE found; --", "\\' OR 1=1 --", "%", "r_1"])
def test_an_id_is_text_and_nothing_else(version, request_id):
    shipped(make_record(version, request_id="r-1"))
    api = Api(version.model.team)
    problem(find(api, request_id), 404)

    shipped(make_record(version, request_id=request_id))

    [found] = find(api, request_id).json()
    assert found["request_id"] == request_id


def test_the_page_shows_route_labels_and_each_row(version, client):
    user = make_user(version.model.team, Role.VIEWER)
    client.force_login(user)
    shipped(*(make_record(version, request_id="r-1", row=row, inputs={"distance": row * 111}) for row in range(3)))
    api = Api(version.model.team)
    for value, hours in ((0, 1), (1, 2)):
        at = (timezone.now() - timedelta(hours=9 - hours)).isoformat()
        api.post("models/flight-delay/labels", {"request_id": "r-1", "row": 1, "time": at, "value": value})
    ship_labels()

    first = client.get("/predictions/", {"request_id": "r-1"}).content.decode()
    second = client.get("/predictions/", {"request_id": "r-1", "row": "1"}).content.decode()

    assert "1 of 3 in this request" in first
    assert "No label yet" in first
    assert "111" in second
    assert "corrected" in second
    assert "lies at point 0 of 10,000, which was the champion's" in second


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"arm": "pinned", "pinned": True, "weight_bp": 0}, "The caller named the version"),
        ({"arm": "canary", "pinned": True}, "The caller forced the arm canary"),
        ({"status": 500, "outputs": {}, "error": "the model failed"}, "the model failed"),
        (
            {"status": 400, "outputs": {}, "inputs": {}, "error": "column hour"},
            "The inputs of a request that is refused",
        ),
    ],
)
def test_the_page_says_why_and_what_went_wrong(version, client, fields, said):
    client.force_login(make_user(version.model.team))
    shipped(make_record(version, request_id="r-1", **fields))

    assert said in client.get("/predictions/", {"request_id": "r-1"}).content.decode()


def make_table(model, arms, number=7):
    route = {
        "model": model.name, "model_id": model.pk, "task": "classification", "salt": "s", "aliases": {}, "versions": [],
        "arms": [{"name": name, "number": n, "weight_bp": weight} for name, n, weight in arms],
    }  # fmt: skip
    at = timezone.now()
    document = {"version": number, "published_at": at.isoformat(), "routes": [route]}
    RoutingTable.objects.create(version=number, digest="sha256:x", document=document, reason="", published_at=at)


def test_the_routing_table_of_then_shows_where_the_key_fell(version, client):
    make_table(version.model, [("champion", 1, 9_000), ("canary", 2, 1_000), ("shadow", 3, 5_000)])
    client.force_login(make_user(version.model.team))

    panel = client.get("/models/flight-delay/routing/7/", {"point": "9500"}).content.decode()

    assert "points 0 to 9000" in panel
    assert "points 9000 to 10000 <span" in panel
    assert "the key, at 9500" in panel
    assert "answers nobody" in panel
    assert "is not known here" in client.get("/models/flight-delay/routing/8/").content.decode()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_the_page_in_a_browser(page, live_server):
    version = make_version(make_model(name="flight-delay"))
    shadow = make_version(version.model)
    make_table(version.model, [("champion", 1, 9_000), ("canary", 2, 1_000)])
    now = timezone.now().timestamp() - NOON
    fields = {"request_id": "1f0c9a3e77d24b60-2a", "after": now, "table_version": 7, "key_hash": 2**63 + 12345}
    inputs = {"carrier": f"{HASHED}9f3c1ab240d1e7c65b08", "distance": 733.0, "hour": 17, "wet": True, "wind": None}
    shipped(
        make_record(version, **fields, inputs=inputs, weight_bp=9_000),
        make_record(shadow, **fields, inputs=inputs, arm="shadow", outputs={"probability": 0.41}),
    )
    api = Api(version.model.team)
    for hours, value in ((2, False), (1, True)):
        at = (timezone.now() - timedelta(hours=hours)).isoformat()
        api.post("models/flight-delay/labels", {"request_id": fields["request_id"], "time": at, "value": value})
    log_in(page, make_user(version.model.team), live_server)

    for path in ("/predictions/", f"/predictions/?request_id={fields['request_id']}"):
        check_page(page, path, live_server)
