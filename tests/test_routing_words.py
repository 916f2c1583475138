"""How a route is parted between champion and candidate, and what a new table changes, in words. No database."""

import pytest

from registry.models import ModelVersion
from rollouts.models import Rollout
from rollouts.routes import _keys, _split, changes
from serving.contract import Arm, Route


def rollout(**fields):
    return Rollout(candidate=ModelVersion(number=2), salt="rollout-7", document={"key_column": "customer"}, **fields)


def route(model_id=7, **fields):
    whole = {
        "model": f"model-{model_id}",
        "model_id": model_id,
        "task": "regression",
        "arms": [Arm("champion", 1, 10_000)],
        "aliases": {},
        "versions": [],
        "salt": f"model-{model_id}",
    }
    return Route(**whole | fields)


@pytest.mark.parametrize(
    ("weight_bp", "shadow_bp", "arms"),
    [
        (0, 0, [("champion", 1, 10_000)]),
        (0, 2_500, [("champion", 1, 10_000), ("shadow", 2, 2_500)]),  # asked beside: takes no answer from the champion
        (500, 0, [("champion", 1, 9_500), ("canary", 2, 500)]),
        (500, 1_000, [("champion", 1, 9_500), ("shadow", 2, 1_000), ("canary", 2, 500)]),
        (1, 0, [("champion", 1, 9_999), ("canary", 2, 1)]),
        (10_000, 0, [("canary", 2, 10_000)]),
    ],
)
def test_what_a_rollout_gives_to_its_candidate_is_taken_from_the_champion_and_the_canary_comes_last(
    weight_bp, shadow_bp, arms
):
    assert [
        (arm.name, arm.number, arm.weight_bp) for arm in _split(1, rollout(weight_bp=weight_bp, shadow_bp=shadow_bp))
    ] == arms


def test_without_a_rollout_the_champion_answers_everything():
    assert _split(3, None) == [Arm("champion", 3, 10_000)]


@pytest.mark.parametrize("parted", [{"weight_bp": 1}, {"shadow_bp": 1}])
def test_a_rollout_parts_callers_by_its_own_salt_and_the_column_of_its_plan(parted):
    assert _keys(7, rollout(**{"weight_bp": 0, "shadow_bp": 0} | parted), {}) == {
        "salt": "rollout-7",
        "key_column": "customer",
    }


def test_a_column_that_is_withheld_from_the_log_routes_nobody():
    assert _keys(7, rollout(weight_bp=500, shadow_bp=0), {"customer": "hash"}) == {
        "salt": "rollout-7",
        "key_column": "",
    }


def test_a_plan_that_names_no_column_has_none():
    one = rollout(weight_bp=500, shadow_bp=0)
    one.document = {}

    assert _keys(7, one, {}) == {"salt": "rollout-7", "key_column": ""}


@pytest.mark.parametrize("parted", [None, {"weight_bp": 0, "shadow_bp": 0}])
def test_before_a_rollout_gives_anything_callers_are_parted_by_the_model(parted):
    assert _keys(7, parted and rollout(**parted), {}) == {"salt": "model-7"}


CANARY = [Arm("champion", 1, 9_950), Arm("shadow", 2, 2_500), Arm("canary", 2, 50)]


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ([], [route()], "v1 serves"),
        ([], [route(arms=CANARY)], "v1 99.5%, v2 asked beside 25%, v2 0.5% serves"),
        ([route()], [], "no longer routed"),
        ([route()], [route(arms=CANARY)], "v1 → v1 99.5%, v2 asked beside 25%, v2 0.5%"),
        ([route(arms=CANARY)], [route()], "v1 99.5%, v2 asked beside 25%, v2 0.5% → v1"),
        ([route()], [route(aliases={"next": 2})], "other aliases or versions kept loaded beside v1"),
        ([route()], [route(sensitive={"iban": "hash", "name": "drop"})], "withheld from the log: iban, name"),
        ([route(sensitive={"iban": "hash"})], [route()], "withheld from the log: nothing"),
    ],
)
def test_a_change_of_the_table_is_told_in_words(before, after, what):
    assert changes(before, after) == [(7, "model-7", what)]


def test_each_model_that_changed_is_told_and_no_other():
    told = changes([route(1), route(2), route(3)], [route(2), route(3, aliases={"next": 1}), route(4)])

    assert [(change.model_id, change.model, change.what.split()[0]) for change in told] == [
        (1, "model-1", "no"),
        (3, "model-3", "other"),
        (4, "model-4", "v1"),
    ]
