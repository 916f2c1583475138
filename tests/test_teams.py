"""Teams and people: who joins and leaves, what is guarded, passwords, and what the installation's keeper does."""

from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from registry import services
from registry.access import Actor
from registry.models import AuditEvent, Membership, Role, Team
from tests import factories
from tests.api import Api, problem
from tests.browser import check_page, log_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def team():
    return factories.make_team()


@pytest.fixture
def admin(client, team):
    user = factories.make_user(team, Role.ADMIN)
    client.force_login(user)
    return user


def role_of(team, user):
    return Membership.objects.filter(team=team, user=user).values_list("role", flat=True).first()


def last_event():
    return AuditEvent.objects.order_by("-seq").values_list("action", "payload").first()


def test_admin_adds_a_member_changes_the_role_and_removes_them(client, admin, team):
    newcomer = factories.make_user(factories.make_team("elsewhere"))

    client.post(f"{team.path}members/", {"username": newcomer.username, "role": "viewer"})
    assert role_of(team, newcomer) == Role.VIEWER
    client.post(f"{team.path}members/", {"username": newcomer.username, "role": "engineer"})
    assert role_of(team, newcomer) == Role.ENGINEER
    assert last_event() == ("team.join", {"user": newcomer.username, "before": "viewer", "after": "engineer"})
    client.post(f"{team.path}members/{newcomer.username}/remove/")

    assert role_of(team, newcomer) is None
    assert last_event() == ("team.leave", {"user": newcomer.username, "before": "engineer"})
    assert role_of(Team.objects.get(slug="elsewhere"), newcomer) == Role.ENGINEER


def test_unknown_user_name_is_explained_beside_its_field(client, admin, team):
    answer = client.post(f"{team.path}members/", {"username": "nobody", "role": "viewer"})

    assert answer.status_code == 422
    assert "Nobody has this user name" in answer.content.decode()
    assert team.memberships.count() == 1


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ENGINEER, Role.PRODUCT, Role.APPROVER])
def test_other_roles_change_no_members_and_no_guards(client, team, role):
    member = factories.make_user(team)
    client.force_login(factories.make_user(team, role))

    answers = [
        client.post(f"{team.path}members/", {"username": member.username, "role": "approver"}),
        client.post(f"{team.path}members/", {"username": "nobody", "role": "approver"}),
        client.post(f"{team.path}members/{member.username}/remove/"),
        client.post(f"{team.path}guard/", {"aliases": "challenger"}),
    ]

    assert [answer.status_code for answer in answers] == [403] * 4
    assert role_of(team, member) == Role.ENGINEER
    assert "Add a member" not in client.get(team.path).content.decode()


def test_admin_neither_changes_nor_leaves_the_own_role(client, admin, team):
    changed = client.post(f"{team.path}members/", {"username": admin.username, "role": "approver"})
    left = client.post(f"{team.path}members/{admin.username}/remove/")

    assert (changed.status_code, left.status_code) == (403, 403)
    assert role_of(team, admin) == Role.ADMIN


def test_guarded_alias_moves_by_promotion_alone(client, admin, team):
    client.post(f"{team.path}guard/", {"aliases": "fallback, challenger champion"})

    team.refresh_from_db()
    assert team.guarded_aliases == ["challenger", "fallback"]
    assert team.guards("challenger")
    assert last_event() == ("team.guard", {"before": [], "after": ["challenger", "fallback"]})


def test_alias_that_is_none_is_refused_and_kept_in_the_field(client, admin, team):
    answer = client.post(f"{team.path}guard/", {"aliases": "good Bad!"})

    team.refresh_from_db()
    assert (answer.status_code, team.guarded_aliases) == (422, [])
    assert "good Bad!" in answer.content.decode()


def test_members_and_guards_by_the_api(team):
    admin, newcomer = Api(team, Role.ADMIN), factories.make_user(factories.make_team("elsewhere"))

    assert admin.put(f"teams/{team.slug}/members/{newcomer.username}", {"role": "product"}).json() == {
        "user": newcomer.username,
        "role": "product",
    }
    members = admin.get(f"teams/{team.slug}/members").json()["results"]
    assert {(m["user"], m["role"]) for m in members} == {(admin.user.username, "admin"), (newcomer.username, "product")}
    assert admin.patch(f"teams/{team.slug}", {"guarded_aliases": ["challenger"]}).json()["guarded_aliases"] == [
        "challenger"
    ]
    assert admin.delete(f"teams/{team.slug}/members/{newcomer.username}").status_code == 204
    problem(admin.put(f"teams/{team.slug}/members/nobody", {"role": "product"}), 404)
    problem(Api(team, Role.PRODUCT).put(f"teams/{team.slug}/members/nobody", {"role": "product"}), 403)


def test_password_changes_with_the_old_one_and_ends_other_sessions(client, team):
    user = factories.make_user(team)
    other = Client()
    for browser in (client, other):
        browser.force_login(user)
    new = "a long walk home"

    wrong = client.post("/settings/password/", {"old_password": "?", "new_password1": new, "new_password2": new})
    assert wrong.status_code == 422
    assert '<p class="hint">Your password must contain at least 12 characters. Your password' in wrong.content.decode()
    changed = client.post(
        "/settings/password/", {"old_password": factories.PASSWORD, "new_password1": new, "new_password2": new}
    )

    assert changed.status_code == 302
    assert client.get("/settings/").status_code == 200
    assert other.get("/settings/")["Location"].startswith("/login/")
    user.refresh_from_db()
    assert user.check_password(new)
    assert last_event() == ("person.password", {})


def run(*words):
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def test_keeper_makes_a_team_and_a_person_who_logs_in():
    assert run("team", "fraud", "--name", "Fraud") == "Fraud (fraud) is governed.\n"
    said = run("person", "ann", "--team", "fraud", "--role", "admin")

    password = said.split("First password: ")[1].split()[0]
    assert Client().login(username="ann", password=password)
    assert role_of(Team.objects.get(slug="fraud"), User.objects.get(username="ann")) == Role.ADMIN


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
def test_keeper_switches_governance_off_on_the_record(team):
    assert "not governed" in run("team", team.slug, "--ungoverned")

    team.refresh_from_db()
    assert not team.governed
    assert last_event()[1]["after"] == {"name": team.name, "governed": False}


def test_keeper_refuses_a_person_whose_tokens_then_stop(team):
    api = Api(team)

    run("person", api.user.username, "--deactivate")

    problem(api.get("me"), 401)
    run("person", api.user.username, "--activate")
    assert api.get("me").status_code == 200


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["person", "ann", "--team", "fraud"], "go together"),
        (["person", "ann", "--team", "fraud", "--role", "viewer"], "manage.py team fraud"),
        (["person", "a b"], "Enter a valid username"),
        (["team", "no slug"], "valid"),
    ],
)
def test_command_that_cannot_be_done_says_why_and_makes_nothing(words, said):
    with pytest.raises(CommandError, match=said):
        run(*words)

    assert not User.objects.exists()
    assert not Team.objects.exists()


def test_person_out_of_the_team_sees_none_of_it(team):
    member = factories.make_user(team)
    client = Client()
    client.force_login(member)
    services.team_leave(actor=Actor(factories.make_user(team, Role.ADMIN), "session"), team=team, user=member)

    assert client.get(team.path).status_code == 404


def test_team_and_password_pages_are_accessible_and_fit(page, team, live_server):
    admin = factories.make_user(team, Role.ADMIN)
    for number in range(8):
        factories.make_user(team, list(Role)[number % 5])
    log_in(page, admin, live_server)

    check_page(page, team.path, live_server)
    check_page(page, "/settings/password/", live_server)


def test_admin_adds_a_member_in_the_browser(page, team, live_server):
    newcomer = factories.make_user(factories.make_team("elsewhere"))
    log_in(page, factories.make_user(team, Role.ADMIN), live_server)
    page.goto(team.path)

    page.get_by_role("button", name="Add a member").click()
    page.get_by_label("User name").fill(newcomer.username)
    page.get_by_label("Role", exact=True).select_option("approver")
    page.get_by_role("button", name=f"Add to {team.name}").click()

    page.get_by_text(f"{newcomer.username} is approver of {team.name}.").wait_for()
    assert role_of(team, newcomer) == Role.APPROVER
