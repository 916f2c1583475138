"""The page of scenarios: who starts what, and when not. what a scenario does is shown by `tests/scenarios.py`."""

from html import unescape

import pytest
from django.core.management import CommandError, call_command

from controlplane.demo.people import PEOPLE, seed_people
from controlplane.demo.scenarios import SCENARIOS
from jobs.models import Job
from jobs.services import job_cancel
from registry.models import AuditEvent, Team
from rollouts.plans.plan import read_plan
from tests.rollouts import make_planned, make_rollout

pytestmark = pytest.mark.django_db


@pytest.fixture
def people(settings):
    settings.DEPLOYMENT = "demo"
    seed_people({})


@pytest.fixture
def as_person(client, django_user_model):
    def log_in(name):
        client.force_login(django_user_model.objects.get(username=name))
        return client

    return log_in


@pytest.mark.parametrize("speed", [0.5, 1, 10])
def test_every_plan_is_sound(speed):
    for scenario in SCENARIOS.values():
        plan = read_plan(scenario.plan(speed))

        assert plan.steps[-1].weight_bp == 5000
        assert [guard.name for guard in plan.guardrails if guard.decides]


def test_a_start_queues_a_job_that_the_page_shows(people, as_person):
    client = as_person("engineer")

    answer = client.post("/scenarios/start/", {"name": "errors"}, follow=True)

    [job] = Job.objects.filter(kind="scenario")
    assert (job.queue, job.scope, job.params) == ("demo", "travel", {"name": "errors", "rate": 100.0, "speed": 1.0})
    assert AuditEvent.objects.get(action="scenario.start").payload == {"scenario": "errors", "job": job.pk}
    text = answer.content.decode()
    assert "A candidate that fails: it runs for a few minutes" in text
    assert f'href="{job.path}"' in text


def test_one_run_of_a_scenario_at_a_time(people, as_person):
    client = as_person("engineer")
    client.post("/scenarios/start/", {"name": "errors"})

    again = client.post("/scenarios/start/", {"name": "errors"})
    other = client.post("/scenarios/start/", {"name": "good"})

    assert again.status_code == 409
    assert "runs already" in again.content.decode()
    assert other.status_code == 302
    job_cancel(job_id=Job.objects.get(params__name="errors").pk, by="engineer")
    assert client.post("/scenarios/start/", {"name": "errors"}).status_code == 302


@pytest.mark.parametrize(("name", "status"), [("viewer", 403), ("sandbox", 404)])
def test_who_may_not_start(people, as_person, name, status):
    assert as_person(name).post("/scenarios/start/", {"name": "errors"}).status_code == status
    assert not Job.objects.filter(kind="scenario").exists()


@pytest.mark.parametrize(
    ("name", "status"), [(name, 404 if team == "sandbox" else 200) for name, (team, _) in PEOPLE.items()]
)
def test_who_sees_the_page(people, as_person, name, status):
    assert as_person(name).get("/scenarios/").status_code == status


def test_an_unknown_scenario_is_no_page(people, as_person):
    assert as_person("engineer").post("/scenarios/start/", {"name": "flood"}).status_code == 404


def test_elsewhere_nothing_starts(people, as_person, settings):
    settings.DEPLOYMENT = "test"

    answer = as_person("engineer").post("/scenarios/start/", {"name": "errors"})

    assert answer.status_code == 409
    assert "the demo's alone" in unescape(answer.content.decode())
    with pytest.raises(CommandError, match="the demo's alone"):
        call_command("scenario", "errors")
    assert not Job.objects.filter(kind="scenario").exists()


@pytest.mark.parametrize("option", [{"rate": 0}, {"rate": 501}, {"speed": 0}, {"speed": 21}])
def test_the_command_refuses_what_makes_no_sense(people, option):
    with pytest.raises(CommandError, match=f"--{next(iter(option))}"):
        call_command("scenario", "errors", **option)


def test_while_its_rollout_is_open_the_next_run_is_refused(people, as_person):
    team = Team.objects.get(slug="travel")
    rollout = make_rollout(make_planned(team, name="rehearsal-errors"))
    client = as_person("engineer")

    answer = client.post("/scenarios/start/", {"name": "errors"})
    page = client.get("/scenarios/").content.decode()

    assert answer.status_code == 409
    assert f"an approver of the team ends it at {rollout.path}" in answer.content.decode()
    assert f'<a href="{rollout.path}">v2 of rehearsal-errors</a>' in page
    assert "Its rollout is still open." in page
    assert not Job.objects.filter(kind="scenario").exists()
