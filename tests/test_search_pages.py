"""The pages of searches: the form that is one click, what it refuses and where, and the search's page at full length."""

import pytest

from experiments.models import Search
from experiments.pipelines.choices import BoostedParams
from experiments.searching.space import declared_space
from jobs.models import Job
from registry.models import Role
from tests.browser import check_page, log_in
from tests.factories import make_actor, make_user
from tests.searches import fill_search, make_search, make_search_world


@pytest.fixture
def world(settings, tmp_path):
    settings.DATA_ROOT = tmp_path / "datasets"
    return make_search_world("flight-delay")


SPACE = {
    "learning_rate": {"low": 0.01, "high": 0.3, "log": True}, "leaves": {"low": 4, "high": 128, "log": True},
    "rows_per_leaf": {"low": 20, "high": 1000, "log": True}, "penalty": {"low": 0.1, "high": 100.0, "log": True},
}  # fmt: skip


def filled_form(client, path):
    """Return what a browser would send of the form as it is served."""
    forms = client.get(path).context
    return {
        bound.html_name: ("on" if bound.value() is True else bound.value())
        for form in (forms["data_form"], forms["form"], forms["space"])
        for bound in form
        if bound.value() is not False and bound.value() not in (None, "")
    } | {"dataset_version": forms["data_form"].fields["dataset_version"].queryset.get().pk}


@pytest.mark.django_db
def test_the_form_as_it_is_served_begins_a_search_of_the_declared_space(client, world):
    engineer, model, _ = world
    client.force_login(engineer.user)
    path = f"{model.path}search/?pipeline=lightgbm"
    sent = filled_form(client, path)

    too_many = client.post(path, sent | {"size": "9999"})
    empty = client.post(path, sent | {"low-leaves": "200", "high-leaves": "100"})
    begun = client.post(path, sent)

    assert (too_many.status_code, empty.status_code) == (422, 422)
    assert "trials must be 1 to 500." in too_many.context["form"].errors["size"]
    assert "is empty: 200 is not below 100" in str(empty.context["space"].errors["low-leaves"])
    search = Search.objects.get()
    assert begun["Location"] == search.path
    assert search.space == declared_space(BoostedParams)
    assert search.params["trees"] == 1000
    assert (search.size, search.pruner, search.metric) == (30, "median", "average_precision")


@pytest.mark.django_db
def test_a_viewer_sees_a_search_and_is_told_who_acts(client, world):
    search = make_search(world, opened=False, space=SPACE)
    fill_search(search)
    client.force_login(make_actor(search.model.team, Role.VIEWER).user)

    page = client.get(search.path).content.decode()

    assert "An engineer of" in page
    assert client.post(f"{search.path}cancel/").status_code == 403
    assert client.post(f"{search.path}register/").status_code == 403
    assert client.get(f"{search.path}?state=complete").status_code == 200
    assert client.get(f"{search.path}?cursor=nonsense").status_code == 404


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_every_page_holds_in_both_widths_and_themes(page, live_server, world):
    _, model, _ = world
    search = make_search(world, opened=False, space=SPACE, size=80)
    fill_search(search)
    Job.objects.filter(pk=search.opening_id).update(state="succeeded")
    log_in(page, make_user(model.team), live_server)

    for path in (search.path, "/searches/", f"{model.path}search/"):
        check_page(page, path, live_server)
