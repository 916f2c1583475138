"""The demo's seed and story: safe to repeat, and never in the way of people."""

import subprocess

import pytest
from django.core.management import CommandError, call_command
from django.test import Client, override_settings

from controlplane.demo import description, families
from controlplane.demo.model import CRITERIA, MODEL
from controlplane.demo.people import PEOPLE, person
from controlplane.demo.story import WaitingError, advance
from experiments.models import Dataset
from jobs.models import Job
from jobs.services import job_cancel
from registry.models import ApiToken, AuditEvent, CriteriaSet, Membership, RegisteredModel
from registry.services import criteria_draft, token_revoke

pytestmark = pytest.mark.django_db


@pytest.fixture
def demo(settings):
    settings.DEPLOYMENT = "demo"
    call_command("seed_demo")
    return description.read()


def test_the_seed_makes_people_who_can_log_in_and_a_model_under_way(demo):
    roles = {m.user.username: (m.team.slug, m.role) for m in Membership.objects.select_related("user", "team")}
    assert roles == PEOPLE

    for name, login in demo["users"].items():
        assert Client().login(username=name, password=login["password"])
        assert Client().get("/api/v1/me", headers={"Authorization": f"Bearer {login['token']}"}).status_code == 200

    model = RegisteredModel.objects.get(name=MODEL)
    agreed = model.criteria_sets.get(state=CriteriaSet.State.AGREED)
    assert (agreed.drafted_by.username, agreed.agreed_by.username) == ("product", "approver")
    assert agreed.criteria.count() == len(CRITERIA)
    assert model.slos.count() == 3
    assert Job.objects.get().kind == "dataset_build"


def test_the_seed_changes_nothing_the_second_time(demo):
    events = AuditEvent.objects.count()

    call_command("seed_demo")

    assert description.read() == demo
    assert AuditEvent.objects.count() == events


def test_a_shell_is_told_what_the_examples_of_the_docs_need(demo, settings):
    place = settings.VAR_DIR / "demo.sh"
    told = subprocess.run(
        ["/bin/sh", "-c", f'. {place}; echo "$CP $ENGINEER $CALLER_TOKEN"'], capture_output=True, text=True, check=True
    )

    assert told.stdout.split() == [
        f"{demo['web']}/api/v1",
        demo["users"]["engineer"]["token"],
        demo["callers"]["traffic"],
    ]
    assert place.stat().st_mode & 0o777 == 0o600


def test_a_lost_description_is_made_anew_and_the_old_tokens_end(demo, settings):
    (settings.VAR_DIR / "demo.json").unlink()

    call_command("seed_demo")

    again = description.read()["users"]["engineer"]
    assert Client().login(username="engineer", password=again["password"])
    assert not Client().login(username="engineer", password=demo["users"]["engineer"]["password"])
    assert ApiToken.objects.filter(user__username="engineer", revoked_at__isnull=True).count() == 2


def test_a_revoked_token_is_replaced_and_the_password_kept(demo):
    token = ApiToken.objects.get(user__username="viewer")
    token_revoke(actor=person("viewer"), token_id=token.pk)

    call_command("seed_demo")

    again = description.read()["users"]["viewer"]
    assert again["password"] == demo["users"]["viewer"]["password"]
    assert again["token"] != demo["users"]["viewer"]["token"]


def test_the_seed_leaves_criteria_that_people_drafted_alone(demo):
    model = RegisteredModel.objects.get(name=MODEL)
    draft = criteria_draft(actor=person("product"), model=model, criteria=[CRITERIA[0]])

    call_command("seed_demo")

    draft.refresh_from_db()
    assert draft.state == CriteriaSet.State.DRAFT


@pytest.mark.parametrize("command", ["seed_demo", "demo_story"])
def test_demo_commands_are_refused_elsewhere(command, settings):
    settings.DEPLOYMENT = "production"

    with pytest.raises(CommandError, match="demo"):
        call_command(command)
    assert not Membership.objects.exists()


def test_the_story_waits_for_the_rows_and_says_where_to_look(demo):
    with pytest.raises(WaitingError) as waiting:
        advance()

    job = Job.objects.get()
    assert (waiting.value.what, waiting.value.path) == ("Build flights-2013", f"/jobs/{job.pk}/")


def test_the_story_says_that_a_job_needs_a_person(demo):
    job = Job.objects.get()
    job_cancel(job_id=job.pk, by="engineer")

    with pytest.raises(WaitingError, match="Build flights-2013: cancelled"):
        advance()
    assert Dataset.objects.get().versions.count() == 0
    assert Job.objects.count() == 1


def test_further_families_begin_after_the_first_model_and_ask_for_each_job_once(demo, monkeypatch):
    assert families.advance() is True  # its versions come first
    assert not RegisteredModel.objects.filter(task="ranking").exists()
    monkeypatch.setattr("controlplane.demo.families.EARLIER", 0)

    assert [families.advance(), families.advance()] == [True, True]

    assert set(RegisteredModel.objects.values_list("task", flat=True)) == {
        "classification", "ranking", "forecasting", "anomaly", "retrieval",
    }  # fmt: skip
    assert Job.objects.filter(kind="dataset_build").count() == 5
    with override_settings(DEMO_FAMILIES=False):
        assert families.advance() is False
