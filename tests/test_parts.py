"""Parts of a page that another application draws, put in place on the server."""

import pytest
from django.http import Http404
from django.template import Context, Template
from django.test import RequestFactory

from registry.models import Role
from tests.factories import make_model, make_team, make_user


def part(source, *, reader, **context):
    request = RequestFactory().post("/elsewhere/?page=7")
    request.user, request.session = reader, {}
    return Template(source).render(Context({"request": request, **context}))


@pytest.mark.django_db
def test_a_part_is_what_its_own_page_answers_and_is_asked_for_again_where_told_so(client):
    model = make_model(make_team())
    reader = make_user(model.team, Role.VIEWER)
    client.force_login(reader)

    drawn = part('{% part "routing_panel" model.name every="5s" %}', reader=reader, model=model)
    jobs = part('{% part "job_panel" subject=model.path %}', reader=reader, model=model)

    alone = client.get(f"/models/{model.name}/routing-panel/").content.decode()
    assert drawn == f'<div hx-get="/models/{model.name}/routing-panel/" hx-trigger="every 5s">{alone}</div>'
    assert jobs == client.get("/jobs/panel/", {"subject": model.path}).content.decode()


@pytest.mark.django_db
def test_a_part_of_another_teams_model_does_not_exist():
    model = make_model(make_team())

    with pytest.raises(Http404):
        part('{% part "routing_panel" model.name %}', reader=make_user(make_team()), model=model)


@pytest.mark.django_db
def test_a_models_page_arrives_with_all_its_parts(client):
    model = make_model(make_team())
    client.force_login(make_user(model.team, Role.VIEWER))

    page = client.get(model.path).content.decode()

    assert "Loading" not in page
    for words in (
        "No request in the last 48 hours",
        "Prediction log",
        "Data quality",
        "Retraining",
        "Drift of the inputs",
        "All rollouts",
    ):
        assert words in page
