"""The page of evaluation plans: in plain words, by task, with history and differences; who may change one."""

import pandas as pd
import pytest

from experiments.models import Evaluation, EvaluationPlan
from experiments.plan_words import changes, said
from experiments.services import evaluation_plan_change
from experiments.suites import read_plan
from jobs.models import Job
from registry import services
from registry.models import AuditEvent, Role
from tests import factories
from tests.browser import check_page, log_in
from tests.data_sets import make_data

COSTS = {"false_negative": "amount", "false_positive": 12.5, "true_positive": 0.0, "true_negative": 0.0}


def test_a_plan_is_said_in_plain_words_and_by_task():
    fraud = {one.label: one for one in said(read_plan({"costs": COSTS, "groups": ["sex"]}), "classification")}
    forecast = {one.label: one for one in said(read_plan({"season": 7}), "forecasting")}

    assert fraud["A case that is missed costs"].text == "the amount in column amount"
    assert fraud["A false alarm costs"].text == "12.5"
    assert (fraud["Groups held against each other"].text, fraud["Columns that no table shows"].usual) == ("sex", True)
    assert "Length of the season" not in fraud
    assert (forecast["Length of the season"].text, forecast["The fewest that decide"].text) == ("7 steps", "30 series")
    assert "Costs of decisions" not in forecast


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({}, {"costs": COSTS}, ["A case that is missed costs: not priced → the amount in column amount",
                                "A false alarm costs: not priced → 12.5", "A case that is caught costs: not priced → 0",
                                "Leaving a harmless case alone costs: not priced → 0"]),
        ({"costs": COSTS}, {"costs": COSTS | {"false_positive": 9.0}}, ["A false alarm costs: 12.5 → 9"]),
        ({"slices": ["a"], "least_positives": 50}, {"slices": ["a", "b"]},
         ["Parts measured on their own: a → a, b", "The fewest that decide: 50 positives → 30 positives"]),
        ({}, {"season": 4}, ["Length of the season: as usual → 4 steps"]),  # by API, though the task has no season
        ({"slices": ["a"]}, {"slices": ["a"]}, []),
    ],
)  # fmt: skip
def test_changes_are_told_in_the_same_words(before, after, told):
    found = changes(before, after, "classification")

    assert [f"{one.label}: {one.before} → {one.after}" for one in found] == told


@pytest.fixture
def team():
    return factories.make_team("payments")


def measured(model, plan, data):
    version = factories.make_version(model)
    job = Job.objects.create(kind="evaluate", queue="evaluation", scope=model.team.slug, title="e", state="succeeded")
    suite = f"classification-3+plan-{plan.number}"
    Evaluation.objects.create(version=version, dataset_version=data, suite=suite, plan=plan, job=job)
    services.evidence_record(
        version=version, metric="roc_auc", value=0.8, suite=suite, job=job, data_digest=data.digest
    )
    return version


@pytest.mark.django_db
def test_an_engineer_changes_it_and_everybody_sees_what_changed(client, team):
    model = factories.make_model(team, name="card-fraud")
    data = make_data(team, pd.DataFrame({"amount": [float(n) for n in range(48)]}))
    client.force_login(factories.make_user(team, Role.ENGINEER))
    path, fields = (
        f"/models/{model.name}/evaluation-plan/",
        {"least_positives": 40, "reason": "Missed fraud is paid by us."},
    )

    answer = client.post(
        path, fields | {"false_negative": "amount", "false_positive": "1,200", "groups": "sex, age, sex"}
    )

    assert answer.status_code == 302
    plan = EvaluationPlan.objects.get()
    assert plan.document == {
        "costs": COSTS | {"false_positive": 1200.0}, "groups": ["sex", "age"], "least_positives": 40,
    }  # fmt: skip
    assert AuditEvent.objects.get(action="evaluation_plan.change").payload["after"] == plan.document
    version = measured(model, plan, data)
    engineer = factories.make_actor(team, Role.ENGINEER)
    evaluation_plan_change(actor=engineer, model=model, document=plan.document | {"season": 7}, reason="Weeks.")

    # What the form does not show for this task stays.
    client.post(path, {"least_positives": 50, "slices": "amount", "reason": "More."})
    assert EvaluationPlan.objects.first().document == {"least_positives": 50, "season": 7, "slices": ["amount"]}
    client.force_login(factories.make_user(team, Role.PRODUCT))
    page = client.get(path).content.decode()
    assert "The fewest that decide: <del>40 positives</del> → <ins>50 positives</ins>" in page
    assert "Missed fraud is paid by us." in page
    assert "1 evaluation<" in page
    assert "Put this plan in force" not in page
    evidence = client.get(f"{version.path}?tab=evidence").content.decode()
    assert f'<a href="{path}#p1">under plan 1</a>' in evidence
    assert f'<a href="{path}#p1">under plan 1</a>' in client.get(f"{version.path}training-panel/").content.decode()


@pytest.mark.django_db
def test_what_is_wrong_stands_at_its_field_and_changes_nothing(client, team):
    model = factories.make_model(team, name="card-fraud")
    path, fields = f"/models/{model.name}/evaluation-plan/", {"least_positives": 30, "reason": "Why."}
    client.force_login(factories.make_user(team, Role.ENGINEER))

    alone = client.post(path, fields | {"false_negative": "5"})
    few = client.post(path, fields | {"least_positives": 3})
    same = client.post(path, fields)
    client.force_login(factories.make_user(team, Role.PRODUCT))
    refused = client.post(path, fields | {"slices": "amount"})

    assert (alone.status_code, few.status_code, same.status_code, refused.status_code) == (400, 422, 409, 403)
    assert alone.context["form"].errors["false_positive"] == [
        "Say what a false positive costs: an amount, or a column of amounts."
    ]
    assert "least_positives" in few.context["form"].errors
    assert "is measured this way already" in same.content.decode()
    assert not EvaluationPlan.objects.exists()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_in_a_browser(page, live_server, team):
    model = factories.make_model(team, name="card-payments-fraud-detection-for-corporate-travel-accounts")
    data = make_data(team, pd.DataFrame({"amount": [float(n) for n in range(48)]}))
    engineer = factories.make_actor(team, Role.ENGINEER)
    for number in range(1, 9):
        document = {
            "costs": COSTS | {"false_positive": float(number)},
            "groups": ["sex"],
            "slices": ["merchant_category_of_the_terminal"],
        }
        plan = evaluation_plan_change(
            actor=engineer, model=model, document=document, reason=f"The desk's hourly rate was renewed, {number} of 8."
        )  # fmt: skip
    measured(model, plan, data)
    log_in(page, engineer.user, live_server)
    page.goto(f"/models/{model.name}/evaluation-plan/")

    page.get_by_label("A false alarm costs").fill("x y")
    page.get_by_label("Why is it measured this way?").fill("By case handling time.")
    page.get_by_role("button", name="Put this plan in force").click()
    page.get_by_text("the amount in column x y").first.wait_for()
    assert "lacks x y, merchant_category_of_the_terminal, sex" in page.locator(".note").inner_text()
    check_page(page, f"/models/{model.name}/evaluation-plan/", live_server)
