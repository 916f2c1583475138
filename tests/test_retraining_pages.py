"""The pages and the API of retraining, asked for by people of different roles."""

import json

import pytest
from django.utils import timezone

from monitoring.forms.retraining import PolicyForm, initial_of
from monitoring.models import Retraining, RetrainingPolicy
from monitoring.retraining.checks import read_policy
from monitoring.services import reconcile_retrainings, retraining_policy_save
from registry.models import Promotion, Role
from tests.api import Api, problem
from tests.browser import check_page, log_in
from tests.factories import make_actor, make_champion, make_model, make_user
from tests.retraining import document, labelled, look, make_policy, make_retraining, make_standing, measured, moved

LABELS = {"kind": "labels", "labels": 100}
NIGHTLY = {"kind": "schedule", "cron": "0 2 * * *", "time_zone": "Europe/Paris"}


@pytest.fixture
def model(db):
    return make_champion(make_model(name="flight-delay", risk_tier=3)).model


def sign_in(client, team, role=Role.ENGINEER):
    user = make_user(team, role)
    client.force_login(user)
    return user


def text_of(answer):
    return " ".join(answer.content.decode().split())


def test_the_models_page_shows_each_condition_beside_its_limit_and_what_came_of_each(client, model):
    policy = make_policy(model, LABELS, NIGHTLY, min_labels=500)
    labelled(model.aliases.get(name="champion").version, 120)
    look(policy)
    sign_in(client, model.team, Role.VIEWER)

    page = text_of(client.get(f"{model.path}retraining/"))

    assert "120 since the last training, limit 100" in page
    assert "next on" in page
    assert "120 labelled predictions in the last 30 days; it takes 500." in page
    assert "Retrain now…" not in page
    listed = text_of(client.get("/retraining/"))
    assert "120 since the last training, limit 100" in listed
    assert "Held" in listed
    each = text_of(client.get("/retraining/?show=each&model=flight-delay"))
    assert f'href="{Retraining.objects.get().path}"' in each
    panel = text_of(client.get(f"{model.path}retraining-panel/"))
    assert "Labels: 120 since the last training, limit 100" in panel


def test_one_retraining_tells_why_it_began_and_what_happened(client, model):
    policy = make_policy(model)
    labelled(model.aliases.get(name="champion").version, 100)
    job = look(policy)
    made = Retraining.objects.get()
    sign_in(client, model.team)

    page = text_of(client.get(made.path))

    assert "Labels: 100 since the last training, limit 100" in page
    assert f'href="/jobs/{job.pk}/"' in page
    assert "<b>Became due</b>" in page
    assert "<b>Freezing its rows began</b>" in page
    stopped = client.post(f"{made.path}stop/", {"reason": "The labels are wrong."}, follow=True)
    assert "The labels are wrong." in text_of(stopped)
    assert 'hx-trigger="every 3s"' not in text_of(stopped)


def test_a_person_asks_by_the_page_and_a_viewer_does_not(client, model):
    make_policy(model)
    sign_in(client, model.team, Role.VIEWER)
    assert client.post(f"{model.path}retraining/ask/", {"reason": "Please."}).status_code == 403
    assert not Retraining.objects.exists()

    sign_in(client, model.team)
    asked = client.post(f"{model.path}retraining/ask/", {"reason": "A strike."}, follow=True)

    assert "Asked for: A strike." in text_of(asked)


FORM = {
    "match": "any", "schedule_cron": "0 2 * * 1", "schedule_zone": "Europe/Paris", "drift_features": "5", "window_days": "30",
    "maturity_hours": "24", "min_labels": "2000", "held_out_percent": "25", "validation_percent": "15",
    "pipeline": "lightgbm", "params": '{"trees": 50}', "metric": "average_precision", "better_by": "0",
    "automation": "promotion", "cooldown_hours": "24", "runs_per_week": "2", "look_every_s": "60",
    "quality_hours": "24", "quality_spans": "1", "reason": "Follow the seasons.",
}  # fmt: skip


def test_the_form_saves_what_it_says_and_begins_with_it_again(client, model):
    make_policy(model)
    dataset = f"recent-{model.pk}"
    user = sign_in(client, model.team)

    answer = client.post(f"{model.path}retraining/policy/", FORM | {"dataset": dataset, "quality_metric": "roc_auc",
                         "quality_below": "0.7", "budget_percent": "10"})  # fmt: skip

    assert answer.status_code == 302, text_of(answer)
    saved = RetrainingPolicy.objects.get(number=2)
    assert (saved.made_by, saved.reason) == (user, "Follow the seasons.")
    rules = saved.rules
    assert [(one.kind, one.features, one.below, one.left_below) for one in rules.when.conditions] == [
        ("schedule", None, None, None), ("drift", 5, None, None), ("quality", None, 0.7, None), ("budget", None, None, 0.1),
    ]  # fmt: skip
    assert (rules.maturity_s, rules.held_out, rules.params["trees"]) == (86_400, 0.25, 50)
    again = PolicyForm(initial_of(rules) | {"params": json.dumps(rules.params), "reason": "x"}, model=model)
    assert again.is_valid(), again.errors
    assert read_policy(again.document()) == rules


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"schedule_cron": "0 2"}, "schedule_cron", "Five fields"),
        ({"schedule_zone": "Mars"}, "schedule_zone", "A time zone by its name"),
        ({"quiet_begins": "25:00", "quiet_ends": "06:00", "quiet_zone": "UTC"}, "quiet_begins", "A time of day"),
        ({"params": '{"trees": 0}'}, "params", "trees"),
        ({"held_out_percent": "90"}, "held_out_percent", "From 0.05 to 0.6"),
        ({"schedule_cron": "", "drift_features": ""}, None, "needs it"),
    ],
)
def test_a_form_that_is_wrong_says_so_beside_the_field(client, model, changes, field, words):
    make_policy(model)
    sign_in(client, model.team)

    answer = client.post(f"{model.path}retraining/policy/", FORM | {"dataset": f"recent-{model.pk}"} | changes)

    assert answer.status_code == 422
    errors = answer.context["form"].errors
    assert words in str(errors[field or "__all__"])
    assert RetrainingPolicy.objects.count() == 1


def test_what_a_form_cannot_say_is_edited_as_json(client, model):
    nested = {"kind": "all", "conditions": [LABELS, NIGHTLY]}
    make_policy(model, nested)
    user = sign_in(client, model.team)

    page = client.get(f"{model.path}retraining/policy/")
    assert "This policy says more than a form can" in text_of(page)
    body = json.dumps(document(nested, dataset=f"recent-{model.pk}", runs_per_week=3))
    wrong = client.post(
        f"{model.path}retraining/policy/", {"document": body.replace("lightgbm", "magic"), "reason": "x"}
    )
    assert wrong.status_code == 422
    assert "pipeline: There is no such pipeline" in text_of(wrong)
    saved = client.post(f"{model.path}retraining/policy/", {"document": body, "reason": "Three a week."})

    assert saved.status_code == 302
    assert RetrainingPolicy.objects.get(number=2).made_by == user


def test_the_dry_run_says_when_it_would_have_started(client, model):
    policy = make_policy(model, LABELS, min_labels=100)
    labelled(model.aliases.get(name="champion").version, 250)
    sign_in(client, model.team, Role.VIEWER)

    page = text_of(client.get(f"{model.path}retraining/dry-run/"))

    assert "250 since the last training, limit 100" in page
    assert not Retraining.objects.exists()
    assert Api(model.team, Role.VIEWER).get(f"models/{policy.model.name}/retraining-policy/dry-run").json()["starts"]


def test_the_api_does_what_the_pages_do(model):
    make_policy(model)
    engineer, viewer = Api(model.team), Api(model.team, Role.VIEWER)
    body = {"policy": document(LABELS, dataset=f"recent-{model.pk}"), "reason": "By the API."}
    assert viewer.put("models/flight-delay/retraining-policy", body).status_code == 403
    saved = engineer.put("models/flight-delay/retraining-policy", body).json()
    assert (saved["number"], saved["enabled"], saved["watch"]) == (2, True, None)
    assert problem(engineer.put("models/flight-delay/retraining-policy", body | {
        "policy": body["policy"] | {"held_out": 2}}), 400)["errors"][0]["pointer"].endswith("held_out")  # fmt: skip

    made = engineer.post("models/flight-delay/retrainings", {"reason": "Now."}).json()
    assert (made["state"], made["slot"], made["why"]) == ("due", "after:0", "asked for: Now.")
    reconcile_retrainings(now=timezone.now())
    held = viewer.get(f"retrainings/{made['id']}").json()
    assert (held["state"], held["rule"]) == ("held", "labels")
    assert engineer.post(f"retrainings/{made['id']}/start", {"reason": "Go."}).status_code == 409
    assert viewer.post(f"retrainings/{made['id']}/stop", {"reason": "No."}).status_code == 403
    assert engineer.post(f"retrainings/{made['id']}/stop", {"reason": "No."}).json()["state"] == "stopped"
    assert [
        one["id"] for one in viewer.get("retrainings", model="flight-delay", state="stopped").json()["results"]
    ] == [made["id"]]
    off = engineer.post("models/flight-delay/retraining-policy/switch", {"enabled": False, "reason": "Audit."}).json()
    assert (off["enabled"], off["number"]) == (False, 3)


def test_lists_cost_as_many_queries_for_many_models_as_for_one(client, model, django_assert_max_num_queries):
    sign_in(client, model.team)
    actor = make_actor(model.team)
    for n in range(12):
        other = make_model(model.team, name=f"model-{n:02}", risk_tier=3)
        make_policy(other, actor=actor)
        make_retraining(other, actor=actor)
    client.get("/retraining/")

    for path in ("/retraining/", "/retraining/?show=each"):
        with django_assert_max_num_queries(12):
            client.get(path)


def test_an_approver_approves_beforehand_by_the_page_and_anybody_ends_it(client, model):
    author = make_actor(model.team)
    make_policy(model, LABELS, actor=author, automation="champion")
    page = f"{model.path}retraining/"
    given = {"policy": "1", "days": "30", "reason": "Ten retrainings were right."}
    sign_in(client, model.team)
    told = text_of(client.get(page))
    assert "None holds" in told
    assert "Approve beforehand…" not in told
    assert client.post(f"{page}standing/", given).status_code == 403
    assert not model.standing_approvals.exists()

    approver = sign_in(client, model.team, Role.APPROVER)
    assert "Every version that retraining policy 1 makes from now on" in text_of(client.get(page))
    assert client.post(f"{page}standing/", given | {"days": "x"}).status_code == 400
    told = text_of(client.post(f"{page}standing/", given, follow=True))
    word = model.standing_approvals.get()
    assert (word.approver, word.days) == (approver, 30)
    assert f'id="s{word.pk}"' in told
    assert "Ten retrainings were right." in told
    sign_in(client, model.team, Role.PRODUCT)
    told = text_of(client.post(f"{page}standing/{word.pk}/end/", {"reason": "Labels look wrong."}, follow=True))
    assert "Labels look wrong." in told
    assert "None holds" in told
    author.user.memberships.update(role=Role.APPROVER)
    client.force_login(author.user)
    assert "You wrote the policy or drafted its criteria" in text_of(client.get(page))


def test_the_api_gives_lists_and_ends_standing_approvals(model):
    make_policy(model, LABELS, automation="champion")
    approver, viewer = Api(model.team, Role.APPROVER), Api(model.team, Role.VIEWER)
    body = {"policy": 1, "days": 7, "reason": "Ten were right."}
    assert viewer.post("models/flight-delay/standing-approvals", body).status_code == 403
    assert (
        problem(approver.post("models/flight-delay/standing-approvals", body | {"days": 91}), 400)["errors"][0][
            "pointer"
        ]
        == "/days"
    )
    given = approver.post("models/flight-delay/standing-approvals", body).json()
    assert (given["holds"], given["criteria_set"], given["ended_why"]) == (True, 1, "")
    ended = approver.post(f"standing-approvals/{given['id']}/end", {"reason": "Not now."}).json()
    [listed] = viewer.get("models/flight-delay/standing-approvals").json()
    assert listed == ended
    assert (listed["holds"], listed["ended_why"]) == (False, "Not now.")


def test_each_retraining_links_what_came_of_it_down_to_the_rollout(client, model):
    made, version = measured(model, low=0.02, high=0.08, automation="champion")
    moved(made)
    Promotion.objects.filter(pk=made.promotion.pk).update(carried_by="/rollouts/31/")
    sign_in(client, model.team)

    page, row = text_of(client.get(made.path)), text_of(client.get("/retraining/?show=each"))

    made.refresh_from_db()
    jobs = [made.job_id, made.evaluation.job_id]
    for path in (
        *(f"/jobs/{pk}/" for pk in jobs),
        made.dataset_version.path,
        version.path,
        made.promotion.path,
        "/rollouts/31/",
    ):
        assert f'href="{path}"' in page
        assert f'href="{path}"' in row
    assert "None" not in row


@pytest.mark.browser
def test_pages_are_accessible_in_both_themes_and_widths(live_server, page, model):
    policy = make_policy(model, LABELS, NIGHTLY)
    labelled(model.aliases.get(name="champion").version, 100)
    look(policy)
    retraining_policy_save(
        actor=make_actor(model.team), model=model, reason="Quieter.", document=document(
            LABELS, NIGHTLY, dataset=f"recent-{model.pk}", automation="champion", quiet={"begins": "22:00", "ends": "06:00", "time_zone": "UTC"}
        ),
    )  # fmt: skip
    make_standing(model)
    log_in(page, make_user(model.team), live_server)

    for path in ("/retraining/", "/retraining/?show=each", f"{model.path}retraining/", f"{model.path}retraining/policy/",
                 f"{model.path}retraining/policy/?as=json", Retraining.objects.get().path):  # fmt: skip
        check_page(page, path, live_server)
