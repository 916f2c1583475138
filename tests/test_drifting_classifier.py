"""A classifier that tells a window's rows from the reference's, or cannot. No database."""

import numpy as np
import polars as pl
import pytest

from monitoring.drifting.classifier import tell_apart

COLUMNS = {"a": "number", "b": "number", "c": "category"}


def rows(n, seed, *, together=0.9, shift=0.0):
    random = np.random.default_rng(seed)
    a = random.normal(size=n)
    b = together * a + np.sqrt(1 - together**2) * random.normal(size=n)
    b[::50] = np.nan
    names = random.choice(["red", "green", None], n)
    return pl.DataFrame({"a": a, "b": b + shift, "c": names.tolist()})


def test_rows_of_one_distribution_are_not_told_apart():
    found = tell_apart(rows(3_000, 1), rows(2_000, 2), COLUMNS)

    assert found.low < 0.5 < found.high + 0.01
    assert not found.drifted
    assert (found.reference_n, found.n) == (3_000, 2_000)


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


def test_too_few_rows_are_refused():
    with pytest.raises(ValueError, match="249 and 400 rows of 3 columns"):
        tell_apart(rows(249, 1), rows(400, 2), COLUMNS)
