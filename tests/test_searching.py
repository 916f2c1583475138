"""Searches: where parameters are looked for, what Optuna answers from our rows, and how folds are cut."""

import numpy as np
import pandas as pd
import pytest

from experiments.pipelines.catalogue import OURS
from experiments.pipelines.choices import BoostedParams, RegressedParams
from experiments.pipelines.contract import TrainingRows
from experiments.searching.folds import folds_of
from experiments.searching.optimizing import ask, importances, judge
from experiments.searching.space import check_space, declared_space
from experiments.searching.told import Plan, Told
from experiments.training.params import parameters
from registry.errors import InvalidError

SPACE = {
    "x": {"low": 0.01, "high": 10.0, "log": True},
    "n": {"low": 1, "high": 64, "log": False},
    "b": {"choices": [False, True]},
}


def plan(**changes):
    given = {"sampler": "tpe", "pruner": "median", "seed": 7, "longest": 100, "space": SPACE, "direction": "minimize"}
    return Plan(name="search-1", **given | changes)


def complete(number, x, value, n=5, b=False, curve=()):
    return Told(number, "complete", {"x": x, "n": n, "b": b}, value, curve)


def test_a_class_that_changes_a_default_keeps_what_its_bases_say_and_the_order():
    declared = {one.name: one for one in parameters(BoostedParams)}

    assert list(declared)[3:6] == ["leaves", "rows_per_leaf", "feature_share"]
    assert list(declared)[7:11] == ["penalty", "category_smoothing", "seed", "folds"]
    assert (declared["trees"].default, declared["trees"].label, declared["trees"].max) == (
        1000,
        "Trees at most",
        10_000,
    )
    assert (declared["penalty"].label, declared["penalty"].search) == ("L2 penalty", (0.1, 300.0, "log"))


@pytest.mark.parametrize("pipeline", OURS)
def test_every_declared_space_lies_within_the_limits_of_its_parameters(pipeline):
    space = declared_space(pipeline.params)

    if space:  # a pipeline with nothing to search is trained as it is
        assert check_space(pipeline.params, space) == space
        assert "seed" not in space


@pytest.mark.parametrize(
    ("space", "field", "says"),
    [
        ({}, "space", "at least one"),
        ({"colour": {"low": 1, "high": 2}}, "space/colour", "no parameter here; choose from trees"),
        ({"seed": {"low": 1, "high": 2}}, "space/seed", "No seed is better"),
        ({"leaves": 5}, "space/leaves", "takes a range"),
        ({"leaves": {"low": 4}}, "space/leaves", "has low, high"),
        ({"leaves": {"low": 4, "high": 8, "lag": 1}}, "space/leaves", "has low, high"),
        ({"leaves": {"low": 4.5, "high": 8}}, "space/leaves", "whole numbers"),
        ({"leaves": {"low": True, "high": 8}}, "space/leaves", "whole numbers"),
        ({"leaves": {"low": 8, "high": 8}}, "space/leaves", "is empty"),
        ({"leaves": {"low": 1, "high": 8}}, "space/leaves", "at least 2 and at most 1024"),
        ({"penalty": {"low": 0.0, "high": 8.0, "log": True}}, "space/penalty", "begins above 0"),
        ({"penalty": {"low": 1.0, "high": float("inf")}}, "space/penalty", "finite|at least"),
        ({"penalty": {"low": float("nan"), "high": 1.0}}, "space/penalty", "is empty"),
        ({"penalty": {"low": 0.1, "high": 8.0, "log": 1}}, "space/penalty", "true or false"),
        ({"robust": {"low": 0, "high": 1}}, "space/robust", "no range"),
        ({"robust": {"choices": [True]}}, "space/robust", "at least two"),
        ({"leaves": {"choices": [1, 8]}}, "space/leaves", "cannot be 1"),
        ({"leaves": {"choices": [4, "8"]}}, "space/leaves", "of one kind"),
    ],
)  # fmt: skip
def test_a_space_that_makes_no_sense_is_refused_by_name(space, field, says):
    with pytest.raises(InvalidError, match=says) as refused:
        check_space(RegressedParams, space)

    assert refused.value.field == field


def test_whole_ends_of_a_range_of_numbers_become_numbers():
    assert check_space(BoostedParams, {"penalty": {"low": 1, "high": 8}}) == {
        "penalty": {"low": 1.0, "high": 8.0, "log": False}
    }


def test_trials_differ_stay_within_the_space_and_are_the_same_for_the_same_seed():
    first = [ask(plan(), [], number) for number in range(6)]

    assert first == [ask(plan(), [], number) for number in range(6)]
    assert first != [ask(plan(seed=8), [], number) for number in range(6)]
    assert len({one["x"] for one in first}) == 6
    for one in first:
        assert 0.01 <= one["x"] <= 10
        assert one["n"] in range(1, 65)
        assert one["b"] in (False, True)


def test_the_sampler_goes_where_trials_did_well_and_random_does_not():
    told = [complete(number, x, abs(np.log(x / 0.05))) for number, x in enumerate(np.geomspace(0.01, 10, 30))]

    def median_of(sampler):
        return np.median([ask(plan(sampler=sampler), told, number)["x"] for number in range(30, 50)])

    assert median_of("tpe") < 0.12 < median_of("random")


def test_a_trial_keeps_its_number_where_others_began_first_or_told_nothing():
    told = [Told(0, "failed"), Told(2, "running", {"x": 1.0, "n": 2, "b": True}), complete(4, 1.0, 2.0)]

    assert ask(plan(), told, 3) != ask(plan(), told, 1)


def curve(level):
    return [[step, level] for step in range(2, 102, 2)]


@pytest.mark.parametrize(("level", "stops"), [(9.0, True), (1.0, False)])
def test_the_median_stops_what_does_worse_than_half_of_the_others(level, stops):
    told = [complete(number, 1.0, value, curve=curve(value)) for number, value in enumerate((2.0, 3.0, 4.0, 5.0, 6.0))]
    running = Told(5, "running", {"x": 1.0, "n": 1, "b": True}, curve=curve(level)[:10])

    assert judge(plan(), [*told, running], 5).stop is stops
    assert judge(plan(direction="maximize"), [*told, running], 5).stop is not stops
    assert (
        judge(plan(), [*told[:4], Told(5, *[running.state, running.params], curve=running.curve)], 5).stop is False
    )  # too few
    assert judge(plan(pruner="none"), [*told, running], 5).stop is False


def test_hyperband_remembers_its_rungs_between_judgements():
    told, stopped = [], 0
    for number in range(12):
        rungs, points = {}, []
        for step in (3, 9, 27, 81):
            points.append([step, float(number)])
            found = judge(
                plan(pruner="hyperband"),
                [*told, Told(number, "running", {"x": 1.0, "n": 1, "b": True}, None, points, rungs)],
                number,
            )
            assert set(rungs) <= set(found.rungs)
            rungs = found.rungs
            if found.stop:
                break
        stopped += found.stop
        state, value = ("pruned", None) if found.stop else ("complete", float(number))
        told.append(Told(number, state, {"x": 1.0, "n": 1, "b": True}, value, points, rungs))

    assert told[0].state == "complete"
    assert stopped > 0
    assert any(one.rungs for one in told)


def test_the_parameter_that_decides_is_the_important_one():
    random = np.random.default_rng(7)
    told = [
        complete(number, x, np.log(x) ** 2, n=int(random.integers(1, 64)))
        for number, x in enumerate(random.uniform(0.01, 10, 40))
    ]

    found = importances(plan(), told)

    assert next(iter(found)) == "x"
    assert sum(found.values()) == pytest.approx(1)
    assert importances(plan(), told[:9]) == {}


def rows(count=300, **roles):
    context = pd.DataFrame({
        "at": pd.date_range("2026-01-01", periods=count, freq="h", tz="UTC"), "key": [f"k{n}" for n in range(count)],
        "query": [f"q{n // 7}" for n in range(count)],
    })  # fmt: skip
    features = pd.DataFrame({"a": np.arange(count)})
    return TrainingRows(
        features, pd.Series(np.arange(count) % 2), features + 10_000, pd.Series(np.arange(count) % 2), [], context[list(roles.values())],
        context[list(roles.values())], roles,
    )  # fmt: skip


def test_folds_lie_within_the_training_rows_and_learn_from_what_came_before():
    given = rows(time="at", key="key")

    found = folds_of(given, 4)

    assert [len(fold.validation) for fold in found] == [60, 60, 60, 60]
    for fold in found:
        assert fold.train.a.max() < fold.validation.a.min() <= 300
        assert fold.train_context["at"].max() < fold.validation_context["at"].min()
        assert len(fold.train) == len(fold.train_labels) == len(fold.train_context)


def test_without_a_time_every_row_is_measured_once_and_queries_stay_whole():
    given = rows(query="query")

    found = folds_of(given, 3)

    assert sorted(n for fold in found for n in fold.validation.a) == list(range(300))
    for fold in found:
        assert not set(fold.train_context["query"]) & set(fold.validation_context["query"])


def test_too_few_rows_are_refused():
    with pytest.raises(ValueError, match="100 training rows are too few for 4 folds of at least 30"):
        folds_of(rows(100, time="at"), 4)
