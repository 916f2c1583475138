"""The pages around alerts: groups, one alert, rules, silences, channels, mail; in a browser at both widths, light and dark."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import expect

from registry import services
from registry.alerting.kinds import KINDS
from registry.models import Alert, AlertRule, AuditEvent, Channel, Role, Silence
from registry.views.runbooks import chapters
from registry.webhooks.events import actions
from tests import factories
from tests.api import Api, problem
from tests.browser import WIDE, check_page, log_in

pytestmark = pytest.mark.django_db

KINDS_SHOWN = ("drift", "burn", "quality", "data_quality", "rollout", "jobs")


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


def fill(team, *, groups=30, alerts=200):
    """Raise many alerts in few groups, as a bad day does; return the models."""
    models = [factories.make_model(team, name=f"{name}-{i}") for i in range(5) for name in ("flight-delay",)]
    for number in range(alerts):
        at = number % groups
        kind = KINDS_SHOWN[at % len(KINDS_SHOWN)]
        services.alert_raise(
            model=models[at // len(KINDS_SHOWN)], kind=kind, key=f"{kind}:{number}", severity="critical" if at % 7 == 0 else "warning",
            title=f"The input dep_delay_{number} moved by 0.{number:03} standard deviations against its reference",
            next_step="Open the report; the first feature is the likeliest cause.", link="/drift/",
        )  # fmt: skip
    return models


@pytest.fixture
def team():
    return factories.make_team()


def test_open_alerts_come_in_groups_the_worst_first_with_few_queries(team, django_assert_max_num_queries):
    fill(team)
    client = client_of(factories.make_user(team))
    with django_assert_max_num_queries(14):
        shown = client.get("/alerts/")

    groups = shown.context["groups"]
    assert (len(groups), sum(len(group.alerts) for group in groups[:25])) == (25, sum(len(g.alerts) for g in groups))
    ranks = [group.first.severity for group in groups]
    assert ranks == sorted(ranks)
    assert ranks[0] == "critical"
    more = client.get("/alerts/", {"cursor": shown.context["page"].next})
    assert len(more.context["groups"]) == 5
    assert client.get("/alerts/count/").context["count"] == 30


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"kind": "drift"}, {"drift"}), ({"q": "flight-delay-0"}, set(KINDS_SHOWN)), ({"kind": "nothing"}, set()), ({"who": "me"}, set()),
        ({"who": "silenced"}, set()), ({"severity": "critical", "kind": "drift"}, {"drift"}), ({"who": "nobody"}, set(KINDS_SHOWN)),
    ],
)  # fmt: skip
def test_filters_stand_in_the_address(team, query, expected):
    fill(team, groups=30, alerts=60)
    shown = client_of(factories.make_user(team)).get("/alerts/", query)

    assert {alert.kind for group in shown.context.get("groups", []) for alert in group.alerts} == expected


def test_person_acts_on_an_alert_on_its_page(team):
    [model, *_] = fill(team, groups=2, alerts=3)
    user = factories.make_user(team)
    client, alert = client_of(user), Alert.objects.filter(model=model, kind="drift").first()

    for act, said in (
        ("acknowledge", {"note": "Looking."}), ("comment", {"note": "The feed broke."}), ("own", {"owner": f"person:{user.username}"}),
        ("resolve", {"note": "Mended."}), ("reopen", {"note": "Not yet."}),
    ):  # fmt: skip
        assert client.post(f"/alerts/{alert.pk}/{act}/", said).status_code == 302

    page = client.get(f"/alerts/{alert.pk}/").content.decode()
    for said in (
        "took it on",
        "The feed broke.",
        "handed it on",
        "called it over",
        "opened it again",
        "Open the runbook",
    ):
        assert said in page
    assert client.post(f"/alerts/{alert.pk}/own/", {"owner": "person:nobody"}).status_code == 400


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example/", "/\\evil.example"])
def test_act_leads_back_to_no_other_site(team, back):
    fill(team, groups=1, alerts=1)
    alert = Alert.objects.get()
    answer = client_of(factories.make_user(team)).post(f"/alerts/{alert.pk}/acknowledge/", {"note": "x", "back": back})

    assert answer["Location"] == alert.path


def test_rule_is_changed_and_given_up_on_its_page(team):
    client = client_of(factories.make_user(team, Role.ADMIN))
    known = client.get("/alerts/rules/change/", {"kind": "drift"}).context["form"].initial
    said = {name: "" if value is None else value for name, value in known.items() if value is not False} | {
        "team": team.slug,
        "kind": "drift",
    }

    assert client.post("/alerts/rules/change/", said | {"breaches": 0, "reason": "x"}).status_code == 422
    assert client.post("/alerts/rules/change/", said | {"breaches": 3, "reason": "Noisy at night."}).status_code == 302
    assert AlertRule.objects.get().changes == {"breaches": 3}
    same = client.post("/alerts/rules/change/", said | {"breaches": 3, "reason": "Noisy at night."})
    assert same.content.decode().lower().count("nothing was changed") == 1
    rules = client.get("/alerts/rules/").content.decode()
    assert "Noisy at night." in rules
    assert "Open a kind to change its rule" in rules
    assert client.post("/alerts/rules/change/", said | {"reset": "1", "reason": "Quiet again."}).status_code == 302
    assert not AlertRule.objects.exists()


def test_rules_of_the_installation_are_an_admins_to_change(team):
    admin, engineer = (client_of(factories.make_user(team, role)) for role in (Role.ADMIN, Role.ENGINEER))
    asked = {"of": "installation", "kind": "gateway_stale"}
    known = admin.get("/alerts/rules/change/", asked).context["form"].initial
    said = {name: "" if value is None else value for name, value in known.items() if value is not False} | asked

    assert engineer.get("/alerts/rules/change/", asked).status_code == 403
    assert engineer.post("/alerts/rules/change/", said | {"breaches": 3, "reason": "x"}).status_code == 403
    assert admin.get("/alerts/rules/change/", {"kind": "gateway_stale"}).status_code == 404  # no team has a rule for it
    assert admin.post("/alerts/rules/change/", said | {"breaches": 3, "reason": "Slow network."}).status_code == 302

    assert AlertRule.objects.get(team=None).changes == {"breaches": 3}
    shown = engineer.get("/alerts/rules/?of=installation").content.decode()
    assert "Slow network." in shown
    assert "Gateway behind or silent" in shown
    assert "Gateway behind or silent" not in engineer.get("/alerts/rules/").content.decode()
    api = Api(team, Role.ADMIN)
    changed = api.patch(
        "alert-rules", {"kind": "drift", "installation": True, "changes": {"goods": 2}, "reason": "x"}
    ).json()
    assert (changed["rule"]["goods"], changed["changed"]) == (2, ["goods"])
    held = {row["kind"]: row for row in Api(team).get("alert-rules", installation="true").json()}
    assert (held["gateway_stale"]["rule"]["breaches"], held["gateway_stale"]["of_installation"]) == (3, True)
    problem(
        Api(team).patch("alert-rules", {"kind": "drift", "installation": True, "changes": {"goods": 3}, "reason": "x"}),
        403,
    )


def test_silence_is_made_confirmed_and_ended_on_its_page(team):
    maker, other = client_of(factories.make_user(team)), client_of(factories.make_user(team, Role.APPROVER))
    said = {"team": team.slug, "lasts": "1440", "time_zone": "Europe/Berlin", "reason": "Move."}

    assert maker.post("/alerts/silences/", said | {"cron": "x", "minutes": "5"}).status_code == 422
    assert maker.post("/alerts/silences/", said).status_code == 302
    held = Silence.objects.get()
    assert maker.post(f"/alerts/silences/{held.pk}/confirm/").status_code == 403
    assert other.post(f"/alerts/silences/{held.pk}/confirm/").status_code == 302
    assert maker.post(f"/alerts/silences/{held.pk}/end/").status_code == 302
    held.refresh_from_db()
    assert held.confirmed_by
    assert held.ended_at


def test_channel_is_made_changed_and_deleted_on_its_pages_and_shows_no_secret(team):
    client = client_of(factories.make_user(team, Role.ADMIN))
    said = {
        "team": team.pk,
        "kind": "chat",
        "name": "ops",
        "least": "warning",
        "url": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
    }

    assert client.post("/settings/channels/new/", said | {"url": "json://127.0.0.1/"}).status_code == 422
    assert client.post("/settings/channels/new/", said).status_code == 302
    made = Channel.objects.get()
    for path in (made.path, f"{made.path}edit/", "/settings/channels/", f"/api/v1/channels/{made.pk}"):
        assert b"TIiajkdnlazkcOXrIdevi7FQ" not in client.get(path).content
    assert client.post(f"{made.path}edit/", {"name": "ops 2", "least": "critical"}).status_code == 302
    made.refresh_from_db()
    assert (made.name, made.least, bool(made.sealed_url)) == ("ops 2", "critical", True)
    assert client.post(f"{made.path}delete/").status_code == 302


def test_mail_preference_is_ones_own(team):
    user = factories.make_user(team, Role.VIEWER)
    client = client_of(user)

    assert client.post("/settings/mail/", {"mail": "all", "time_zone": "UTC", "quiet_from": "22:00"}).status_code == 422
    assert client.post(
        "/settings/mail/", {"mail": "all", "time_zone": "UTC", "quiet_from": "22:00", "quiet_until": "07:00"}
    ).status_code == 302  # fmt: skip
    assert str(user.alert_preference.quiet_until) == "07:00:00"


def test_each_kind_has_a_runbook():
    assert set(chapters()) == set(KINDS)
    user = factories.make_user(factories.make_team())
    assert "burn rate" in client_of(user).get("/alerts/runbooks/", {"kind": "burn"}).content.decode()


def test_events_of_alerts_keep_their_names_and_are_documented():
    names = {"raise", "return", "escalate", "acknowledge", "own", "comment", "resolve", "reopen", "clear"}
    documented = re.findall(r"^\| `alert\.(\w+)` \|", Path("docs/alerts.md").read_text(), re.MULTILINE)

    assert {name.removeprefix("alert.") for name in actions() if name.startswith("alert.")} == names
    assert set(documented) == names


def test_alerts_rules_silences_and_channels_by_the_api(team):
    [model, *_] = fill(team, groups=1, alerts=2)
    engineer, admin = Api(team), Api(team, Role.ADMIN)
    [alert, _] = engineer.get("alerts", kind="drift", open="true", silenced="false").json()["results"]

    assert (
        engineer.post(f"alerts/{alert['id']}/acknowledge", {"note": "Mine."}).json()["events"][-1]["what"]
        == "acknowledged"
    )
    assert (
        engineer.client.put(f"/api/v1/alerts/{alert['id']}/owner", {"role": "approver"}, "application/json").json()[
            "owner_role"
        ]
        == "approver"
    )
    assert engineer.post(f"alerts/{alert['id']}/comments", {"body": "Hm."}).status_code == 200
    assert engineer.post(f"alerts/{alert['id']}/resolve", {"reason": "Over."}).json()["resolution"] == "Over."
    assert engineer.post(f"alerts/{alert['id']}/reopen", {"reason": "No."}).json()["cleared_at"] is None

    changed = admin.client.patch(
        "/api/v1/alert-rules", {"kind": "drift", "model": model.name, "changes": {"breaches": 2}, "reason": "x"}, "application/json"
    )  # fmt: skip
    assert (changed.json()["rule"]["breaches"], changed.json()["changed"]) == (2, ["breaches"])
    held = {row["kind"]: row["rule"]["breaches"] for row in engineer.get("alert-rules").json()}
    assert held["drift"] == 1

    made = engineer.post("silences", {"reason": "Move.", "ends_at": (timezone.now() + timedelta(days=1)).isoformat()})
    assert (made.status_code, made.json()["asks_for_two"]) == (201, True)
    problem(engineer.post(f"silences/{made.json()['id']}/confirm", {}), 403)
    assert admin.post(f"silences/{made.json()['id']}/confirm", {}).status_code == 200
    assert engineer.post(f"silences/{made.json()['id']}/end", {}).json()["ended_at"]

    channel = engineer.post("channels", {"kind": "mail", "name": "on call", "roles": ["engineer"]}).json()
    assert (
        engineer.post(f"channels/{channel['id']}/test", {}).json()["error"]
        == "Nobody with these roles has a mail address."
    )
    problem(engineer.post("channels", {"kind": "chat", "name": "x", "url": "json://10.0.0.1/"}), 400)
    wanted = engineer.client.put("/api/v1/me/alert-mail", {"mail": "none"}, "application/json")
    assert wanted.json()["mail"] == "none"
    assert AuditEvent.objects.filter(action="alert_preference.set").count() == 1


def test_pages_in_a_browser(page, live_server):
    """Two hundred open alerts in thirty groups, some taken on, some silenced; and the page of one."""
    team = factories.make_team("travel")
    models = fill(team)
    user, admin = factories.make_user(team), factories.make_actor(team, Role.ADMIN)
    services.alert_acknowledge(
        actor=admin,
        alert_id=Alert.objects.order_by("-id")[3].pk,
        note="The feed of weather data is late; its owner knows.",
    )
    services.silence_create(
        actor=admin, team=team, model=models[1], reason="Move of the feature store.", ends_at=timezone.now() + timedelta(days=1), kind="quality"
    )  # fmt: skip
    services.silence_create(
        actor=admin, team=team, reason="Weekly load of master data.", ends_at=timezone.now() + timedelta(days=90), cron="0 22 * * 6",
        time_zone="Europe/Berlin", minutes=120,
    )  # fmt: skip
    services.alert_rule_change(
        actor=admin, team=team, kind="drift", changes={"breaches": 3, "escalate_minutes": 240}, reason="Noisy at night."
    )
    made = services.channel_create(actor=admin, team=team, kind="mail", name="on call", roles=["engineer"])
    services.channel_test(actor=admin, channel=made)
    services.alerts_tell(now=timezone.now() + timedelta(minutes=1))
    alert = Alert.objects.filter(kind="burn").first()
    services.alert_comment(actor=admin, alert_id=alert.pk, body="Began with the deployment at 14:00.")
    log_in(page, user, live_server)
    for path in ("/alerts/", alert.path):
        check_page(page, path, live_server)
    page.set_viewport_size(WIDE)
    page.goto("/alerts/")
    page.get_by_label("Kind").select_option("drift")
    page.wait_for_url("**kind=drift**")
    page.get_by_role("button", name="Take on").first.click()
    page.get_by_label("What you do about it").locator("visible=true").fill("Looking.")
    page.get_by_role("button", name="Take it on", exact=True).locator("visible=true").click()
    expect(page.get_by_text("You took the alert on")).to_be_visible()
