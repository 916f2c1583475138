"""What a team decides on the log of a model: by API and page, audited, and in force with the next routing table."""

import pytest
from django.utils import timezone

from monitoring.models import DEFAULT_KEEP_DAYS, LogPolicy
from registry.models import AuditEvent, ModelVersion, Role
from rollouts.models import RoutingTable
from rollouts.routing import document_of, routing_publish
from tests.api import Api, problem
from tests.factories import approve, make_model, make_promotion, make_user, make_version

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
