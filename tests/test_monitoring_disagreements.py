"""What the requests have in common on which champion and candidate differ most."""

import random
from datetime import timedelta

import pytest

from monitoring.drift.common import CommonFeature, common_features
from monitoring.drift.features import cells_of, features_of
from monitoring.models import TrialDisagreement
from monitoring.selectors import disagreements, features_in_common
from monitoring.trials.guards import Guard
from monitoring.trials.tidying import purge_trials
from registry.histograms import profile_of
from registry.models import ReferenceProfile
from tests.factories import make_model, make_version
from tests.trials import AT, begin, champion, pair, shipped

INPUTS = [{"name": "distance", "type": "double"}, {"name": "carrier", "type": "string"}]
COLUMNS = profile_of(
    {"distance": [float(n) for n in range(1, 1001)], "carrier": ["AA", "BB", "CC", "DD"] * 250}, INPUTS
)
FEATURES = features_of(COLUMNS)
CHANGE = Guard("differences", "pairs", output="probability")
USUAL = [{"distance": float(n), "carrier": ("AA", "BB", "CC", "DD")[n % 4]} for n in range(1, 1001)]


def told(some):
    sides = (dict(cells_of(FEATURES, rows).by_feature(FEATURES)) for rows in (some, USUAL))
    few, every = sides
    return common_features((feature, few[feature], every[feature]) for feature in FEATURES)


def test_what_sets_requests_apart_is_told_with_its_usual_share():
    far = [row for row in USUAL if row["distance"] > 900 and row["carrier"] != "AA"]

    found = told(far)

    assert [(f.name, f.share) for f in found] == [("distance", 1.0)]
    assert found[0].words.startswith("at least 8") or found[0].words.startswith("at least 9")
    assert found[0].usual == pytest.approx(0.1, abs=0.04)


def test_categories_missing_and_new_values_are_told_by_name():
    assert told([{"distance": float(n * 20), "carrier": "BB"} for n in range(50)]) == [
        CommonFeature("carrier", "BB", 1.0, 0.25)
    ]
    odd = [{"distance": None, "carrier": "ZZ"}] * 9 + [{"distance": 1.0, "carrier": "AA"}]
    assert {(f.name, f.words, f.share) for f in told(odd)} == {
        ("distance", "missing", 0.9), ("carrier", "a new value", 0.9),
    }  # fmt: skip


def test_requests_drawn_at_random_have_seldom_anything_in_common():
    draw = random.Random(7)  # noqa: S311

    alarms = sum(bool(told(draw.sample(USUAL, 60))) for _ in range(200))

    assert alarms <= 2  # at most 1 in 100, by the bound


def test_without_any_nothing_is_told():
    assert told([]) == []


@pytest.fixture
def trial(db):
    version = make_version(make_model(name="flight-delay"))
    return begin(version, make_version(version.model), [CHANGE])


def refer(trial):
    ReferenceProfile.objects.create(version=trial.champion, source="training", rows=1000, columns=COLUMNS)


def disagree(trial, rows):
    shipped(*[side for row in rows for side in pair(trial, 0.25, 0.75, inputs=row)])


def test_disagreements_are_held_against_the_reference_and_then_the_traffic(trial):
    refer(trial)
    far = [row for row in USUAL if row["distance"] > 900]
    disagree(trial, far)

    [found] = features_in_common(trial, "differences")
    assert found.name == "distance"
    assert found.usual == pytest.approx(0.1, abs=0.04)

    shipped(*[champion(trial, after=n % 100, inputs=row) for row in far for n in range(20)])
    assert features_in_common(trial, "differences") == []


def test_without_a_reference_only_the_requests_are_told(trial):
    disagree(trial, USUAL[:3])

    assert features_in_common(trial, "differences") == []
    assert [d.inputs for d in disagreements(trial, "differences", limit=2)] == USUAL[:2]


def test_inputs_are_kept_no_longer_than_any_log(trial):
    disagree(trial, USUAL[:1])

    purge_trials(now=AT + timedelta(days=6))
    assert TrialDisagreement.objects.exists()
    purge_trials(now=AT + timedelta(days=8))
    assert not TrialDisagreement.objects.exists()
