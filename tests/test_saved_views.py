"""Saved views: kept for one person or a team, opened, renamed and deleted, by page and by API."""

import pytest
from django.test import Client

from registry import services
from registry.access import Actor
from registry.errors import ConflictError, InvalidError, RoleError
from registry.models import AuditEvent, ListPage, Membership, Role, SavedView
from registry.saved_queries import normal
from registry.services.saved_views import MOST
from tests import factories
from tests.api import Api, problem
from tests.browser import check_page, log_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def team():
    return factories.make_team("travel")


@pytest.fixture
def engineer(team):
    return factories.make_actor(team)


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def save(actor, *, team=None, name="Anomalies", query="task=anomaly", page="models"):
    return services.saved_view_create(actor=actor, page=page, name=name, query=query, team=team)


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("?task=anomaly&q=&cursor=abc&sort=-updated", "sort=-updated&task=anomaly"),
        ("b=2&a=%20&b=1", "b=1&b=2"),
        ("q=M%C3%BCnchen+%26+co", "q=M%C3%BCnchen+%26+co"),
        ("cursor=abc", ""),
    ],
)
def test_query_is_kept_in_one_form_without_the_place_in_the_list(query, kept):
    assert normal(query) == kept
    assert normal(kept) == kept


@pytest.mark.parametrize("page", ListPage.values)
def test_every_list_offers_its_views_and_opens_them(engineer, page):
    view = save(engineer, page=page, query="q=delay")
    client = signed_in(engineer.user)

    opened = client.get(view.path)

    assert opened["Location"].endswith("?q=delay")
    assert f'hx-get="/views/row/?of={page}"' in client.get(opened["Location"]).content.decode()
    row = client.get(f"/views/row/?of={page}", headers={"HX-Current-URL": f"http://x{opened['Location']}&cursor="})
    assert f'href="{opened["Location"]}" aria-current="true"' in row.content.decode()


def test_own_view_is_the_owners_alone_and_on_nobodys_trail(team, engineer):
    view = save(engineer)
    colleague, token = factories.make_user(team), Api(team)
    Membership.objects.filter(user=token.user).delete()

    assert signed_in(engineer.user).get(view.path).status_code == 302
    assert signed_in(colleague).get(view.path).status_code == 404
    assert signed_in(colleague).post(f"{view.path}delete/").status_code == 404
    assert not AuditEvent.objects.filter(action__startswith="saved_view.").exists()
    assert SavedView.objects.get() == view


def test_shared_view_is_seen_by_the_team_changed_by_its_writers_and_audited(team, engineer):
    view = save(engineer, team=team)
    viewer, other = factories.make_actor(team, Role.VIEWER), factories.make_actor(team, Role.PRODUCT)

    assert view.name in signed_in(viewer.user).get("/views/").content.decode()
    with pytest.raises(RoleError):
        services.saved_view_update(actor=viewer, view=view, name="Mine")
    with pytest.raises(RoleError):
        services.saved_view_delete(actor=viewer, view=view)
    with pytest.raises(RoleError):
        save(viewer, team=team, name="Another")
    page = signed_in(viewer.user).get("/views/").content.decode()
    assert "Rename…" not in page
    services.saved_view_update(actor=other, view=view, name="Odd ones")
    services.saved_view_delete(actor=other, view=view)

    events = AuditEvent.objects.filter(action__startswith="saved_view.").order_by("seq")
    assert [(e.action, e.actor, e.team) for e in events] == [
        ("saved_view.create", engineer.user.username, "travel"),
        ("saved_view.update", other.user.username, "travel"),
        ("saved_view.delete", other.user.username, "travel"),
    ]
    kept = {"page": "models", "query": "task=anomaly"}
    assert events[1].payload == {"before": kept | {"name": "Anomalies"}, "after": kept | {"name": "Odd ones"}}
    assert not SavedView.objects.exists()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"page": "moon"}, "page"),
        ({"name": " "}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"query": "cursor=abc"}, "query"),
        ({"query": "q=" + "x" * 1000}, "query"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_field(engineer, fields, field):
    with pytest.raises(InvalidError) as refused:
        save(engineer, **fields)

    assert refused.value.field == field
    assert not SavedView.objects.exists()


def test_name_is_taken_once_for_each_list_and_keeper(team, engineer):
    save(engineer)
    save(engineer, team=team)
    save(engineer, page="jobs")
    save(factories.make_actor(team))

    for keeper in (None, team):
        with pytest.raises(ConflictError, match="Choose another name"):
            save(engineer, team=keeper)
    other = save(engineer, name="Other")
    with pytest.raises(ConflictError, match="Choose another name"):
        services.saved_view_update(actor=engineer, view=other, name="Anomalies")

    assert SavedView.objects.count() == 5


def test_row_above_a_list_stays_short(engineer):
    SavedView.objects.bulk_create(
        SavedView(owner=engineer.user, page="models", name=f"v{n}", query="a=1") for n in range(MOST)
    )

    with pytest.raises(ConflictError, match="delete one"):
        save(engineer)


def test_views_by_the_api(team, engineer):
    caller = Api(team)
    body = {"page": "jobs", "name": "Failed", "query": "?state=failed&cursor=x", "team": "travel"}
    own = save(Actor(caller.user, "session"))

    made = caller.post("saved-views", body)

    assert made.status_code == 201
    view = made.json()
    assert (view["query"], view["opens"], view["team"]) == ("state=failed", "/jobs/?state=failed", "travel")
    assert [v["id"] for v in caller.get("saved-views", page="jobs").json()["results"]] == [view["id"]]
    assert own.pk not in [v["id"] for v in caller.get("saved-views").json()["results"]]  # a token stands for its team
    assert caller.patch(f"saved-views/{view['id']}", {"query": "state=lost"}).json()["query"] == "state=lost"
    assert problem(caller.post("saved-views", {**body, "team": None} | {"name": "x"}), 400)
    assert (
        "name the team"
        in problem(caller.post("saved-views", {k: body[k] for k in ("page", "name", "query")}), 400)["detail"]
    )
    assert problem(caller.post("saved-views", body), 409)
    assert caller.delete(f"saved-views/{view['id']}").status_code == 204
    assert caller.get(f"saved-views/{view['id']}").status_code == 404


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_view_is_saved_above_the_filtered_list_and_renamed(team, engineer, page, live_server):
    for number in range(12):
        factories.make_model(team, name=f"card-fraud-{number:02}", task="anomaly" if number % 3 else "ranking")
    address = "/models/?sort=name&task=anomaly"
    log_in(page, engineer.user, live_server)

    page.goto("/models/")
    page.get_by_label("Task").select_option("anomaly")
    page.get_by_role("button", name="Save this view…").click()
    page.get_by_label("Name", exact=True).fill("Anomaly models")
    page.get_by_label("For").select_option("Everybody in Travel")
    page.get_by_role("button", name="Save", exact=True).click()

    page.wait_for_url(f"**{address}")
    link = page.get_by_role("link", name="Anomaly models")
    link.wait_for()
    assert link.get_attribute("aria-current") == "true"
    page.get_by_label("Task").select_option("ranking")
    page.locator(f"a[href='{address}']:not([aria-current])").wait_for()  # the list changed, so the mark goes
    link.click()
    page.wait_for_url(f"**{address}")
    check_page(page, address, live_server)
    check_page(page, "/views/", live_server)
    page.get_by_role("button", name="Rename…").click()
    page.get_by_label("Name", exact=True).fill("Odd models")
    page.get_by_role("button", name="Rename", exact=True).click()
    page.get_by_role("link", name="Odd models").wait_for()
    assert SavedView.objects.get().name == "Odd models"
