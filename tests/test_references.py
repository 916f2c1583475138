"""What a version's inputs looked like: the bins, and who notes them from which rows."""

import json

import numpy as np
import pandas as pd
import pytest
from django.conf import settings
from django.db import DatabaseError, transaction
from hypothesis import given
from hypothesis import strategies as st

from monitoring import services as monitoring
from monitoring.shipping import ship
from registry.errors import ConflictError
from registry.histograms import BINS, MOST_CATEGORIES, bins_of, category_histogram, number_histogram, profile_of
from registry.models import AuditEvent, ReferenceProfile
from registry.services import reference_record
from tests import factories
from tests.api import Api, problem
from tests.data_sets import make_data, make_trained_champion
from tests.factories import make_record, make_segment

NUMBER = {"name": "distance", "type": "double", "required": True}
TEXT = {"name": "carrier", "type": "string", "required": True, "categories": ["AA", "UA"]}


def test_few_distinct_values_have_a_bin_each():
    found = number_histogram([3, 1, 1, 2, None, float("nan"), float("inf")])

    assert found["edges"] == [1.0, 1.5, 2.5, 3.0]
    assert found["counts"] == {"1": 2, "2": 1, "3": 1}
    assert (found["missing"], found["min"], found["max"], found["mean"]) == (3, 1.0, 3.0, 1.75)


@pytest.mark.parametrize(
    ("values", "edges", "counts", "missing"),
    [([5, 5, 5], [5.0, 5.0], {"1": 3}, 0), ([None, None], [], {}, 2), ([], [], {}, 0)],
)
def test_constant_and_empty_columns(values, edges, counts, missing):
    found = number_histogram(values)

    assert (found["edges"], found["counts"], found["missing"]) == (edges, counts, missing)


def test_long_tail_is_parted_at_quantiles():
    values = np.random.default_rng(7).lognormal(sigma=2, size=50_000)

    found = number_histogram(values)

    shares = np.array(list(found["counts"].values())) / 50_000
    assert found["edges"] == np.quantile(values, np.linspace(0, 1, BINS + 1), method="inverted_cdf").tolist()
    assert shares.min() * BINS > 0.98
    assert shares.max() * BINS < 1.02


def test_value_that_fills_much_has_a_bin_of_its_own():
    random = np.random.default_rng(7)
    values = np.concatenate([np.zeros(6_000), random.normal(size=4_000)])

    found = number_histogram(values)

    (alone,) = bins_of(np.array(found["edges"]), np.zeros(1))
    near = bins_of(np.array(found["edges"]), np.array([1e-9, -1e-9]))
    assert found["counts"][str(alone)] == 6_000
    assert alone not in near


@given(
    st.lists(st.floats(allow_nan=True), max_size=200),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=20),
)
def test_every_later_value_has_a_bin_and_no_row_is_lost(values, later):
    found = number_histogram(values)

    assert sum(found["counts"].values()) + found["missing"] == len(values)
    assert found["edges"] == sorted(found["edges"])
    json.dumps(found, allow_nan=False)  # as PostgreSQL wants it
    if found["edges"]:
        edges = np.array(found["edges"])
        counted = np.bincount(bins_of(edges, np.array([value for value in values if np.isfinite(value)])))
        assert found["counts"] == {str(bin_): counted[bin_] for bin_ in np.flatnonzero(counted)}
        bins = bins_of(edges, np.array(later))
        assert all(0 <= bin_ <= len(edges) for bin_ in bins)
        for value, bin_ in zip(later, bins, strict=True):
            assert (bin_ == 0) == (value < edges[0])
            assert (bin_ == len(edges)) == (value > edges[-1])


def test_commonest_categories_are_kept():
    values = ["UA", "AA", "UA", None, True, *(f"x{i:03}" for i in range(MOST_CATEGORIES))]

    found = category_histogram(values)

    assert list(found["counts"].items())[:3] == [("UA", 2), ("AA", 1), ("True", 1)]
    assert (len(found["counts"]), found["other"], found["missing"]) == (MOST_CATEGORIES, 3, 1)


def test_profile_follows_the_signature():
    found = profile_of({"carrier": ["AA", None], "extra": [1, 2]}, [NUMBER, TEXT])

    assert found["carrier"] == {"kind": "category", "counts": {"AA": 1}, "other": 0, "missing": 1}
    assert found["distance"] == {"kind": "number", "edges": [], "counts": {}, "missing": 2}


@pytest.mark.django_db
def test_reference_is_kept_once_and_never_changes():
    version = factories.make_version(factories.make_model())
    columns = profile_of({"distance": [1.0, 2.0]}, [NUMBER])

    kept = reference_record(version=version, source="training", rows=2, columns=columns, data_digest="sha256:1")

    assert reference_record(version=version, source="production", rows=9, columns={}) is None
    assert ReferenceProfile.objects.get() == kept
    assert AuditEvent.objects.get(action="version.reference").payload["source"] == "training"
    with pytest.raises(DatabaseError), transaction.atomic():
        ReferenceProfile.objects.update(rows=3)
    with pytest.raises(ConflictError, match="not verified"):
        reference_record(
            version=factories.make_version(version.model, servable=False), source="training", rows=1, columns={}
        )


def serve(version, rows):
    """Let the version have answered ``rows`` requests, as the gateway records it."""
    records = [make_record(version, after=n / 10, inputs={"distance": float(n), "carrier": "AA"}) for n in range(rows)]
    make_segment(settings.SPOOL_ROOT, "spool-a", 1, records)
    ship()


@pytest.mark.django_db
def test_first_production_rows_stand_in_for_training_rows(monkeypatch):
    monkeypatch.setattr("monitoring.services.facts.FIRST_ROWS", 50)
    champion = make_trained_champion(factories.make_model(), f"sha256:{9:064x}", [NUMBER, TEXT])
    serve(champion, 49)
    monitoring.references_push()
    assert not ReferenceProfile.objects.exists()

    make_segment(settings.SPOOL_ROOT, "spool-a", 2, [make_record(champion, after=9, inputs={"distance": 99.0})] * 20)
    ship()
    monitoring.references_push()
    monitoring.references_push()

    found = ReferenceProfile.objects.get()
    assert (found.version, found.source, found.rows, found.data_digest) == (champion, "production", 50, "")
    assert found.columns["carrier"] == {"kind": "category", "counts": {"AA": 49}, "other": 0, "missing": 1}
    assert (found.columns["distance"]["min"], found.columns["distance"]["max"]) == (0.0, 99.0)
    assert (found.score["counts"], found.score["min"]) == ({"1": 50}, 0.25)


@pytest.mark.django_db
def test_known_training_rows_are_waited_for(monkeypatch):
    monkeypatch.setattr("monitoring.services.facts.FIRST_ROWS", 50)
    model = factories.make_model()
    data = make_data(model.team, pd.DataFrame({"distance": np.arange(100.0)}))
    serve(make_trained_champion(model, data.digest, [NUMBER]), 60)

    monitoring.references_push()

    assert not ReferenceProfile.objects.exists()


@pytest.mark.django_db
def test_reference_is_read_by_api_and_page(client):
    version = factories.make_version(factories.make_model())
    api = Api(version.model.team)
    problem(api.get(f"models/{version.model.name}/versions/1/reference"), 404)
    rows = {"distance": [1.0, 2.5, None], "carrier": ["AA", "AA", "UA"]}
    reference_record(version=version, source="production", rows=3, columns=profile_of(rows, [NUMBER, TEXT]))

    found = api.get(f"models/{version.model.name}/versions/1/reference").json()
    client.force_login(version.created_by)
    page = client.get(version.path, {"tab": "files"}).content.decode()

    assert (found["source"], found["rows"], found["columns"]["distance"]["edges"]) == (
        "production",
        3,
        [1.0, 1.75, 2.5],
    )
    for said in ("First production rows", "3 rows", "AA 66.7%", "33.3%"):
        assert said in page
