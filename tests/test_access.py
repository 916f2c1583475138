"""Who may reach what, generated from the URL resolver: a new address is covered, or named by a failing test."""

import re
from collections import namedtuple
from datetime import timedelta
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.test import Client
from django.urls import get_resolver
from django.utils import timezone

from experiments.models import (
    ContractCheck,
    DataContract,
    Dataset,
    DatasetSource,
    DatasetUpload,
    DatasetVersion,
    Search,
)
from jobs.models import Job
from monitoring.drift.packing import pack
from monitoring.models import DriftReport, DriftWindow
from monitoring.services import slo_create
from registry import services
from registry.models import PROMPT_TAG, AuditEvent, Membership, Role
from rollouts.links import link_for
from tests import factories, rollouts
from tests.api import Api, problem
from tests.retraining import make_retraining, make_standing
from tests.webhooks import make_webhook, sent_to

pytestmark = pytest.mark.django_db

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
WRITES = METHODS[1:]
OPEN_TO_ALL = {"login", "health"}  # static files are served before any address is looked up
OF_GATEWAYS = {"api_gateways_published", "api_gateways_states"}  # with tokens of their own: to them a person is nobody
OURS = ("controlplane", "rollouts", "monitoring", "experiments", "registry", "jobs")

SECRET = "somebody-elses"  # the name of everything that another team owns

Address = namedtuple("Address", "name route converters")


def addresses(patterns=None, before=""):
    """Yield every address that the product answers on."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = before + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from addresses(pattern.url_patterns, route)
        else:
            yield Address(pattern.name, route, pattern.pattern.converters)


def path_of(address, values):
    """Return the address with its arguments filled in by ``values(segment before the argument, its name)``."""
    path, before = "", ""
    for part in re.split(r"(<[^>]+>)", address.route):
        if part.startswith("<"):
            part = str(values(before, part[1:-1].rpartition(":")[2]))
        else:
            before = part.strip("/").rpartition("/")[2] or before
        path += part
    return f"/{path}"


ANY = {"int": 1, "str": "x", "slug": "x", "path": "x", "uuid": "00000000-0000-0000-0000-000000000000"}


def any_value(address):
    """Fill arguments by the type of their converter alone."""
    kinds = {
        name: next(kind for kind, value in ANY.items() if re.fullmatch(converter.regex, str(value)))
        for name, converter in address.converters.items()
    }
    return lambda before, name: ANY[kinds[name]]


def rows():
    """Count the rows of every table of ours, so that a test can say that nothing changed."""
    models = [model for app in OURS for model in apps.get_app_config(app).get_models(include_auto_created=True)]
    return {model._meta.label: model._default_manager.count() for model in models}


def call(client, method, path):
    if path.startswith("/api/"):
        return client.generic(method, path, b"{}", "application/json")
    return client.generic(method, path, b"to_version=1", "application/x-www-form-urlencoded")


def status_of(answer, path):
    """Return the status; to open what takes forms alone leads to the page above it, and is as good as 405."""
    above = answer.status_code == 302 and path.startswith(answer["Location"])
    return 405 if above else answer.status_code


def test_every_address_refuses_an_anonymous_caller():  # T11
    wrong, before, anonymous = [], rows(), Client()
    for address in addresses():
        if address.name in OPEN_TO_ALL:
            continue
        path = path_of(address, any_value(address))
        for method in METHODS:
            answer = call(anonymous, method, path)
            to_log_in = answer.status_code == 302 and answer["Location"].startswith("/login/")
            if answer.status_code != 401 and not (to_log_in and not path.startswith("/api/v1/")):
                wrong.append(f"{method} {path} ({address.name}) answered {answer.status_code}")

    assert wrong == []
    assert rows() == before


def test_addresses_that_are_open_to_all_exist():
    assert {address.name for address in addresses()} >= OPEN_TO_ALL


@pytest.fixture
def foreign(team):
    """What another team owns."""
    return one_of_everything(factories.make_team())


def one_of_everything(other):
    """Make one of everything that a team may own; return it by the segment of the address before it and the argument's name."""
    actor = factories.make_actor(other, Role.ENGINEER)
    champion = factories.make_champion(factories.make_model(other, name=SECRET, risk_tier=3))
    services.reference_record(version=champion, source="training", rows=0, columns={})
    factories.make_champion(champion.model)
    draft = factories.make_criteria(champion.model, agreed=False)
    rolled_back = services.rollback(actor=actor, model=champion.model, to_version=champion, reason="Errors rose.")
    promotion = factories.make_promotion(champion.model, auc=0.6)
    waiver = services.waiver_ask(
        actor=actor, promotion_id=promotion.pk, criterion=1, reason="Few flights.", document="Minutes.",
        expires_at=timezone.now() + timedelta(days=1),
    )  # fmt: skip
    alert = services.alert_raise(model=champion.model, kind="drift", title="Inputs drifted", key="drift")
    silence = services.silence_create(
        actor=actor, team=other, reason="Maintenance.", ends_at=timezone.now() + timedelta(hours=1)
    )  # fmt: skip
    channel = services.channel_create(actor=actor, team=other, kind="mail", name=SECRET, roles=["viewer"])
    old = factories.make_version(champion.model)
    retirement = services.retirement_request(actor=actor, model=champion.model, version=old, reason="Replaced.")
    slo = slo_create(actor=actor, model=champion.model, kind="availability", objective="0.99", window_days=30)
    job = Job.objects.create(kind="train", queue="training", scope=other.slug, title="Train", subject=champion.path)
    dataset = Dataset.objects.create(team=other, name=SECRET, created_by=actor.user)
    data = DatasetVersion.objects.create(
        dataset=dataset, number=1, digest=f"sha256:{1:064x}", file="x.parquet", rows=1, columns=[], starts_at=timezone.now(),
        ends_at=timezone.now(), splits={}, profile={}, checks=[], created_by=actor.user,
    )  # fmt: skip
    contract = DataContract.objects.create(
        dataset=dataset, number=1, document={"rules": []}, reason="First.", made_by=actor.user
    )
    upload = DatasetUpload.objects.create(
        dataset=dataset, name=SECRET, format="csv", size=1, digest=data.digest, file="x", found={"columns": [], "dialect": None},
        created_by=actor.user,
    )  # fmt: skip
    source = DatasetSource.objects.create(
        dataset=dataset, kind="files", config={"on": "local", "place": SECRET, "format": "csv"}, columns=[], created_by=actor.user,
        split={"kind": "random", "column": "id", "shares": {"train": 1.0}},
    )  # fmt: skip
    check = ContractCheck.objects.create(
        dataset=dataset, version=data, contract=contract, occasion="asked", digest=data.digest, rows=1, broken=0, noted=0,
        held=0, results=[],
    )  # fmt: skip
    report = DriftReport.objects.create(
        version=champion, reference=data, reference_rows=1, current_rows=1, since=timezone.now(), until=timezone.now(),
        features=[], verdict="None.", compared=1, drifted=0, html="x.html", job=job,
    )  # fmt: skip
    window = DriftWindow.objects.create(
        version=champion, arm="champion", span=3600, slot_at=timezone.now(), since=timezone.now() - timedelta(hours=1),
        until=timezone.now(), rows=1, state="thin", verdict="Too few.", compared=0, drifted=0, broken=0, findings=pack([]),
        judged_at=timezone.now(),
    )  # fmt: skip
    settings.REPORT_ROOT.mkdir()
    (settings.REPORT_ROOT / report.html).write_text("<p>Drift</p>")
    search = Search.objects.create(
        model=champion.model, dataset_version=data, pipeline="lightgbm", space={}, metric="average_precision", direction="maximize",
        size=1, parallel=1, opening=job, created_by=actor.user,
    )  # fmt: skip
    standing = make_standing(champion.model)
    retraining = make_retraining(champion.model, actor=actor)
    prompt = factories.make_model(other, name=f"{SECRET}-prompt", tags={PROMPT_TAG: "true"})
    put_away = factories.make_model(other, name=f"{SECRET}-once")
    services.model_archive(actor=actor, model=put_away)
    put_away_version = factories.make_version(champion.model)
    services.version_archive(actor=actor, version=put_away_version)
    rollout = rollouts.make_rollout(
        rollouts.make_planned(other, name=f"{SECRET}-rolled"), at=timezone.now(), loaded=False
    )
    webhook, _ = make_webhook(other, name=SECRET, events=["model.create"])
    factories.make_model(other)  # told to the webhook
    view = services.saved_view_create(actor=actor, team=other, page="models", name=SECRET, query="tier=1")
    token, _ = factories.make_token(other, Role.VIEWER)
    return {
        ("models", "name"): champion.model.name,
        ("versions", "number"): champion.number,
        ("aliases", "alias"): "champion",
        ("promotions", "pk"): promotion.pk,
        ("rollouts", "pk"): rollout.pk,
        ("rollouts", "act"): "pause",
        ("link", "token"): link_for(rollout, "continue").rstrip("/").rpartition("/")[2],
        ("review", "number"): 1,
        ("criteria", "pk"): draft.pk,
        ("rollbacks", "pk"): rolled_back.pk,
        ("waivers", "pk"): waiver.pk,
        ("alerts", "pk"): alert.pk,
        ("alerts", "act"): "acknowledge",
        ("silences", "pk"): silence.pk,
        ("channels", "pk"): channel.pk,
        ("messages", "message"): services.channel_test(actor=actor, channel=channel).pk,
        ("retirements", "pk"): retirement.pk,
        ("tokens", "pk"): token.pk,
        ("webhooks", "pk"): webhook.pk,
        ("prompts", "name"): prompt.name,
        ("models", "pk"): put_away.pk,
        ("routing", "table"): 1,
        ("versions", "pk"): put_away_version.pk,
        ("deliveries", "delivery"): sent_to(webhook).get().pk,
        ("teams", "slug"): other.slug,
        ("members", "username"): actor.user.username,
        ("views", "pk"): view.pk,
        ("saved-views", "pk"): view.pk,
        ("jobs", "pk"): job.pk,
        ("datasets", "name"): dataset.name,
        ("contracts", "number"): contract.number,
        ("checks", "pk"): check.pk,
        ("uploads", "pk"): upload.pk,
        ("sources", "pk"): source.pk,
        ("slos", "pk"): slo.pk,
        ("searches", "pk"): search.pk,
        ("retraining", "pk"): retraining.pk,
        ("standing", "pk"): standing.pk,
        ("standing-approvals", "pk"): standing.pk,
        ("retrainings", "pk"): retraining.pk,
        ("drift-windows", "pk"): window.pk,
        ("drift", "pk"): report.pk,
        ("drift-reports", "pk"): report.pk,
        "team": other,
        "reader": token.user,
    }


@pytest.fixture
def team():
    return factories.make_team()


def callers(team, other):
    """Return people who have nothing to do with the other team, or whose token has not."""
    outsider = factories.make_user(team, Role.ADMIN)
    session = Client()
    session.force_login(outsider)
    both = Api(team, Role.APPROVER)
    Membership.objects.create(team=other, user=both.user, role=Role.APPROVER)
    return {"a session": (session, ""), "a token of the own team": (both.client, "/api/")}


def test_every_object_of_another_team_is_404_for_every_verb(team, foreign):  # T12
    wrong = []
    people = callers(team, foreign["team"])
    before = rows()
    for address in addresses():
        if not address.converters:
            continue
        try:
            path = path_of(address, lambda segment, name: foreign[segment, name])
        except KeyError as unknown:
            pytest.fail(f"{address.route} ({address.name}): add {unknown} to `foreign`, as an object of another team")
        for who, (client, prefix) in people.items():
            if path.startswith(prefix or "/"):
                found = {method: status_of(call(client, method, path), path) for method in METHODS}
                if set(found.values()) - {404, 405} or 404 not in found.values():
                    wrong.append(f"{path} ({address.name}) by {who} answered {found}")

    assert wrong == []
    assert rows() == before


def test_the_same_addresses_answer_to_the_team_itself(foreign):
    """Shows that the 404 above is for the team and not for a wrong address."""
    reader = Client()
    reader.force_login(foreign["reader"])
    paths = [
        path_of(address, lambda segment, name: foreign[segment, name]) for address in addresses() if address.converters
    ]

    assert [path for path in paths if reader.get(path).status_code == 404] == []


def test_no_page_and_no_list_names_what_another_team_owns(team, foreign):
    people = callers(team, foreign["team"])
    for address in addresses():
        if not address.converters and address.name != "logout":
            for who, (client, prefix) in people.items():
                path = f"/{address.route}"
                if path.startswith(prefix or "/"):
                    answer = client.get(path, {"q": SECRET[:-1]} if address.name == "search" else {})
                    assert SECRET.encode() not in answer.getvalue(), f"{path} ({address.name}) by {who}"


def test_object_of_another_team_named_in_a_body_is_404(team, foreign):
    engineer = Api(team)
    body = {"model": SECRET, "version": foreign["versions", "number"]}

    problem(engineer.post("promotions", body), 404)


def test_viewer_writes_nothing_by_the_api(foreign):
    viewers = {
        "token": Api(foreign["team"], Role.VIEWER).client,
        "session": Client(),
    }
    viewers["session"].force_login(factories.make_user(foreign["team"], Role.VIEWER))
    wrong, before = [], rows()
    for address in addresses():
        if not address.route.startswith("api/v1/"):
            continue
        path = path_of(address, lambda segment, name: foreign[segment, name])
        for who, client in viewers.items():
            for method in WRITES:
                status = call(client, method, path).status_code
                if status not in ((401,) if address.name in OF_GATEWAYS else (403, 404)):
                    wrong.append(f"{method} {path} ({address.name}) by a viewer's {who} answered {status}")

    assert wrong == []
    assert rows() == before


def test_viewer_writes_nothing_by_the_pages(foreign):
    viewer = Client()
    user = factories.make_user(foreign["team"], Role.VIEWER)
    viewer.force_login(user)
    events = AuditEvent.objects.exclude(action__startswith="token.").count()
    wrong = []
    for address in addresses():
        if address.converters and not address.route.startswith("api/"):
            path = path_of(address, lambda segment, name: foreign[segment, name])
            status = viewer.post(path, {"reason": "x", "action": "comment", "note": "x", "confirm": "x"}).status_code
            if status not in (400, 403, 404, 405, 409, 422):
                wrong.append(f"POST {path} ({address.name}) by a viewer answered {status}")

    assert wrong == []
    assert AuditEvent.objects.exclude(action__startswith="token.").count() == events


def test_revoked_token_is_401_at_once(team):  # T17
    api = Api(team)
    assert api.get("me").status_code == 200

    services.token_revoke(actor=None, token_id=api.token.pk, process="test")

    problem(api.get("me"), 401)


@pytest.mark.parametrize("header", ["Bearer nothing", "Bearer", "Bearer a b", "Basic dXNlcjpwYXNz", "Bearer \xff"])
def test_wrong_credentials_are_401_and_say_which_are_asked_for(client, header):
    answer = client.get("/api/v1/me", headers={"Authorization": header})

    problem(answer, 401)
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_expired_token_and_token_of_who_left_are_401(team):
    expired, left, inactive = Api(team), Api(team), Api(team)
    type(expired.token).objects.filter(pk=expired.token.pk).update(expires_at=timezone.now())
    left.user.memberships.all().delete()
    inactive.user.is_active = False
    inactive.user.save()

    for api in (expired, left, inactive):
        problem(api.get("me"), 401)


@pytest.mark.parametrize("part", ["requester", "author", "drafter", "helper"])
def test_contributor_cannot_approve_by_token(team, part):  # T28
    promotion = factories.make_promotion(factories.make_model(team))
    promotion.version.contributors.add(helper := factories.make_user(team))
    person = {
        "requester": promotion.requested_by, "author": promotion.version.created_by,
        "drafter": promotion.criteria_set.drafted_by, "helper": helper,
    }[part]  # fmt: skip
    person.memberships.update(role=Role.APPROVER)
    _, secret = services.token_create(actor=None, user=person, team=team, name="t", scopes=["decide"], process="test")
    client = Client(headers={"Authorization": f"Bearer {secret}"})

    for body in ({"reason": "Mine.", "seen": factories.seen(promotion)}, {"reason": "Mine."}):
        answer = client.post(f"/api/v1/promotions/{promotion.pk}/approve", body, "application/json")
        assert problem(answer, 403)["type"] == "urn:problem:four-eyes"

    promotion.refresh_from_db()
    assert promotion.state == "requested"
    assert not promotion.approvals.exists()


def test_approval_of_what_changed_since_is_409(team):  # T29
    promotion = factories.make_promotion(factories.make_model(team))
    approver = Api(team, Role.APPROVER)
    shown = approver.get(f"promotions/{promotion.pk}")
    services.evidence_record(version=promotion.version, metric="roc_auc", value=0.75, data_digest="sha256:other")

    for headers, seen in (({}, {"seen": shown.json()["binding"]}), ({"If_Match": shown["ETag"]}, {})):
        answer = approver.post(f"promotions/{promotion.pk}/approve", {"reason": "Checked."} | seen, **headers)
        assert problem(answer, 409)["type"] == "urn:problem:stale-binding"

    assert not promotion.approvals.exists()


@pytest.mark.parametrize("reason", [{}, {"reason": ""}, {"reason": "  "}])
def test_decision_without_a_reason_is_400(team, reason):  # T31
    promotion = factories.make_promotion(factories.make_model(team))
    approver = Api(team, Role.APPROVER)

    for verb, body in (("approve", {"seen": factories.seen(promotion)}), ("reject", {})):
        document = problem(approver.post(f"promotions/{promotion.pk}/{verb}", body | reason), 400)
        assert document["errors"][0]["pointer"] == "/reason"

    assert not promotion.approvals.exists()


def test_failing_criterion_is_409_and_names_who_can_clear_it(team):
    promotion = factories.make_promotion(factories.make_model(team), auc=0.6)
    approver = Api(team, Role.APPROVER)

    answer = approver.post(f"promotions/{promotion.pk}/approve", {"reason": "!", "seen": factories.seen(promotion)})

    document = problem(answer, 409)
    assert document["type"] == "urn:problem:criteria"
    assert "engineer" in document["unmet"][0]["who"]


def test_every_test_that_the_security_page_names_exists():
    root = Path(__file__).parent.parent
    named = re.findall(r"`(tests/\w+\.py)::(\w+)`", (root / "docs/security.md").read_text())

    assert len(named) > 30
    assert [f"{file}::{test}" for file, test in named if f"def {test}(" not in (root / file).read_text()] == []
