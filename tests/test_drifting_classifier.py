"""A classifier that tells a window's rows from the reference's, or cannot. No database."""

from math import sqrt

import numpy as np
import polars as pl
import pytest

from experiments.metrics import Interval
from monitoring.drifting import classifier
from monitoring.drifting.classifier import tell_apart

COLUMNS = {"a": "number", "b": "number", "c": "category"}


def rows(n, seed, *, together=0.9, shift=0.0):
    random = np.random.default_rng(seed)
    a = random.normal(size=n)
    b = together * a + np.sqrt(1 - together**2) * random.normal(size=n)
    b[::50] = np.nan
    names = random.choice(["red", "green", None], n)
    return pl.DataFrame({"a": a, "b": b + shift, "c": names.tolist()})


def test_rows_of_one_distribution_are_not_told_apart_and_nothing_is_printed(capfd):
    found = tell_apart(rows(3_000, 1), rows(2_000, 2), COLUMNS)

    assert found.low < 0.5 < found.high + 0.01
    assert not found.drifted
    assert (found.reference_n, found.n) == (3_000, 2_000)
    assert capfd.readouterr() == ("", "")


def test_columns_that_no_longer_go_together_are_found_though_each_is_as_it_was():
    found = tell_apart(rows(3_000, 1), rows(2_000, 3, together=0.0), COLUMNS)

    assert found.drifted
    assert 0.7 < found.low < found.auc < found.high < 1
    assert set(list(found.importances)[:2]) == {"a", "b"}
    assert sum(found.importances.values()) == pytest.approx(1)


def test_a_sample_is_drawn_and_the_answer_is_the_same_again():
    sides = rows(6_000, 4, together=0.0), rows(600, 5, together=0.0, shift=0.5)

    found = tell_apart(*sides, COLUMNS, rows=1_000)

    assert (found.reference_n, found.n) == (1_000, 600)
    assert next(iter(found.importances)) == "b"
    assert tell_apart(*sides, COLUMNS, rows=1_000) == found
    assert tell_apart(*sides, COLUMNS, rows=1_000, seed=1) != found


def test_sides_that_share_no_value_are_wholly_apart():
    found = tell_apart(rows(400, 6), rows(400, 7, shift=100), COLUMNS)

    assert found.auc > 0.98  # where b is missing, its row looks like any other
    assert found.high <= 1


def test_a_category_that_goes_missing_tells_the_sides_apart():
    gone = rows(1_000, 9).with_columns(c=pl.lit(None, pl.String))

    found = tell_apart(rows(1_000, 8), gone, COLUMNS)

    assert found.drifted
    assert next(iter(found.importances.items())) == ("c", pytest.approx(1, abs=0.1))
    assert tell_apart(gone, gone, {"c": "category"}).importances == {"c": 0}


def test_names_of_categories_tell_no_order():
    random = np.random.default_rng(10)
    places = [random.integers(0, 30, 1_000) * 2 + (random.random(1_000) < odd) for odd in (0.3, 0.7)]
    by_turns = {place: f"v{place:02}" for place in range(60)}
    in_blocks = {place: f"v{place // 2 + place % 2 * 30:02}" for place in range(60)}

    one, two = (
        tell_apart(
            *[pl.DataFrame({"c": [names[place] for place in side.tolist()]}) for side in places], {"c": "category"}
        )
        for names in (by_turns, in_blocks)
    )

    assert one.auc == pytest.approx(two.auc, abs=0.01)


@pytest.mark.parametrize(
    ("area", "low", "high"),
    [
        (Interval(0.8, 0.7, 0.85), 0.8 - 0.1 / sqrt(5), 0.8 + 0.1 / sqrt(5)),  # five parts that share no row
        (Interval(0.8, 0.75, 0.9), 0.8 - 0.1 / sqrt(5), 0.8 + 0.1 / sqrt(5)),
        (Interval(0.02, 0.0, 0.5), 0, 0.02 + 0.48 / sqrt(5)),
        (Interval(0.98, 0.5, 1.0), 0.98 - 0.48 / sqrt(5), 1),
    ],
)
def test_the_area_is_the_mean_of_the_parts_with_an_interval_by_all_of_them(area, low, high, monkeypatch):
    monkeypatch.setattr(classifier, "roc_auc", lambda labels, scores: area)
    sides = rows(250, 1), rows(260, 2)

    found = tell_apart(*sides, COLUMNS)

    assert (found.auc, found.low, found.high) == pytest.approx((area.value, low, high))
    assert list(found.importances.items()) == [("a", 0), ("b", 0), ("c", 0)]
    assert (found.reference_n, found.n) == (250, 260)
    for floor, drifted in ((found.low - 0.5 - 1e-9, True), (found.low - 0.5 + 1e-9, False)):
        assert tell_apart(*sides, COLUMNS, floor=floor).drifted == drifted


def test_of_many_columns_those_are_asked_after_that_the_trees_made_most_of(monkeypatch):
    monkeypatch.setattr(classifier, "TELLING", 1)

    assert tell_apart(rows(400, 6), rows(400, 7, shift=1), COLUMNS).importances == {"b": 1}


def test_a_column_is_weighed_by_rows_that_were_not_trained_on_with_its_values_dealt_anew(monkeypatch):
    asked = []
    area = classifier._area
    monkeypatch.setattr(
        classifier, "_area", lambda model, values, labels: asked.append(values) or area(model, values, labels)
    )

    tell_apart(rows(400, 6), rows(400, 7), {"a": "number", "b": "number"})

    parts = asked[: classifier.PARTS]
    for i, values in enumerate(asked[classifier.PARTS :]):
        held = parts[i % classifier.PARTS]
        np.testing.assert_array_equal(np.sort(values, axis=0), np.sort(held, axis=0))
        same = [np.array_equal(one, other, equal_nan=True) for one, other in zip(values.T, held.T, strict=True)]
        assert sorted(same) == [False, True]


def test_more_trees_tell_the_sides_apart_better(monkeypatch):
    sides = rows(600, 6, together=0.0), rows(600, 7)
    many = tell_apart(*sides, COLUMNS).auc
    monkeypatch.setattr(classifier, "TREES", 1)

    assert tell_apart(*sides, COLUMNS).auc < many - 0.02


@pytest.mark.parametrize(("n", "m", "columns"), [(249, 400, COLUMNS), (400, 249, COLUMNS), (400, 400, {})])
def test_too_few_rows_and_no_columns_are_refused(n, m, columns):
    words = f"^{n} and {m} rows of {len(columns)} columns, where 250 and one are asked for$"

    with pytest.raises(ValueError, match=words):
        tell_apart(rows(n, 1), rows(m, 2), columns)


def test_rows_are_drawn_once_each_and_stay_in_order():
    side = pl.DataFrame({"a": np.arange(100)})

    drawn = classifier._drawn(side, {"a": "number"}, 90, np.random.default_rng(0))["a"].to_list()

    assert drawn == sorted(set(drawn))
    assert len(drawn) == 90


def test_columns_that_tell_nothing_stand_by_name():
    same = pl.DataFrame({"b": np.ones(300), "a": np.ones(300)})

    found = tell_apart(same, same, {"b": "number", "a": "number"})

    assert list(found.importances.items()) == [("a", 0), ("b", 0)]
    assert (found.auc, found.drifted) == (0.5, False)
