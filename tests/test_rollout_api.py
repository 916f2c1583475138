"""Rollouts and their plans by the API: what it tells, what it does, and what it refuses."""

import pytest

from registry.models import AuditEvent, Role
from rollouts.models import Rollout
from rollouts.plans.plan import plan_document
from rollouts.plans.text import plan_to_yaml
from tests import factories, rollouts
from tests.api import problem
from tests.documented import DocumentedApi as Api
from tests.rollout_rows import PLAN, at_step, begin, realistic

pytestmark = pytest.mark.django_db


@pytest.fixture
def canary():
    return at_step(begin())


@pytest.fixture
def planned():
    return rollouts.make_planned(plan=plan_document(PLAN))


def test_list_detail_and_rows():
    rollout = realistic()
    api = Api(rollout.model.team, Role.VIEWER)

    (listed,) = api.get("rollouts", state="canary", model=rollout.model.name).json()["results"]
    detail = api.get(f"rollouts/{rollout.pk}").json()
    verdicts = api.get(f"rollouts/{rollout.pk}/verdicts", metric="errors", page_size=5).json()
    log = api.get(f"rollouts/{rollout.pk}/log").json()["results"]
    differences = api.get(f"rollouts/{rollout.pk}/disagreements", page_size=3).json()["results"]

    assert (listed["id"], listed["weight_bp"], listed["paused"]) == (rollout.pk, 2000, False)
    assert api.get("rollouts", state="promoted").json()["results"] == []
    assert [g["outcome"] for g in detail["status"]["guardrails"]] == ["pass", "pass", "inconclusive", "pass", "no_data"]
    assert detail["plan"] == plan_document(PLAN)
    assert {row["metric"] for row in verdicts["results"]} == {"errors"}
    assert len(verdicts["results"]) == 5
    assert verdicts["next"]
    assert "rollout.start" in {row["action"] for row in log}
    assert [row["size"] for row in differences] == [0.9, 0.892, 0.884]


def test_status_is_json_or_a_screen_of_text_by_accept():
    rollout = realistic()
    api = Api(rollout.model.team)

    told = api.get(f"rollouts/{rollout.pk}/status")
    text = api.client.get(f"/api/v1/rollouts/{rollout.pk}/status", headers={"Accept": "text/plain"})
    missing = api.client.get("/api/v1/rollouts/999999/status", headers={"Accept": "text/plain"})

    assert told.json()["word"] == "Holding at 20%"
    assert text["Content-Type"] == "text/plain; charset=utf-8"
    lines = text.content.decode().splitlines()
    assert f"{rollout.model.name} v2 beside v1" in lines[0]
    assert len(lines) < 24
    assert max(map(len, lines)) <= 160
    assert problem(missing, 404)


@pytest.mark.parametrize("act", ["pause", "advance", "abort"])
def test_acts_need_a_reason_and_are_audited(canary, act):
    api = Api(canary.model.team)

    problem(api.post(f"rollouts/{canary.pk}/{act}"), 400)
    done = api.post(f"rollouts/{canary.pk}/{act}", {"reason": "As agreed."})

    assert done.status_code == 200, done.content
    event = AuditEvent.objects.filter(subject=canary.path, actor=api.user.username).get()
    assert event.payload["reason"] == "As agreed."


def test_an_act_sent_twice_with_one_key_happens_once(canary):
    api = Api(canary.model.team)

    first = api.post(f"rollouts/{canary.pk}/pause", {"reason": "Hold."}, Idempotency_Key="k1")
    again = api.post(f"rollouts/{canary.pk}/pause", {"reason": "Hold."}, Idempotency_Key="k1")

    assert (first.status_code, again.status_code) == (200, 200)
    assert again["Idempotent-Replayed"] == "true"
    assert canary.acts.filter(action="rollout.pause").count() == 1


def test_an_act_on_what_moved_on_is_409(canary):
    api = Api(canary.model.team)
    shown = api.get(f"rollouts/{canary.pk}")
    api.post(f"rollouts/{canary.pk}/pause", {"reason": "Hold."})

    refused = api.post(f"rollouts/{canary.pk}/abort", {"reason": "Now."}, If_Match=shown["ETag"])

    assert problem(refused, 409)["type"] == "urn:problem:stale-binding"
    canary.refresh_from_db()
    assert canary.state == "canary"


def test_a_decision_names_what_was_seen(canary):
    Rollout.objects.filter(pk=canary.pk).update(state="awaiting", asks="step", waiting_for="A person lets it begin.")
    api = Api(canary.model.team)

    problem(api.post(f"rollouts/{canary.pk}/decide", {"reason": "Go.", "choice": "continue"}), 428)
    shown = api.get(f"rollouts/{canary.pk}")
    done = api.post(f"rollouts/{canary.pk}/decide", {"reason": "Go.", "choice": "continue"}, If_Match=shown["ETag"])

    assert done.json()["weight_bp"] == 500


def test_another_teams_rollout_is_404_and_a_viewer_is_403(canary):
    for act in ("pause", "abort"):
        problem(Api(factories.make_team()).post(f"rollouts/{canary.pk}/{act}", {"reason": "x"}), 404)
        problem(Api(canary.model.team, Role.VIEWER).post(f"rollouts/{canary.pk}/{act}", {"reason": "x"}), 403)

    canary.refresh_from_db()
    assert canary.paused_at is None


def test_plan_is_read_and_put_as_json_and_as_yaml(planned):
    api, path = Api(planned.team), f"models/{planned.name}/rollout-plan"
    told = api.get(path).json()
    text = api.client.get(f"/api/v1/{path}", headers={"Accept": "application/yaml"})
    changed = text.content.decode().replace("hold: 30m", "hold: 45m")

    as_yaml = api.client.put(f"/api/v1/{path}?note=Slower.", changed, "application/yaml")
    as_json = api.put(path, {"plan": told["plan"], "note": "Back again."})

    assert text.content.decode() == told["yaml"] == plan_to_yaml(PLAN)
    assert as_yaml.json()["plan"]["steps"][0]["hold_s"] == 2700
    assert (as_json.json()["number"], as_json.json()["plan"]) == (3, told["plan"])
    assert [row["note"] for row in api.get(f"{path}s").json()["results"]] == ["Back again.", "Slower.", "As agreed."]


def test_a_plan_that_is_wrong_names_line_and_field(planned):
    api, path = Api(planned.team), f"models/{planned.name}/rollout-plan"
    document = plan_document(PLAN)
    document["steps"][1]["weight_bp"] = 50

    text = problem(
        api.post(f"{path}/validate", {"yaml": plan_to_yaml(PLAN).replace("weight: 5%", "weight: 0.5%")}), 400
    )
    json = problem(api.put(path, {"plan": document, "note": "x"}), 400)
    both = problem(api.put(path, {"plan": document, "yaml": "x", "note": "x"}), 400)

    assert text["detail"].startswith("Line 10, steps[1].weight:")
    assert json["errors"][0]["pointer"] == "/plan/steps/1/weight_bp"
    assert both["errors"][0]["pointer"] == "/plan"
    assert planned.rollout_plans.count() == 1


def test_validate_says_what_it_takes_and_writes_nothing(planned):
    told = Api(planned.team).post(f"models/{planned.name}/rollout-plan/validate", {"plan": plan_document(PLAN)}).json()

    assert told["yaml"] == plan_to_yaml(PLAN)
    assert [cell["weight_bp"] for cell in told["expected"][0]["weights"]] == [100, 500, 2000, 5000]
    assert planned.rollout_plans.count() == 1


def test_dry_run_replays_a_past_rollout():
    rollout = realistic()
    api, path = Api(rollout.model.team), f"models/{rollout.model.name}/rollout-plan/dry-run"

    past = api.post(path, {"rollout": rollout.pk}).json()
    parted = api.post(
        path, {"yaml": "steps: [{weight: 20%, hold: 10m}]\nguardrails: [{name: errors, kind: errors}]", "ratio": 4}
    ).json()

    assert past["outcome"] in ("open", "promoted", "awaiting")
    assert parted["outcome"] == "rolled_back"
    assert "errors: worse" in parted["reason"]


def test_dry_run_without_a_recording_says_so(planned):
    assert Api(planned.team).post(f"models/{planned.name}/rollout-plan/dry-run").json()["outcome"] == "no_data"


def test_plan_is_taken_back(planned):
    api, path = Api(planned.team), f"models/{planned.name}/rollout-plan"

    told = api.client.delete(f"/api/v1/{path}?note=The tier's is enough.").json()

    assert told["of"] == "tier"


def test_a_promotion_is_given_a_plan_by_who_asked_for_it(planned):
    promotion = factories.make_promotion(planned, version=rollouts.make_routable(planned))
    body = {"yaml": plan_to_yaml(PLAN).replace("hold: 30m", "hold: 10m"), "note": "A hotfix."}

    problem(Api(planned.team).put(f"promotions/{promotion.pk}/rollout-plan", body), 403)

    assert Api(planned.team).get(f"promotions/{promotion.pk}/rollout-plan").json()["of"] == "model"
