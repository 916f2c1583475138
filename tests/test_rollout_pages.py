"""The pages of rollouts: one live, the board, the plan and its editor, dry runs, and one-click links."""

import re
from datetime import timedelta

import pytest
from django.core.signing import TimestampSigner
from django.test import Client
from django.utils import timezone
from django.utils.html import escape

from registry import services
from registry.models import AuditEvent, RegisteredModel, Role
from rollouts.links import link_for, seen
from rollouts.models import Rollout
from rollouts.plans.plan import Guardrail, Plan, Step, plan_document
from rollouts.plans.text import plan_to_yaml
from rollouts.screen.history import rollout_log
from rollouts.screen.lines import held
from rollouts.services import rollout_abort, rollout_pause
from tests import factories, rollouts
from tests.browser import check_page, log_in
from tests.rollout_rows import PLAN, at_step, begin, count, look, realistic

pytestmark = pytest.mark.django_db


def as_member(team, role=Role.ENGINEER):
    client = Client()
    client.user = factories.make_user(team, role)
    client.force_login(client.user)
    return client


def text(answer):
    return " ".join(answer.content.decode().split())


@pytest.fixture
def canary():
    return at_step(begin())


@pytest.fixture
def awaiting():
    """A rollout that waits for a person before the step to 50%."""
    rollout = at_step(begin(), 2)
    Rollout.objects.filter(pk=rollout.pk).update(
        state="awaiting", asks="step", waiting_for="The plan has a person let step 4 begin."
    )
    rollout.refresh_from_db()
    return rollout


def test_page_shows_champion_beside_canary_and_how_near_a_verdict_is():
    rollout = realistic()

    page = text(as_member(rollout.model.team).get(rollout.path))

    assert "Holding at 20%" in page
    assert re.search(r"holding, 3h4[4-6]m of 6h", page)  # minutes go by while a loaded machine draws it
    assert "41,464" in page
    assert "of 60,000" in page
    assert "98.3%" in page
    assert "passed at 20" in page
    assert "to fail" in page
    assert 'hx-trigger="every 2s"' in page


def test_a_failure_comes_first_and_says_why(canary):
    count(canary, guard="errors", arm="champion", exposed=9000, events=9)
    count(canary, guard="errors", arm="canary", exposed=100, events=40)
    look(canary)

    page = text(as_member(canary.model.team).get(canary.path))

    assert "Failed: errors. It goes back." in page
    assert page.index('data-state="fail"') < page.index("latency")
    assert "failed at 100" in page


def test_polling_stops_once_it_is_over(canary):
    approver = factories.make_actor(canary.model.team, Role.APPROVER)
    rollout_abort(actor=approver, rollout_id=canary.pk, reason="The partner asked.", now=timezone.now())

    page = text(as_member(canary.model.team).get(canary.path))
    assert "every 2s" not in page
    assert "Aborted" in page
    assert "The partner asked." in page


def test_nobody_looking_is_said(canary):
    Rollout.objects.filter(pk=canary.pk).update(checked_at=timezone.now() - timedelta(minutes=2))

    assert "Nobody has looked at this rollout since" in text(as_member(canary.model.team).get(canary.path))


def test_log_pages_have_stable_links():
    rollout = realistic()
    client = as_member(rollout.model.team)
    first = rollout_log(rollout)

    second = text(client.get(rollout.path, {"start": first.next}))

    assert f'id="{first.next}"' in second
    assert f'id="{first.rows[-1].anchor}"' not in second
    assert rollout_log(rollout, start=first.next).previous == first.rows[0].anchor
    assert client.get(rollout.path, {"start": "v999999"}).status_code == 404


def test_every_line_of_the_log_is_on_exactly_one_page():
    rollout = realistic()
    anchors, start = [], ""

    for _ in range(30):
        page = rollout_log(rollout, start=start)
        anchors += [line.anchor for line in page.rows]
        start = page.next or ""
        if not start:
            break

    assert len(anchors) == len(set(anchors)) == rollout.verdicts.count() + rollout.acts.count()


def test_csv_holds_the_whole_log_and_no_formula(canary):
    engineer = factories.make_actor(canary.model.team)
    rollout_pause(actor=engineer, rollout_id=canary.pk, reason="=1+1", now=timezone.now())

    rows = as_member(canary.model.team).get(f"{canary.path}log.csv").content.decode().splitlines()

    assert len(rows) == 1 + canary.verdicts.count() + canary.acts.count()
    assert "'=1+1" in rows[-1]


@pytest.mark.parametrize(("act", "action"), [("pause", "pause"), ("advance", "step"), ("abort", "abort")])
def test_an_engineer_acts_with_a_reason(canary, act, action):
    client = as_member(canary.model.team)

    refused = client.post(f"{canary.path}{act}/", {"seen": seen(canary), "reason": " "})
    done = client.post(f"{canary.path}{act}/", {"seen": seen(canary), "reason": "As agreed."})

    assert (refused.status_code, done.status_code) == (400, 302)
    event = AuditEvent.objects.filter(subject=canary.path).latest("seq")
    assert (event.action, event.actor, event.payload["reason"]) == (
        f"rollout.{action}",
        client.user.username,
        "As agreed.",
    )


def test_an_act_on_what_moved_on_is_refused(canary):
    client = as_member(canary.model.team)

    answer = client.post(f"{canary.path}abort/", {"seen": "canary.3.5000.runs.", "reason": "Old news."})

    assert answer.status_code == 409
    assert "moved on since you looked" in text(answer)
    canary.refresh_from_db()
    assert canary.state == "canary"


def test_a_blocked_act_stays_visible_and_says_who(canary):
    page = text(as_member(canary.model.team, Role.PRODUCT).get(canary.path))

    assert 'aria-disabled="true"' in page
    assert f"engineers and approvers of {canary.model.team.name} do this" in page


def test_a_decision_is_asked_of_who_may_take_it(awaiting):
    engineer = text(as_member(awaiting.model.team).get(awaiting.path))
    viewer = text(as_member(awaiting.model.team, Role.VIEWER).get(awaiting.path))

    assert "It waits for your decision." in engineer
    assert "Continue to 50%" in engineer
    assert "Engineers and approvers" in viewer
    assert 'name="decision"' not in viewer


def test_the_decision_continues(awaiting):
    client = as_member(awaiting.model.team)

    client.post(f"{awaiting.path}decide/", {"seen": seen(awaiting), "reason": "Quiet night.", "decision": "continue"})

    awaiting.refresh_from_db()
    assert (awaiting.state, awaiting.weight_bp) == ("canary", 5000)


def test_board_lists_and_filters(canary):
    client = as_member(canary.model.team)

    assert canary.model.name in text(client.get("/rollouts/"))
    assert canary.model.name in text(client.get("/rollouts/", {"state": "canary", "q": canary.model.name[:4]}))
    assert canary.model.name not in text(client.get("/rollouts/", {"state": "over"}))
    assert "No rollout is under way" in text(as_member(factories.make_team()).get("/rollouts/"))


def test_board_asks_as_many_questions_for_many_as_for_one(canary, django_assert_max_num_queries):
    team = canary.model.team
    client = as_member(team)
    for _ in range(4):
        at_step(begin(rollouts.make_planned(team, plan=plan_document(PLAN))))

    with django_assert_max_num_queries(16):
        client.get("/rollouts/")


def test_panels_of_model_and_promotion(canary):
    client = as_member(canary.model.team)

    assert "canary v2 at 1%" in text(client.get(f"/models/{canary.model.name}/rollout-panel/"))
    assert f"Rollout #{canary.pk}" in text(client.get(f"/promotions/{canary.promotion_id}/rollout-panel/"))
    whole = client.get(canary.model.path).content.decode()
    assert f'<a href="{canary.promotion.path}#rollout">v{canary.candidate.number} is rolling out</a>' in whole
    assert "asks to become" not in whole


def test_differences_say_what_they_share():
    rollout = realistic()

    page = text(as_member(rollout.model.team).get(f"{rollout.path}differences/"))

    assert "req-00000" in page
    assert "have no reference yet" in page


# The plan and its editor


@pytest.fixture
def planned():
    return rollouts.make_planned(plan=plan_document(PLAN))


def sent(answer):
    """Return what a browser would send back of the editor's form."""
    forms = answer.context["draft"].forms
    data = {}
    for form in [forms.whole, *(form for rows in forms.rows.values() for form in [rows.management_form, *rows.forms])]:
        for field in form:
            value = field.value()
            if value is not None and value is not False and value != "":
                data[field.html_name] = "on" if value is True else value
    return data


def test_form_is_lossless(planned):
    client, url = as_member(planned.team), f"/models/{planned.name}/rollout-plan/edit/"
    data = sent(client.get(url))

    turned = client.post(url, data | {"turn": "yaml"})

    assert turned.context["draft"].text == plan_to_yaml(PLAN)


def test_yaml_is_saved_as_the_next_number_with_who_and_why(planned):
    client = as_member(planned.team)
    changed = plan_to_yaml(PLAN).replace("hold: 30m", "hold: 45m")

    client.post(
        f"/models/{planned.name}/rollout-plan/edit/?as=yaml", {"text": changed, "note": "Too hasty.", "save": "1"}
    )

    page = text(client.get(f"/models/{planned.name}/rollout-plan/"))
    assert "No. 2" in page
    assert client.user.username in page
    assert "Too hasty." in page
    assert "hold: 30m</del>" in page
    assert "hold: 45m</ins>" in page
    assert planned.rollout_plans.first().plan.steps[0].hold_s == 2700


def test_a_fault_in_yaml_names_line_and_field_and_saves_nothing(planned):
    client = as_member(planned.team)
    wrong = plan_to_yaml(PLAN).replace("weight: 5%", "weight: 0.5%")

    answer = client.post(
        f"/models/{planned.name}/rollout-plan/edit/?as=yaml", {"text": wrong, "note": "x", "save": "1"}
    )

    assert answer.status_code == 422
    assert "Line 10, steps[1].weight:" in text(answer)
    assert planned.rollout_plans.count() == 1


def test_a_fault_in_the_form_stands_at_its_field(planned):
    client, url = as_member(planned.team), f"/models/{planned.name}/rollout-plan/edit/"
    data = sent(client.get(url)) | {"steps-1-weight_bp": "0.5%", "guardrails-0-margin": "0.5", "note": "x", "save": "1"}

    answer = client.post(url, data)

    assert answer.status_code == 422
    assert "weight_bp" in answer.context["draft"].forms.rows["steps"].errors[1]
    assert planned.rollout_plans.count() == 1


def test_rows_are_added_and_left_out(planned):
    client, url = as_member(planned.team), f"/models/{planned.name}/rollout-plan/edit/"
    data = sent(client.get(url))

    more = client.post(url, data | {"add": "steps"})
    fewer = client.post(url, data | {"steps-0-DELETE": "on", "turn": "yaml"})

    assert len(more.context["draft"].forms.rows["steps"].forms) == 5
    assert "weight: 1%" not in fewer.context["draft"].text


def test_expectations_are_told_while_editing(planned):
    client = as_member(planned.team)

    answer = client.post(f"/models/{planned.name}/rollout-plan/expected/?as=yaml", {"text": plan_to_yaml(PLAN)})

    assert "What a pass takes" in text(answer)
    assert "no traffic recorded in 48 h" in text(answer)


def test_the_plan_is_taken_back(planned):
    client = as_member(planned.team)

    client.post(f"/models/{planned.name}/rollout-plan/take-back/", {"note": "The tier's is enough."})

    page = text(client.get(f"/models/{planned.name}/rollout-plan/"))
    assert "Not in use" in page
    assert "what is approved becomes champion at once" in page


def test_the_tiers_plan_is_in_force_where_its_policy_asks_for_rollouts(planned):
    client = as_member(planned.team)
    RegisteredModel.objects.filter(pk=planned.pk).update(risk_tier=1)

    client.post(f"/models/{planned.name}/rollout-plan/take-back/", {"note": "The tier's is enough."})

    page = text(client.get(f"/models/{planned.name}/rollout-plan/"))
    assert "In force" in page
    assert "installation's own for tier 1" in page


def test_a_promotion_brings_a_plan_of_its_own(planned):
    promotion = factories.make_promotion(planned, version=rollouts.make_routable(planned))
    author = Client()
    author.force_login(promotion.requested_by)
    other = as_member(planned.team)
    url = f"/promotions/{promotion.pk}/rollout-plan/?as=yaml"
    text_ = plan_to_yaml(PLAN).replace("hold: 30m", "hold: 10m")

    assert other.post(url, {"text": text_, "note": "Mine.", "save": "1"}).status_code == 403
    assert author.post(url, {"text": "steps: [", "note": "x"}).status_code == 422
    assert author.post(url, {"text": text_, "note": "A hotfix.", "save": "1"}).status_code == 302

    assert "by a plan made for this promotion" in text(author.get(f"/promotions/{promotion.pk}/rollout-panel/"))
    form = author.get(f"/promotions/{promotion.pk}/rollout-plan/")  # the same plan as a form, for who may bring one
    assert form.context["draft"].plan.steps[0].hold_s == 600
    assert "brings its plan" in text(other.get(f"/promotions/{promotion.pk}/rollout-plan/"))
    approver = factories.make_actor(planned.team, Role.APPROVER)
    services.promotion_reject(actor=approver, promotion_id=promotion.pk, reason="Too fast.")
    assert text(author.get(f"/promotions/{promotion.pk}/rollout-panel/")).strip() == ""


def test_who_asks_for_a_promotion_may_go_on_to_a_plan_of_its_own(planned):
    version, client = rollouts.make_routable(planned), as_member(planned.team)
    assert "Roll it out by a plan of its own" in text(client.get(version.path))

    answer = client.post(f"{version.path}promote/", {"description": "Retrained.", "own_plan": "on"})

    assert answer.url == f"/promotions/{planned.promotions.get(version=version).pk}/rollout-plan/"


def test_dry_run_tells_what_would_have_happened_and_what_it_assumes():
    rollout = realistic()
    client = as_member(rollout.model.team)
    quick = plan_to_yaml(quick_plan())

    asked = client.post(
        f"/models/{rollout.model.name}/rollout-plan/dry-run/",
        {"plan": quick, "ratio": "4"},
        headers={"HX-Request": "true"},
    )
    past = client.post(
        f"/models/{rollout.model.name}/rollout-plan/dry-run/",
        {"plan": quick, "past": rollout.pk},
        headers={"HX-Request": "true"},
    )

    assert "This plan would have rolled back at" in text(asked)
    assert "with 4 times as many events" in text(asked)
    assert f"Rollout #{rollout.pk} is replayed with the arms" in text(past)


def quick_plan():
    return Plan(steps=[Step(2000, hold_s=600, min_requests=100)], guardrails=[Guardrail("errors", "errors")])


# One-click links


def path_of(rollout, choice="continue"):
    return "/" + link_for(rollout, choice).split("/", 3)[3]


def test_a_link_asks_for_log_in_and_then_for_a_reason(awaiting):
    path = path_of(awaiting)

    assert Client().get(path)["Location"].startswith("/login/?next=")
    client = as_member(awaiting.model.team)
    assert "Continue to 50%?" in text(client.get(path))
    awaiting.refresh_from_db()
    assert awaiting.state == "awaiting"
    assert client.post(path, {"reason": ""}).status_code == 400
    assert client.post(path, {"reason": "Quiet night."}).status_code == 302
    awaiting.refresh_from_db()
    assert (awaiting.state, awaiting.weight_bp) == ("canary", 5000)


def test_a_link_used_after_the_state_moved_on_does_nothing(awaiting):
    path, client = path_of(awaiting), as_member(awaiting.model.team)
    client.post(path, {"reason": "Quiet night."})

    again = client.post(path, {"reason": "Again."})

    assert again.status_code == 409
    assert "The rollout moved on" in text(again)
    awaiting.refresh_from_db()
    assert awaiting.weight_bp == 5000


def test_an_expired_link_says_so_with_the_way_on(awaiting, monkeypatch):
    path, client = path_of(awaiting), as_member(awaiting.model.team)
    monkeypatch.setattr("rollouts.links.LASTS", timedelta(seconds=-1))

    answer = client.post(path, {"reason": "Late."})

    assert answer.status_code == 410
    assert "too old" in text(answer)
    assert 'href="/rollouts/"' in text(answer)
    awaiting.refresh_from_db()
    assert awaiting.state == "awaiting"


@pytest.mark.parametrize("how", ["garbled", "other salt", "unsigned"])
def test_a_forged_link_does_nothing(awaiting, how):
    token = path_of(awaiting).rstrip("/").rpartition("/")[2]
    held = [awaiting.pk, "promote", seen(awaiting)]
    forged = {
        "garbled": token[:-3] + "abc",
        "other salt": TimestampSigner(salt="elsewhere").sign_object(held),
        "unsigned": "x",
    }[how]

    answer = as_member(awaiting.model.team).post(f"/rollouts/link/{forged}/", {"reason": "Mine now."})

    assert answer.status_code == 400
    awaiting.refresh_from_db()
    assert awaiting.state == "awaiting"


def test_a_link_is_404_to_another_team_and_refused_to_a_viewer(awaiting):
    path = path_of(awaiting)

    assert as_member(factories.make_team(), Role.APPROVER).get(path).status_code == 404
    viewer = as_member(awaiting.model.team, Role.VIEWER)
    assert "You cannot take this decision." in text(viewer.get(path))
    assert viewer.post(path, {"reason": "Please."}).status_code == 403


def test_hostile_text_stays_text(canary):
    Rollout.objects.filter(pk=canary.pk).update(waiting_for="<script>alert(1)</script>")

    page = as_member(canary.model.team).get(canary.path).content.decode()

    assert escape("<script>alert(1)</script>") in page
    assert "<script>alert(1)" not in page


@pytest.mark.browser
def test_page_tells_what_the_promotion_asks_of_its_rollout():
    model = rollouts.make_planned()
    rule = {
        "metric": "error_rate",
        "direction": "at_most",
        "threshold": 0.002,
        "phase": "canary",
        "reason": "Callers complain.",
    }
    factories.make_criteria(
        model, [{"metric": "roc_auc", "direction": "at_least", "threshold": 0.7, "reason": "Good."}, rule]
    )
    rollout = rollouts.look(rollouts.make_rollout(model))
    rollouts.count(rollout, champion=(9000, 90), candidate=(990, 10), failed=(9, 10))
    client = as_member(model.team)

    page = text(client.get(rollout.path))
    assert "C2 Requests that fail" in page
    assert "measured now, 1,000 requests" in page
    assert "Asked of its rollout" in text(client.get(rollout.promotion.path))


def test_pages_in_a_browser(page, live_server, transactional_db):
    rollout = realistic()
    log_in(page, factories.make_user(rollout.model.team, Role.ENGINEER), live_server)
    plan = f"/models/{rollout.model.name}/rollout-plan/"

    for path in (
        rollout.path,
        "/rollouts/",
        f"{rollout.path}differences/",
        plan,
        f"{plan}edit/",
        f"{plan}edit/?as=yaml",
        f"{plan}dry-run/",
    ):
        check_page(page, path, live_server)

    page.goto(f"{plan}edit/")
    guard = page.locator(".plan-guardrails").last
    guard.get_by_label("What is compared").select_option("output")
    assert guard.get_by_label("Counted above").is_visible()
    assert not guard.get_by_label("Slower than").is_visible()  # it means nothing for outputs
    guard.get_by_label("What is compared").select_option("slow")
    assert guard.get_by_label("Slower than").is_visible()

    page.goto(rollout.path)
    page.get_by_role("button", name="Abort…").click()
    dialog = page.get_by_role("dialog", name="Give all traffic back to v1?")
    dialog.get_by_label("Reason, kept in the log and the audit trail").fill("Drill.")
    assert dialog.get_by_role("button", name="Abort the rollout").is_disabled()  # until the name is typed
    dialog.get_by_label(f"Type {rollout.model.name} to confirm").fill(rollout.model.name)
    dialog.get_by_role("button", name="Abort the rollout").click()
    page.get_by_text("Aborted", exact=True).first.wait_for()
    rollout.refresh_from_db()
    assert rollout.state == "aborted"


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (0, [None, 1.0, None, None, 2.0, None, None, None]),
        (3, [None, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0]),
        (1, [None, 1.0, 1.0, None, 2.0, 2.0, None, None]),
    ],
)
def test_a_line_goes_through_steps_that_are_shorter_than_a_window(steps, expected):
    assert held([None, 1.0, None, None, 2.0, None, None, None], steps) == expected
