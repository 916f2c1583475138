"""Who is told of alerts, when, and how often: groups, pauses, storms, silences, escalation, quiet hours, mail and chats."""

import json
from datetime import UTC, datetime, time, timedelta

import pytest

from jobs.models import OutboxMessage
from registry import services
from registry.alerting.silences import About, Window
from registry.errors import ConflictError, FourEyesError, InvalidError, RoleError
from registry.models import Alert, AlertNotice, AlertPreference, AuditEvent, Role
from registry.selectors import waiting
from registry.selectors.alert_receivers import quiet_until
from tests import factories
from tests.mail_server import serving_mail
from tests.webhooks import receiving, send_all

pytestmark = pytest.mark.django_db
pytest_plugins = ["tests.receivers"]

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def at_once(settings):
    settings.ALERT_GROUP_SECONDS = 0
    settings.WEB_URL = "https://cp.example"


@pytest.fixture
def mails(settings):
    with serving_mail(settings) as server:
        yield server


def person(team, role=Role.ENGINEER, **preference):
    user = factories.make_user(team, role)
    user.email = f"{user.username}@bank.example"
    user.save()
    if preference:
        AlertPreference.objects.create(user=user, **preference)
    return user


def channel(team, kind="mail", name="on call", **fields):
    made = {"roles": ["engineer"]} | fields if kind == "mail" else fields
    return services.channel_create(
        actor=factories.make_actor(team, Role.ADMIN), team=team, kind=kind, name=name, **made
    )


def breach(model, key="drift:carrier", kind="drift", **fields):
    said = {"title": f"{key} drifted", "severity": "warning"} | fields
    return services.alert_raise(model=model, kind=kind, key=key, **said)


def tell(minutes=0.0):
    """Take a turn of the clock, so many minutes from now."""
    return services.alerts_tell(now=datetime.now(UTC) + timedelta(minutes=minutes))


def posted():
    return OutboxMessage.objects.filter(kind="alert").order_by("id")


def test_mail_of_a_group_says_what_since_when_how_bad_and_what_to_do(mails):
    model = factories.make_model(name="flight-delay")
    one, two = person(model.team, mail="none"), person(model.team, mail="none")
    channel(model.team)
    breach(
        model,
        "drift:a",
        severity="critical",
        title="The input a drifted",
        next_step="Open the report.",
        link="/drift/1/",
    )
    alert = breach(model, "drift:b")

    assert (tell(), send_all()) == (1, 1)

    [(recipients, mail)] = mails.came
    text = mail.get_content()
    assert sorted(recipients) == sorted([one.email, two.email])
    assert mail["To"] is None
    assert mail["Subject"] == "[critical] flight-delay: The input a drifted and 1 more"
    assert mail["Message-ID"] == f"<{posted().get().message_id}@localhost>"
    for said in (
        "Next: Open the report.", "Cause: https://cp.example/drift/1/", f"Alert: https://cp.example/alerts/{alert.pk}/",
        "Runbook: https://cp.example/alerts/runbooks/?kind=drift", "https://cp.example/models/flight-delay/#to_version",
        "Critical; flight-delay, since ",
    ):  # fmt: skip
        assert said in text
    assert not tell()


def test_mail_server_that_refuses_is_tried_again_under_the_same_id(mails):
    model = factories.make_model()
    person(model.team, mail="none")
    on_call = channel(model.team)
    breach(model)
    tell()
    mails.refuses = "451 later"
    send_all()
    on_call.refresh_from_db()
    failed = posted().get()
    assert (failed.state, failed.status, on_call.failing_since is not None) == ("waiting", None, True)

    mails.refuses = ""
    OutboxMessage.objects.update(next_attempt_at=datetime.now(UTC) - timedelta(seconds=1))
    send_all()

    on_call.refresh_from_db()
    assert (posted().get().state, on_call.failing_since) == ("sent", None)
    assert [mail["Message-ID"] for _, mail in mails.came] == [f"<{failed.message_id}@localhost>"]


def test_title_cannot_forge_a_header_or_a_line(mails):
    model = factories.make_model()
    person(model.team, mail="none")
    channel(model.team)
    breach(model, title="Harmless\r\nBcc: thief@evil.example\r\n\r\nRunbook: https://evil.example")
    tell()
    send_all()

    [(recipients, mail)] = mails.came
    assert (len(recipients), mail["Bcc"]) == (1, None)
    assert "\nRunbook: https://evil.example" not in mail.get_content()


def test_group_is_told_once_within_its_pause_and_what_is_worse_at_once():
    model = factories.make_model()
    channel(model.team)
    breach(model, "drift:a")
    assert tell() == 1
    breach(model, "drift:b")
    assert tell(1) == 0
    breach(model, "drift:c", severity="critical")
    assert tell(2) == 1
    breach(model, "drift:d", severity="critical")
    assert tell(3) == 0

    assert tell(300) == 1
    assert [m.payload["alerts"] for m in posted()] == [
        [alert.pk for alert in Alert.objects.filter(key__in=keys).order_by("id")]
        for keys in (["drift:a"], ["drift:b", "drift:c"], ["drift:d"])
    ]  # fmt: skip


def test_what_belongs_together_waits_for_the_rest(settings):
    settings.ALERT_GROUP_SECONDS = 60
    model = factories.make_model()
    channel(model.team)
    breach(model, "drift:a")
    assert tell() == 0
    breach(model, "drift:b")

    assert tell(2) == 1
    assert len(posted().get().payload["alerts"]) == 2


def test_good_news_goes_to_whom_the_bad_was_told_and_to_nobody_else():
    model = factories.make_model()
    told, late = channel(model.team), None
    breach(model)
    tell()
    late = channel(model.team, name="late")
    services.alert_clear(model=model, key="drift:carrier")
    tell(1)

    assert [(m.event, m.destination) for m in posted()] == [
        ("alert.raise", str(told.pk)),
        ("alert.clear", str(told.pk)),
    ]
    assert not late.notices.exists()


def test_what_is_over_before_it_was_told_is_told_to_nobody():
    model = factories.make_model()
    channel(model.team)
    breach(model)
    services.alert_clear(model=model, key="drift:carrier")

    assert tell() == 0
    assert not AlertNotice.objects.filter(posted_at__isnull=False).exists()


def test_alert_that_flaps_is_not_told_each_time():
    model = factories.make_model()
    channel(model.team)
    told = 0
    for minute in range(8):
        breach(model)
        told += tell(minute + 0.1)
        services.alert_clear(model=model, key="drift:carrier")
        told += tell(minute + 0.2)

    assert (Alert.objects.get().returned, told) == (7, 3)  # raised, over, over once more; then only the page says so


def test_storm_is_a_digest(settings):
    settings.ALERT_STORM_MESSAGES = 3
    team = factories.make_team()
    channel(team)
    models = [factories.make_model(team) for _ in range(8)]
    for model in models[:3]:
        breach(model)
    assert tell() == 3
    for model in models[3:7]:
        breach(model, severity="critical" if model == models[6] else "warning")
    assert tell(1) == 1
    breach(models[7])
    assert tell(2) == 0

    assert tell(13) == 1
    digest = posted()[3]
    assert (digest.event, len(digest.payload["alerts"])) == ("alert.digest", 4)
    assert digest.payload["subject"].startswith("[critical] 4 alerts in a short time")
    assert posted()[4].event == "alert.raise"


def test_channel_is_told_what_it_asks_for():
    team = factories.make_team()
    model = factories.make_model(team)
    asked = {
        "all": channel(team, name="all"), "critical": channel(team, name="critical", least="critical"),
        "burn": channel(team, name="burn", kinds=["burn"]), "second": channel(team, name="second", escalations=True),
        "other": channel(factories.make_team(), name="other"),
    }  # fmt: skip
    breach(model)
    breach(model, "slo:1", kind="burn", severity="critical")
    tell()

    told = {name: sorted(c.notices.values_list("alert__kind", flat=True)) for name, c in asked.items()}
    assert told == {"all": ["burn", "drift"], "critical": ["burn"], "burn": ["burn"], "second": [], "other": []}


def test_what_nobody_takes_on_escalates_once_and_goes_to_the_second_channel():
    model = factories.make_model()
    first, second = channel(model.team), channel(model.team, name="second", escalations=True)
    taken, left = breach(model, "slo:1", kind="burn"), breach(model, "slo:2", kind="burn")
    services.alert_acknowledge(actor=factories.make_actor(model.team), alert_id=taken.pk, note="Mine.")
    tell()
    assert second.notices.count() == 0

    tell(61)
    tell(62)
    services.alert_raise(model=model, kind="burn", key="slo:2", title="Still burns", severity="warning")

    left.refresh_from_db()
    assert (left.severity, left.escalated_at is not None) == ("critical", True)
    assert list(second.notices.values_list("alert", "what")) == [(left.pk, "escalated")]
    assert list(first.notices.filter(what="escalated").values_list("alert", flat=True)) == [left.pk]
    assert AuditEvent.objects.filter(action="alert.escalate").count() == 1


def test_alert_of_the_installation_goes_to_channels_that_ask_and_to_admins():
    team = factories.make_team()
    keeps, other = channel(team, name="platform", installation=True), channel(team)
    admin, engineer = person(team, Role.ADMIN), person(team)
    services.alert_raise(kind="audit_chain", key="audit", title="The chain is broken", severity="critical")
    tell()

    assert (keeps.notices.count(), other.notices.count()) == (1, 0)
    assert list(AlertNotice.objects.filter(person__isnull=False).values_list("person", flat=True)) == [admin.pk]
    with pytest.raises(RoleError):
        services.channel_create(
            actor=factories.make_actor(team), team=team, kind="mail", name="mine", roles=["engineer"], installation=True
        )  # fmt: skip
    assert engineer.email


@pytest.mark.parametrize(
    ("wants", "severity", "owns", "told"),
    [
        ("none", "critical", False, 0), ("critical", "warning", False, 0), ("critical", "critical", False, 1), ("all", "warning", False, 1),
        ("critical", "warning", True, 1), ("none", "warning", True, 0),
    ],
)  # fmt: skip
def test_person_gets_the_mail_that_they_want(wants, severity, owns, told):
    model = factories.make_model()
    user = person(model.team, mail=wants)
    alert = breach(model, severity=severity)
    if owns:
        Alert.objects.filter(pk=alert.pk).update(owner=user)
    tell()

    assert posted().filter(destination=f"person:{user.pk}").count() == told


@pytest.mark.parametrize(
    ("clock", "zone", "expected"),
    [
        (time(23), "UTC", datetime(2026, 11, 27, 7, tzinfo=UTC)), (time(3), "UTC", datetime(2026, 11, 26, 7, tzinfo=UTC)),
        (time(12), "UTC", None), (time(7), "UTC", None), (time(14), "Asia/Tokyo", datetime(2026, 11, 26, 22, tzinfo=UTC)),
        (time(22), "Asia/Tokyo", None),
    ],
)  # fmt: skip
def test_quiet_hours_go_by_the_clock_of_the_person(clock, zone, expected):
    held = AlertPreference(quiet_from=time(22), quiet_until=time(7), time_zone=zone)

    assert quiet_until(held, datetime.combine(NOON.date(), clock, UTC)) == expected


def test_mail_waits_for_the_end_of_quiet_hours_but_for_critical_alerts():
    model = factories.make_model()
    around = datetime.now(UTC)
    person(
        model.team, mail="all", quiet_from=(around - timedelta(hours=1)).time(), quiet_until=(around + timedelta(hours=1)).time()
    )  # fmt: skip
    breach(model)
    assert tell() == 0
    breach(factories.make_model(model.team), severity="critical")
    assert tell() == 1

    assert tell(61) == 1


@pytest.mark.parametrize(
    ("fields", "at", "held"),
    [
        ({}, NOON, True), ({}, NOON + timedelta(hours=9), False), ({"severity": "critical"}, NOON, False), ({"kind": "burn"}, NOON, False),
        ({"kind": "drift", "model": 7}, NOON, True), ({"model": 8}, NOON, False), ({"team": 2}, NOON, False),
        ({"cron": "0 13 * * *", "zone": "Europe/Berlin", "minutes": 30}, NOON + timedelta(minutes=29), True),
        ({"cron": "0 13 * * *", "zone": "Europe/Berlin", "minutes": 30}, NOON + timedelta(minutes=30), False),
        ({"cron": "0 13 * * *", "zone": "Europe/Berlin", "minutes": 30}, NOON - timedelta(seconds=1), False),
    ],
)  # fmt: skip
def test_silence_holds_what_it_matches_while_it_is_on(fields, at, held):
    said = {
        "team": 1,
        "model": 0,
        "kind": "",
        "severity": "",
        "starts_at": NOON - timedelta(hours=1),
        "ends_at": NOON + timedelta(hours=8),
    }

    assert Window(**said | fields).holds(About(1, 7, "drift", "warning"), at) is held


@pytest.mark.parametrize(
    ("fields", "hours", "held"),
    [({}, 3.9, True), ({}, 4, False), ({"confirmed": True}, 4, True), ({"cron": "* * * * *", "minutes": 5}, 1, False)],
)
def test_critical_alerts_are_silent_for_four_hours_unless_a_second_person_agreed(fields, hours, held):
    window = Window(team=1, model=0, kind="", severity="", starts_at=NOON, ends_at=NOON + timedelta(days=2), **fields)

    assert window.asks_for_two
    assert window.holds(About(1, 7, "drift", "critical"), NOON + timedelta(hours=hours)) is held


def silence(team, **fields):
    said = {"reason": "Maintenance.", "ends_at": datetime.now(UTC) + timedelta(days=1)} | fields
    return services.silence_create(actor=factories.make_actor(team), team=team, **said)


def test_what_is_silenced_is_recorded_and_told_once_the_silence_is_over():
    model = factories.make_model()
    channel(model.team)
    held = silence(model.team, kind="drift", ends_at=datetime.now(UTC) + timedelta(hours=2))
    alert = breach(model)
    assert tell() == 0

    alert.refresh_from_db()
    engineer = factories.make_actor(model.team)
    assert (alert.silence, alert.cleared_at) == (held, None)
    assert not [item for item in waiting(engineer) if item.verb == "Alert"]
    services.silence_end(actor=engineer, silence=held)
    assert tell(1) == 1
    assert [item.title for item in waiting(engineer) if item.verb == "Alert"] == [alert.title]
    with pytest.raises(ConflictError):
        services.silence_end(actor=engineer, silence=held)


def test_silence_of_critical_alerts_is_confirmed_by_another_person():
    model = factories.make_model()
    maker, other = factories.make_actor(model.team), factories.make_actor(model.team)
    held = services.silence_create(
        actor=maker, team=model.team, reason="Move of the data centre.", ends_at=datetime.now(UTC) + timedelta(days=2)
    )  # fmt: skip
    alert = breach(model, severity="critical")
    tell(5 * 60)
    alert.refresh_from_db()
    assert alert.silence is None

    with pytest.raises(FourEyesError):
        services.silence_confirm(actor=maker, silence=held)
    services.silence_confirm(actor=other, silence=held)
    tell(5 * 60)

    alert.refresh_from_db()
    assert alert.silence == held


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"reason": " "}, "reason"), ({"kind": "nothing"}, "kind"), ({"severity": "bad"}, "severity"), ({"cron": "x", "minutes": 5}, "cron"),
        ({"cron": "0 1 * * *"}, "minutes"), ({"minutes": 5}, "minutes"), ({"time_zone": "Mars"}, "time_zone"),
        ({"ends_at": NOON - timedelta(days=900)}, "ends_at"), ({"ends_at": datetime.now(UTC) + timedelta(days=31)}, "ends_at"),
    ],
)  # fmt: skip
def test_silence_that_is_not_acceptable_names_its_field(fields, field):
    with pytest.raises(InvalidError) as refused:
        silence(factories.make_team(), **fields)

    assert refused.value.field == field


@pytest.mark.parametrize(
    "url",
    [
        "json://127.0.0.1/in", "jsons://169.254.169.254/in", "jsons://[::ffff:100.64.0.1]/in", "jsons://127.1/in", "json://hooks.example.com/in",
        "file:///etc/passwd", "mailto://x:y@gmail.com", "slack://", "jsons://hooks.example.com/?verify=no", "workflows://h.example/a/b?template=/etc/passwd",
        "https://hooks.example.com/", "", "jsons://hooks.example.com/ x",
    ],
)  # fmt: skip
def test_address_of_a_chat_that_leads_elsewhere_is_refused(url):
    team = factories.make_team()

    with pytest.raises(InvalidError) as refused:
        channel(team, "chat", url=url)

    assert refused.value.field == "url"
    assert not team.channels.exists()


def test_address_of_a_chat_is_sealed_and_in_no_answer_or_trail():
    team = factories.make_team()
    made = channel(team, "chat", url="slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ml")

    said = json.dumps(list(AuditEvent.objects.values_list("payload", flat=True))) + made.sealed_url + made.place
    assert made.place == "Slack"
    assert "TIiajkdnlazkcOXrIdevi7FQ" not in said


@pytest.mark.django_db(transaction=True)
def test_chat_is_told_by_a_child_and_a_redirect_is_not_followed(receiver):
    team = factories.make_team()
    model = factories.make_model(team, name="flight-delay")
    made = channel(team, "chat", url=receiver.url.replace("http://", "json://user:hush@"))
    breach(model, severity="critical", next_step="Open the report.")
    tell()
    send_all()

    [(path, _, body)] = receiver.came
    told = json.loads(body)
    assert (path, told["type"], told["title"]) == (
        "/hooks",
        "failure",
        "[critical] flight-delay: drift:carrier drifted",
    )
    assert "Next: Open the report." in told["message"]
    assert posted().get().status == 204

    receiver.status, receiver.headers = 302, {"Location": f"{receiver.url}/elsewhere"}
    sent = services.channel_test(actor=factories.make_actor(team), channel=made)

    assert (sent.state, sent.error) == ("dead", "It answered 302.")
    assert [p for p, *_ in receiver.came] == ["/hooks", "/hooks"]


@pytest.mark.django_db(transaction=True)
def test_chat_whose_name_leads_inside_by_now_is_refused_at_the_socket(settings):
    team = factories.make_team()
    with receiving() as inside:
        settings.WEBHOOK_ALLOWED_HOSTS = ["localhost"]
        made = channel(team, "chat", url=inside.url.replace("http://127.0.0.1", "json://localhost"))
        settings.WEBHOOK_ALLOWED_HOSTS = []
        sent = services.channel_test(actor=factories.make_actor(team), channel=made)

    assert (sent.state, sent.error) == ("dead", "The name leads to an address that is not public.")
    assert inside.came == []


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"roles": []}, "roles"), ({"roles": ["king"]}, "roles"), ({"addresses": ["x"]}, "addresses"), ({"addresses": ["ml@evil.example"]}, "addresses"),
        ({"kinds": ["nothing"]}, "kinds"), ({"name": "<svg>"}, "name"), ({"url": "slack://a/b/c"}, "url"), ({"colour": 1}, "colour"),
    ],
)  # fmt: skip
def test_channel_that_is_not_acceptable_names_its_field(fields, field):
    with pytest.raises(InvalidError) as refused:
        channel(factories.make_team(), **fields)

    assert refused.value.field == field


def test_mailing_list_of_a_vouched_domain_is_told(mails, settings):
    settings.ALERT_MAIL_DOMAINS = ["bank.example"]
    model = factories.make_model()
    channel(model.team, roles=[], addresses=["ml-alerts@bank.example"])
    breach(model)
    tell()
    send_all()

    [(recipients, mail)] = mails.came
    assert (recipients, mail["To"]) == (["ml-alerts@bank.example"], "ml-alerts@bank.example")


def test_who_left_the_team_before_it_was_sent_is_told_nothing(mails):
    model = factories.make_model()
    gone, stays = person(model.team, mail="none"), person(model.team, mail="none")
    channel(model.team)
    breach(model)
    tell()
    gone.memberships.all().delete()
    send_all()

    [(recipients, _)] = mails.came
    assert recipients == [stays.email]
