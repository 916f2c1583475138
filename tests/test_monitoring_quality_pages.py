"""The pages and the API of a model's quality, with 90 days of hours behind them."""

from dataclasses import astuple
from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone
from playwright.sync_api import expect

from monitoring.models import QualityPairs, QualityPolicy, QualityWindow, Span
from monitoring.quality.metrics import Measured, measure
from monitoring.quality.pairs import compare, probability_pairs
from monitoring.quality.sums import Kind, probabilities
from monitoring.selectors.quality import start_of
from monitoring.services import quality_policy_change, quality_watch
from registry.models import Alert, Role
from tests.api import Api, problem
from tests.browser import accessibility_faults, check_page, log_in
from tests.factories import make_actor, make_champion, make_model, make_user, make_version

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = start_of(timezone.now(), HOUR) + timedelta(minutes=20)
PATH = "/models/flight-delay/quality/"


def counted(sums):
    """Return what a window holds of sums; computed once for many windows."""
    return {
        "kind": Kind.PROBABILITY, "predictions": sums.predictions, "labelled": sums.labelled, "right": sums.right,
        "cells": sums.cells.pack(), "sums": sums.sums,
        "measured": {name: astuple(value) for name, value in measure(Kind.PROBABILITY, sums).items()},
    }  # fmt: skip


def drawn(random, n, *, lift=0.35, coverage=0.9):
    """Sums of predictions, of which the unlabelled ones are those with high scores more often."""
    labels = (random.random(n) < 0.25).astype(float)
    scores = np.clip(random.normal(0.25 + lift * labels, 0.18), 0, 0.999)
    labels[random.random(n) > coverage * (1 - 0.4 * (scores > 0.5))] = np.nan
    sums = probabilities(scores, labels, threshold=0.5)
    return type(sums)(
        sums.predictions, sums.labelled, sums.right, sums.cells,
        {**sums.sums, "delay_1": sums.labelled * 0.2, "delay_3": sums.labelled * 0.7, "delay_5": sums.labelled * 0.1},
    )  # fmt: skip


@pytest.fixture
def champion(db):
    model = make_model(name="flight-delay")
    version = make_champion(model)
    quality_policy_change(
        actor=make_actor(model.team, Role.PRODUCT), model=model, now=NOW, metric="average_precision", limit=0.6,
        maturity_s=36 * 3600, min_coverage=0.3, watched_s=5 * 86_400,
    )  # fmt: skip
    return version


def paired(random, lift):
    labels = (random.random(400) < 0.25).astype(float)
    hard = random.normal(0, 0.18, 400)
    sums = probability_pairs(
        *(np.clip(0.25 + of * labels + hard, 0, 0.999) for of in (lift, 0.36)), labels, threshold=0.5
    )  # fmt: skip
    found = {name: astuple(value) for name, value in compare(Kind.PROBABILITY, sums).items()}
    return {"labelled": sums.labelled, "cells": sums.cells.pack(), "sums": sums.sums, "measured": found}


@pytest.fixture(scope="module")
def made():
    """A few hours and days of each kind, of which the tables are made up."""
    random = np.random.default_rng(1)
    return {
        "good": [counted(drawn(random, 60)) for _ in range(4)], "bad": [counted(drawn(random, 60, lift=0.15)) for _ in range(4)],
        "good day": [counted(drawn(random, 1400)) for _ in range(5)],
        "bad day": [counted(drawn(random, 1400, lift=0.15)) for _ in range(5)],
        "young day": [counted(drawn(random, 1400, lift=0.15, coverage=0.3))],
        "slice": [counted(drawn(random, 500)) for _ in range(2)], "canary": [counted(drawn(random, 300)) for _ in range(2)],
        "pairs": [paired(random, 0.2) for _ in range(2)],
    }  # fmt: skip


@pytest.fixture
def served(champion, made):
    """Ninety days of hours and days, the last ones worse; a canary, a shadow and slices beside them."""
    challenger = make_version(champion.model)
    rows, pairs = [], []

    def add(n, kind, at, span, version=champion, arm="champion", **more):
        of = made[kind]
        rows.append(QualityWindow(version=version, arm=arm, span=span, started_at=at, **of[n % len(of)], **more))

    for day in range(-90, 1):
        at, how = start_of(NOW, DAY) + day * DAY, "good" if day < -12 else "bad"
        for n in range(24 if day else max(NOW.hour, 1)):
            add(n, how, at + n * HOUR, Span.HOUR)
        guess = astuple(Measured(0.8 + 0.01 * (day % 3), 0.76, 0.85))
        add(day, "young day" if day > -2 else f"{how} day", at, Span.DAY, estimated={"average_precision": guess})
        add(day, "slice", at, Span.DAY, data_slice="origin=JFK")
        add(day + 1, "slice", at, Span.DAY, data_slice="origin=EWR")
        if day > -20:
            add(day, "canary", at, Span.DAY, version=challenger, arm="canary")
        if day > -30:
            of = made["pairs"][day % 2]
            pairs.append(
                QualityPairs(
                    champion=champion, challenger=challenger, span=Span.DAY, started_at=at, kind=Kind.PROBABILITY, **of
                )
            )
    QualityWindow.objects.bulk_create(rows)
    QualityPairs.objects.bulk_create(pairs)
    return champion


def page_of(client, path, user, status=200):
    client.force_login(user)
    answer = client.get(path)
    assert answer.status_code == status
    return " ".join(answer.content.decode().split())


def test_the_page_reads_no_histogram_of_a_span(served, client, django_assert_max_num_queries):
    client.force_login(make_user(served.model.team, Role.VIEWER))
    client.get(PATH)
    with django_assert_max_num_queries(25):
        answer = client.get(PATH, {"days": "90"})

    page = " ".join(answer.content.decode().split())
    assert page.count('<th scope="row">') >= 90
    assert "Beyond its limit" in page
    assert "cannot see concept drift" in page or "Nothing is estimated" in page


def test_an_empty_page_says_what_to_do(champion, client):
    page = page_of(client, PATH, make_user(champion.model.team, Role.VIEWER))

    assert "Nothing was predicted in this time" in page
    assert 'href="/models/flight-delay/labels/"' in page


def test_odd_addresses_show_what_is_usual(served, client):
    reader = make_user(served.model.team, Role.VIEWER)

    page = page_of(client, f"{PATH}?metric=nonsense&days=x&version=abc", reader)
    assert '<option value="average_precision" selected>' in page
    page_of(client, f"{PATH}?version=99", reader, 404)


def test_details_weigh_challengers_slices_and_labels(served, client):
    page = page_of(
        client,
        "/models/flight-delay/quality-details-panel/?metric=average_precision&days=30",
        make_user(served.model.team, Role.VIEWER),
    )

    assert page.count("on the same predictions, as a shadow") == 1
    assert page.count("each on its own callers, as a canary") == 1
    assert "Better" in page
    assert "origin=JFK" in page
    assert "Labels are scarcer for some scores" in page
    assert page.count('labels"><rect') == 9


def test_panels_say_it_in_little_room(served, client):
    reader = make_user(served.model.team, Role.VIEWER)

    assert "Beyond its limit" in page_of(client, "/models/flight-delay/quality-panel/", reader)
    assert "average precision" in page_of(
        client, f"/models/flight-delay/versions/{served.number}/quality-panel/", reader
    )


def test_the_policy_is_changed_on_its_page(champion, client):
    client.force_login(make_user(champion.model.team, Role.ENGINEER))
    path = f"{PATH}policy/"
    form = {
        "kind": "", "output": "", "threshold": "0.4", "tolerance": "", "maturity_hours": "2", "min_coverage_percent": "60",
        "slices": "origin=JFK, LGA\ncarrier=AA", "metric": "roc_auc", "limit": "0.7", "watched_hours": "12", "reason": "",
    }  # fmt: skip

    refused = client.post(path, form)
    assert (refused.status_code, QualityPolicy.objects.count()) == (422, 1)
    assert "Say why" in refused.content.decode()
    assert client.post(path, form | {"reason": "Agreed.", "slices": "origin"}).status_code == 422
    assert client.post(path, form | {"reason": "Agreed.", "maturity_hours": "9999"}).status_code == 422

    assert client.post(path, form | {"reason": "Agreed."}).status_code == 302
    held = QualityPolicy.objects.latest("number")
    assert (held.threshold, held.maturity_s, held.min_coverage, held.watched_s) == (0.4, 7200, 0.6, 43_200)
    assert held.slices == {"carrier": ["AA"], "origin": ["JFK", "LGA"]}
    assert "maturity: 36 hours → 2 hours" in client.get(path).content.decode()

    assert client.post(path, form | {"reason": "Sooner.", "maturity_hours": "0.0833"}).status_code == 302
    assert (
        QualityPolicy.objects.latest("number").maturity_s == 300
    )  # five minutes, also once it is saved as it is shown
    shown = {
        name: client.get(path).context["form"][name].value() for name in ("maturity_hours", "min_coverage_percent")
    }
    assert shown == {"maturity_hours": 0.0833, "min_coverage_percent": 60}


def test_a_viewer_reads_the_policy_and_changes_nothing(champion, client):
    client.force_login(make_user(champion.model.team, Role.VIEWER))

    assert "Engineers, product and admins" in client.get(f"{PATH}policy/").content.decode()
    assert client.post(
        f"{PATH}policy/",
        {"threshold": "0.4", "maturity_hours": "1", "min_coverage_percent": "1", "watched_hours": "1", "reason": "x"},
    ).status_code in (403, 422)
    assert QualityPolicy.objects.count() == 1


def test_who_is_surely_beyond_the_limit_is_told(served):
    quality_watch(now=NOW)

    alert = Alert.objects.get(model=served.model, kind="quality")
    assert alert.title.startswith("Average precision of flight-delay v1 is 0.369")
    assert "below its limit of 0.6" in alert.title
    assert alert.link == f"{PATH}?metric=average_precision"
    assert "former champion" in alert.next_step


@pytest.mark.parametrize(
    ("limit", "least", "breached"),
    [(0.3, 0.3, False), (0.6, 0.99, None), (0.6, 0.3, True)],
)
def test_without_enough_labels_nobody_is_told(served, limit, least, breached):
    quality_policy_change(
        actor=make_actor(served.model.team),
        model=served.model,
        now=NOW,
        limit=limit,
        min_coverage=least,
        reason="Test.",
    )

    quality_watch(now=NOW)

    assert Alert.objects.filter(kind="quality").exists() is (breached is True)


def test_the_api_tells_points_and_estimates(served):
    api = Api(served.model.team, Role.VIEWER)

    found = api.get("models/flight-delay/quality?metric=accuracy&hours=240").json()

    assert (found["metric"], found["span_hours"], len(found["points"])) == ("accuracy", 24, 11)
    assert found["points"][0]["good"] <= found["points"][0]["total"]
    assert found["points"][-1]["provisional"]
    assert "concept drift" in found["estimated_is"]
    assert api.get("models/flight-delay/quality?hours=24").json()["span_hours"] == 1
    assert len(api.get("models/flight-delay/quality?hours=2016&slice=origin=JFK").json()["points"]) == 85
    problem(api.get("models/flight-delay/quality?metric=nonsense"), 400)
    problem(api.get("models/flight-delay/quality?hours=-1"), 400)
    problem(api.get("models/flight-delay/quality?hours=8000&span_hours=1"), 400)


def test_the_policy_by_the_api(champion):
    api = Api(champion.model.team, Role.ENGINEER)

    problem(api.put("models/flight-delay/quality-policy", {"limit": 0.7}), 400)
    changed = api.put("models/flight-delay/quality-policy", {"limit": 0.7, "reason": "Agreed."}).json()

    assert (changed["number"], changed["limit"], changed["compares"]) == (2, 0.7, "probability")
    assert api.get("models/flight-delay/quality-policy").json() == changed
    problem(Api(champion.model.team, Role.VIEWER).put("models/flight-delay/quality-policy", {"limit": 1}), 403)


def test_the_pages_in_a_browser(served, page, live_server):
    log_in(page, make_user(served.model.team), live_server)

    for path in (f"{PATH}?days=90", f"{PATH}policy/"):
        check_page(page, path, live_server)

    page.goto(f"{PATH}?days=90")
    expect(page.get_by_role("heading", name="Challengers")).to_be_visible()
    expect(page.locator(".quality-chart .band")).to_have_count(1)
    assert accessibility_faults(page) == []
