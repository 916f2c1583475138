"""What a team decides on the log of a model: by API and page, audited, and in force with the next routing table."""

from contextlib import contextmanager, nullcontext

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from monitoring import services
from monitoring.models import DEFAULT_KEEP_DAYS, LogPolicy
from registry.models import AuditEvent, ModelVersion, Role
from rollouts.models import RoutingTable
from rollouts.routing import document_of, routing_publish
from tests.api import Api, problem
from tests.factories import approve, make_actor, make_model, make_promotion, make_team, make_user, make_version

INPUTS = [{"name": "carrier", "type": "string"}, {"name": "distance", "type": "double"}]


@pytest.fixture
def champion(db):
    version = make_version(make_model(name="flight-delay"), servable=False)
    manifest = [{"path": "model.lgb", "size": 1, "sha256": "0" * 64}]
    ModelVersion.objects.filter(pk=version.pk).update(
        artifact_state="verified", artifact_digest=f"sha256:{1:064x}", artifact_path="1/v1", format="lightgbm",
        manifest=manifest, signature={"inputs": INPUTS},
    )  # fmt: skip
    return approve(make_promotion(version.model, version=ModelVersion.objects.get(pk=version.pk))).version


def routed():
    routing_publish(now=timezone.now())
    return document_of(RoutingTable.objects.latest("version")).routes[0]


def test_withheld_columns_hold_with_the_next_routing_table(champion):
    api = Api(champion.model.team)
    assert routed().sensitive == {}

    answer = api.put("models/flight-delay/log-policy", {"columns": {"carrier": "hash"}})

    assert answer.status_code == 200
    assert answer.json()["columns"] == {"carrier": "hash"}
    assert answer.json()["keep_days"] == DEFAULT_KEEP_DAYS
    assert routed().sensitive == {"carrier": "hash"}
    assert api.get("models/flight-delay/log-policy").json() == answer.json()
    assert AuditEvent.objects.get(action="log_policy.change").payload["after"]["columns"] == {"carrier": "hash"}
    reason = AuditEvent.objects.filter(action="routing.publish").latest("seq").payload["change"]
    assert reason == "withheld from the log: carrier"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"columns": {"carrier": "shred"}}, "columns"),
        ({"columns": {"passport": "drop"}}, "columns"),
        ({"keep_days": 6}, "keep_days"),
        ({"keep_days": 3661}, "keep_days"),
        ({"days": 30}, "days"),
    ],
)
def test_what_makes_no_sense_is_refused_and_named(champion, body, field):
    answer = Api(champion.model.team).put("models/flight-delay/log-policy", body)

    assert problem(answer, 400)["errors"][0]["pointer"] == f"/{field}"
    assert not LogPolicy.objects.exists()


def test_engineers_and_admins_alone_change_it(champion, client):
    for role in (Role.PRODUCT, Role.APPROVER):
        answer = Api(champion.model.team, role).put("models/flight-delay/log-policy", {"keep_days": 30})
        problem(answer, 403)
    client.force_login(make_user(champion.model.team, Role.APPROVER))
    assert b"Save the policy" not in client.get("/models/flight-delay/log/").content
    assert client.post("/models/flight-delay/log/", {"keep_days": "30"}).status_code == 403
    assert not LogPolicy.objects.exists()


def test_the_page_changes_both_and_says_what_is_wrong(champion, client):
    client.force_login(make_user(champion.model.team))
    form = {"keep_days": "30", "column:carrier": "mask", "column:distance": ""}

    refused = client.post("/models/flight-delay/log/", form | {"keep_days": "5"})
    assert refused.status_code == 422
    assert b"keep_days must be 7 to 3660" in refused.content
    assert not LogPolicy.objects.exists()

    assert client.post("/models/flight-delay/log/", form).status_code == 302
    policy = LogPolicy.objects.get()
    assert (policy.keep_days, policy.columns) == (30, {"carrier": "mask"})
    panel = client.get("/models/flight-delay/log-panel/").content.decode()
    assert "Kept 30 days" in panel
    assert "carrier" in panel


def change(champion, **fields):
    actor = make_actor(champion.model.team)
    return services.log_policy_change(actor=actor, model=champion.model, **fields)


def test_every_change_is_another_number_and_the_highest_holds(champion):
    change(champion, columns={"carrier": "hash"})
    change(champion, keep_days=30)
    again = change(champion, keep_days=30)

    assert again.number == 2
    assert routed().sensitive == {"carrier": "hash"}
    assert list(LogPolicy.objects.values_list("number", "keep_days", "columns")) == [
        (2, 30, {"carrier": "hash"}), (1, DEFAULT_KEEP_DAYS, {"carrier": "hash"}),
    ]  # fmt: skip
    assert AuditEvent.objects.filter(action="log_policy.change").count() == 2


@pytest.mark.parametrize("less", [{}, {"carrier": "mask"}])
def test_who_has_more_of_a_column_recorded_says_why(champion, client, less):
    change(champion, columns={"carrier": "hash"})
    client.force_login(make_user(champion.model.team))

    answer = Api(champion.model.team).put("models/flight-delay/log-policy", {"columns": less})

    told = problem(answer, 400)
    assert (told["errors"][0]["pointer"], told["detail"]) == (
        "/reason",
        "More of carrier would be recorded than now: say why.",
    )
    assert LogPolicy.objects.count() == 1
    form = {"keep_days": "400", "column:carrier": less.get("carrier", ""), "reason": "It is no name of a <person>."}
    assert client.post("/models/flight-delay/log/", form).status_code == 302
    assert (LogPolicy.objects.first().columns, LogPolicy.objects.first().reason) == (less, form["reason"])
    page = client.get("/models/flight-delay/log/").content.decode()
    assert f"carrier: hashed with a key → {'masked' if less else 'recorded as it is'}" in page
    assert "It is no name of a &lt;person&gt;." in page


INSERT = (
    "INSERT INTO monitoring_logpolicy (model_id, number, keep_days, columns, reason, changed_by_id, changed_at)"
    " VALUES (%s, %s, 400, %s, %s, %s, '2001-01-01')"
)


@pytest.mark.parametrize(
    ("number", "columns", "reason", "role", "words"),
    [
        (2, "{}", "sql", Role.ENGINEER, None),
        (2, '{"carrier": "drop"}', "", Role.ADMIN, None),
        (2, '{"carrier": "mask"}', " ", Role.ENGINEER, "who has more of a column recorded says why"),
        (2, "{}", "", Role.ENGINEER, "who has more of a column recorded says why"),
        (1, '{"carrier": "drop"}', "", Role.ENGINEER, "changed by adding its next number, 2"),
        (3, '{"carrier": "drop"}', "", Role.ENGINEER, "changed by adding its next number, 2"),
        (2, '{"carrier": "none"}', "sql", Role.ENGINEER, "is dropped, hashed or masked"),
        (2, '["carrier"]', "sql", Role.ENGINEER, "is dropped, hashed or masked"),
        (2, '{"carrier": "drop"}', "", Role.APPROVER, "only an engineer or admin of the team"),
        (2, '{"carrier": "drop"}', "", None, "only an engineer or admin of the team"),
    ],
)
def test_sql_holds_to_the_same_rules(champion, number, columns, reason, role, words):
    change(champion, columns={"carrier": "hash"})
    team = champion.model.team if role else make_team("strangers")
    person = make_user(team, role or Role.ENGINEER)

    with connection.cursor() as cursor, refused(words) if words else nullcontext():
        cursor.execute(INSERT, [champion.model_id, number, columns, reason, person.pk])

    assert LogPolicy.objects.count() == (1 if words else 2)
    assert LogPolicy.objects.first().changed_at.year >= 2026  # the database's clock, whatever the insert says


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE monitoring_logpolicy SET columns = '{}'",
        "DELETE FROM monitoring_logpolicy",
        "TRUNCATE monitoring_logpolicy",
        "ALTER TABLE monitoring_logpolicy DISABLE TRIGGER ALL",
    ],
)
def test_what_held_is_never_changed_by_sql(champion, statement):
    change(champion, columns={"carrier": "hash"})

    with connection.cursor() as cursor, refused("permission denied|must be owner|append-only"):
        cursor.execute(statement)

    assert LogPolicy.objects.get().columns == {"carrier": "hash"}


@contextmanager
def refused(words):
    with pytest.raises(DatabaseError, match=words), transaction.atomic():
        yield
