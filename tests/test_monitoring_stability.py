"""A version's latest inputs against its stored reference, from counts in the same bins."""

import math
from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from monitoring.features import cells_of, features_of
from monitoring.models import FeatureHistogram
from monitoring.selectors import latest_inputs
from monitoring.stability import population_stability, stabilities
from registry import services
from registry.histograms import profile_of
from registry.models import ReferenceProfile, Role
from tests.api import Api
from tests.factories import make_model, make_user, make_version

INPUTS = [{"name": "distance", "type": "double"}, {"name": "carrier", "type": "string"}]
Span = FeatureHistogram.Span


def drawn(rows, *, shift=0.0, carriers=("AA", "BB"), gaps=0.0, seed=7):
    random = np.random.default_rng(seed)
    distance = [None if gap else value for value, gap in zip(
        (random.normal(size=rows) + shift).tolist(), random.random(rows) < gaps, strict=True
    )]  # fmt: skip
    return {"distance": distance, "carrier": random.choice(carriers, rows).tolist()}


def as_rows(columns):
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


REFERENCE = profile_of(drawn(20_000), INPUTS)
FEATURES = features_of(REFERENCE)


def compared(columns):
    found = stabilities(REFERENCE, cells_of(FEATURES, as_rows(columns)).by_feature(FEATURES))
    return {one.name: one for one in found}


def test_index_is_that_of_its_definition():
    parts = population_stability({0: 50_000, 1: 50_000}, {0: 80_000, 1: 20_000})

    assert sum(parts.values()) == pytest.approx(0.3 * math.log(0.8 / 0.5) - 0.3 * math.log(0.2 / 0.5), rel=1e-3)
    assert parts[1] > parts[0] > 0
    assert sum(population_stability({0: 10, 1: 30}, {0: 10, 1: 30}).values()) == 0


def test_empty_bin_counts_as_half_a_row():
    before, now = (99.5 / 101, 1.5 / 101), (100.5 / 101, 0.5 / 101)
    expected = sum((b - a) * math.log(b / a) for a, b in zip(before, now, strict=True))

    assert sum(population_stability({0: 99, 1: 1}, {0: 100}).values()) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_other_rows_of_the_same_kind_are_steady(seed):
    assert {one.state for one in compared(drawn(2_000, seed=seed)).values()} == {"steady"}


@pytest.mark.parametrize(
    ("columns", "name", "state", "most"),
    [
        (drawn(5_000, shift=0.4), "distance", "moved", None),
        (drawn(5_000, shift=5.0), "distance", "shifted", "rare or new values"),
        (drawn(5_000, gaps=0.5), "distance", "shifted", "missing"),
        (drawn(5_000, carriers=("AA", "BB", "CC")), "carrier", "shifted", "rare or new values"),
    ],
    ids=["a little", "beyond all bins", "missing", "a new category"],
)
def test_change_is_seen_and_named(columns, name, state, most):
    found = compared(columns)
    other = next(one for one in found.values() if one.name != name)

    assert (found[name].state, other.state) == (state, "steady")
    assert next(iter(found)) == name
    assert most in (None, found[name].most.values)
    assert found[name].most.now != found[name].most.before


def test_rare_categories_move_nothing_by_chance():
    random = np.random.default_rng(3)
    many = [f"c{n}" for n in range(300)]
    columns = profile_of({"carrier": random.choice(many, 50_000).tolist()}, INPUTS[1:])
    features = features_of(columns)

    now = cells_of(features, [{"carrier": c} for c in random.choice(many, 2_000).tolist()])

    assert stabilities(columns, now.by_feature(features))[0].state == "steady"


def test_input_that_is_not_counted_has_no_index():
    found = compared({"carrier": drawn(2_000)["carrier"]})

    assert (found["distance"].index, found["distance"].state) == (None, "unknown")


@pytest.fixture
def version(db):
    found = make_version(make_model())
    services.reference_record(version=found, source="training", rows=20_000, columns=REFERENCE)
    return found


def count(version, columns, *, arm="champion", hours_ago=1, span=Span.FIVE_MINUTES):
    rows = as_rows(columns)
    FeatureHistogram.objects.create(
        version=version, arm=arm, span=span, started_at=timezone.now() - timedelta(hours=hours_ago), rows=len(rows),
        cells=cells_of(FEATURES, rows).pack(),
    )  # fmt: skip


def test_last_day_counts_once_and_without_shadow_copies(version):
    count(version, drawn(1_500))
    count(version, drawn(1_500, seed=8), arm="canary", hours_ago=2)
    count(version, drawn(1_500, shift=5.0), hours_ago=25)
    count(version, drawn(1_500, shift=5.0), arm="shadow")
    count(version, drawn(3_000, shift=5.0), span=Span.HOUR)

    found = latest_inputs(ReferenceProfile.objects.get(version=version), now=timezone.now())

    assert found.rows == 3_000
    assert {one.name: one.state for one in found.features} == {"distance": "steady", "carrier": "steady"}


def test_panel_says_what_shifted_and_waits_for_enough_rows(version, client):
    client.force_login(make_user(version.model.team, Role.VIEWER))
    panel = f"{version.path}inputs-panel/"
    assert panel in client.get(f"{version.path}?tab=files").content.decode()

    count(version, drawn(1_999, shift=5.0))
    few = client.get(panel).content.decode()
    count(version, drawn(1), hours_ago=2)
    enough = client.get(panel).content.decode()

    assert "A comparison needs 2,000 predictions" in few
    assert "Shifted" not in few
    assert "Shifted" in enough
    assert enough.index("distance") < enough.index("carrier")
    assert "rare or new values" in enough


def test_api_answers_the_same(version):
    count(version, drawn(3_000, shift=5.0))

    answer = Api(version.model.team, Role.VIEWER).get(f"models/{version.model.name}/versions/1/inputs")

    found = latest_inputs(ReferenceProfile.objects.get(version=version), now=timezone.now())
    assert (answer.status_code, answer.json()["rows"]) == (200, 3_000)
    first, second = answer.json()["features"]
    assert (first["name"], first["state"], first["index"]) == ("distance", "shifted", found.features[0].index)
    assert first["most"]["values"] == "rare or new values"
    assert first["most"]["before"] < 0.1 < first["most"]["now"]
    assert (second["name"], second["state"]) == ("carrier", "steady")


def test_version_without_a_reference_has_no_such_panel(db, client):
    version = make_version(make_model())
    client.force_login(make_user(version.model.team, Role.VIEWER))

    assert client.get(f"{version.path}inputs-panel/").status_code == 404
