"""What stands in for labels until they are due: estimates and disagreement, marked as proxies, in no budget."""

from datetime import timedelta

import pytest
from django.utils import timezone

from monitoring import selectors, services
from monitoring.models import QualityWindow, Trial
from monitoring.trials.guards import Guard
from registry.models import Role
from tests.api import Api
from tests.factories import make_actor, make_champion, make_model, make_user, make_version
from tests.quality import AT as EIGHT
from tests.quality import HOUR, count, many
from tests.trials import AT, begin, pair, shipped

pytestmark = pytest.mark.django_db
DECISIONS = Guard("decisions", "agreement", output="probability", threshold=0.5)
CHANGE = Guard("differences", "pairs", output="probability")


@pytest.fixture
def champion():
    return make_champion(make_model(name="flight-delay"))


def create(model, **fields):
    terms = {"kind": "quality", "objective": "0.9", "metric": "accuracy", "slice_s": 3600, "maturity_s": 7200}
    return services.slo_create(actor=make_actor(model.team, Role.PRODUCT), model=model, **terms | fields)


def compared(trial, *, alike, different, failed=0):
    pairs = [(0.9, 0.8)] * alike + [(0.9, 0.1)] * different + [(0.9, None)] * failed
    shipped(*(record for n, (ours, theirs) in enumerate(pairs) for record in pair(trial, ours, theirs, after=float(n))))


def test_disagreement_of_a_shadow_stands_in_for_its_quality_until_labels_are_due(champion):
    slo = create(champion.model)
    trial = begin(champion, make_version(champion.model), [DECISIONS, CHANGE])
    compared(trial, alike=36, different=4, failed=2)

    change, decisions = sorted(selectors.disagreement_proxies(slo, now=timezone.now()), key=lambda p: -p.different)

    assert (decisions.version, decisions.beside, decisions.is_champion) == (trial.candidate, champion, False)
    assert (decisions.pairs, decisions.different, decisions.share, decisions.failed) == (40, 4, 0.1, 2)
    assert (decisions.low, decisions.high) == pytest.approx((0.03958, 0.23052), abs=1e-5)  # Wilson's, 4 of 40
    assert (decisions.bounds, change.bounds) == (True, False)
    assert (decisions.change, change.change) == (None, pytest.approx((36 * -0.1 + 4 * -0.8) / 40))
    assert selectors.slo_statuses([slo], now=timezone.now())[0].left is None  # no budget is made of it

    late = AT + timedelta(hours=4)
    assert selectors.disagreement_proxies(slo, now=late) == []  # labels are due by then


def test_few_pairs_say_nothing_and_other_decisions_bound_nothing(champion):
    slo = create(champion.model)
    trial = begin(
        champion, make_version(champion.model), [Guard("decisions", "agreement", output="probability", threshold=0.7)]
    )
    compared(trial, alike=20, different=2)

    [proxy] = selectors.disagreement_proxies(slo, now=timezone.now())

    assert (proxy.pairs, proxy.different, proxy.share, proxy.bounds) == (22, 2, None, False)


def test_champion_is_held_against_the_one_before_by_its_time_as_a_shadow(champion):
    slo = create(champion.model)
    for candidate, different in ((make_version(champion.model), 9), (make_champion(champion.model), 3)):
        compared(begin(champion, candidate, [DECISIONS]), alike=27, different=different)
        Trial.objects.update(closed_at=timezone.now())

    [proxy] = selectors.disagreement_proxies(slo, now=timezone.now() + timedelta(days=30))

    assert (proxy.version, proxy.beside, proxy.is_champion) == (candidate, champion, True)
    assert (proxy.share, proxy.different) == (0.1, 3)  # the other one did not become champion


def test_estimate_is_that_of_spans_whose_labels_are_not_due(champion):
    slo = create(champion.model)
    many(champion, [(0.9, None)] * 40)
    many(champion, [(0.9, None)] * 40, after=7200)
    count(EIGHT + 3 * HOUR)
    assert selectors.quality_proxy(slo, now=EIGHT + 3 * HOUR) == []  # nothing is estimated without a reference

    QualityWindow.objects.update(estimated={"accuracy": [0.87, 0.8, 0.9]})
    points = selectors.quality_proxy(slo, now=EIGHT + 3 * HOUR)

    assert [(p.at, p.value, p.estimated) for p in points] == [(EIGHT + 2 * HOUR, 0.87, True), (EIGHT, 0.87, True)]
    assert [p.at for p in selectors.quality_proxy(slo, now=EIGHT + 4 * HOUR)] == [EIGHT + 2 * HOUR]


def test_page_and_api_mark_proxies_as_such(champion, client):
    slo = create(champion.model)
    compared(begin(champion, make_version(champion.model), [DECISIONS]), alike=36, different=4)
    user = make_user(champion.model.team, Role.VIEWER)
    client.force_login(user)

    shown = " ".join(client.get(slo.path).content.decode().split())
    told = Api(champion.model.team).get(f"slos/{slo.pk}/proxies").json()

    assert "Proxy: v2 decided otherwise than v1 in 10% (3.96% to 23.1%) of 40 requests" in shown
    assert "So its accuracy there is within 10% of that of v1" in shown
    assert "It cannot see which of both is right" in shown
    assert told["estimates"] == []
    assert [(p["version"], p["beside"], p["share"], p["bounds"]) for p in told["disagreements"]] == [(2, 1, 0.1, True)]
    assert told["disagreement_is"].startswith("A proxy")
