"""Live inputs held to a data contract, by counts that exist."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from experiments.contracts import rules as r
from experiments.models import DataContract
from experiments.services import contract_change
from monitoring.contracts import Lately, State, judge, lower_bound
from monitoring.drift.features import MISSING, UNSEEN, cells_of, features_of
from monitoring.drift.tails import join, tails_of
from monitoring.models import FeatureHistogram, LiveCheck, TelemetryWindow
from monitoring.selectors.contracts import live_judgement, live_subject
from monitoring.services import live_checks_forget, live_checks_make, live_contract_choose
from registry.errors import InvalidError, RoleError
from registry.histograms import profile_of
from registry.models import Alert, AuditEvent, Role
from registry.services import reference_record
from tests.data_sets import make_data, make_trained_champion
from tests.factories import make_actor, make_champion, make_model, make_team

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
INPUTS = [{"name": "distance", "type": "double"}, {"name": "carrier", "type": "string"}]
TRAINED: dict[str, list[Any]] = {"distance": [float(n) for n in range(100, 200)], "carrier": ["AA", "UA"] * 50}
REFERENCE = profile_of(TRAINED, INPUTS)
quick = examples(max_examples=50, derandomize=True)


def of(kind, **fields):
    return kind(reason="For tests.", **fields)


def lately(distance=(), carrier=(), **other):
    rows = [{"distance": d} for d in distance] + [{"carrier": c} for c in carrier]
    features = features_of(REFERENCE)
    counted = dict(cells_of(features, rows).by_feature(features))
    return Lately(
        **{"features": {f.name: (f, p) for f, p in counted.items()}, "silent_minutes": 1.0, "hour_rows": 500} | other
    )


def judged(rule, seen):
    (only,) = judge([rule], seen)
    return only


@pytest.mark.parametrize(
    ("missing", "rows", "state"),
    [(3, 3, State.NO_DATA), (49, 49, State.NO_DATA), (0, 50, State.HELD), (2, 60, State.UNSURE), (12, 60, State.BROKEN),
     (20, 1000, State.UNSURE), (40, 1000, State.BROKEN), (10, 1000, State.HELD)],
)  # fmt: skip
def test_missing_values_alarm_where_chance_does_not_explain_them(missing, rows, state):
    found = judged(of(r.Nulls, name="distance", max_share=0.015), lately([None] * missing + [150.0] * (rows - missing)))

    assert (found.state, found.rows) == (state, rows)


def test_what_may_never_be_missing_alarms_at_the_first_that_is():
    assert judged(of(r.Nulls, name="distance"), lately([None] + [150.0] * 60)).state == State.BROKEN


@pytest.mark.parametrize(("count", "total", "chance"), [(0, 10, 0.01), (1, 50, 0.01), (5, 60, 0.001), (60, 60, 0.01)])
def test_the_bound_is_that_of_clopper_and_pearson(count, total, chance):
    from scipy.stats import binom

    low = lower_bound(count, total, chance=chance)

    if count:
        assert binom.sf(count - 1, total, low) == pytest.approx(chance)
    else:
        assert low == 0.0


def test_a_share_at_its_limit_is_called_broken_once_in_a_hundred_looks_at_most():
    from scipy.stats import binom

    n, limit = 400, 0.02
    alarms = [k for k in range(n + 1) if lower_bound(k, n, chance=0.01) > limit]

    assert 0 < binom.sf(min(alarms) - 1, n, limit) <= 0.01


@pytest.mark.parametrize(
    ("bounds", "values", "low", "high"),
    [
        ({"min": 100}, [50.0] * 10 + [150.0] * 90, 0.1, 0.1),  # all below the reference's edge are below the bound
        ({"min": 90}, [50.0] * 10 + [150.0] * 90, 0.0, 0.1),  # 95 would be there too
        ({"max": 199}, [500.0] * 10 + [150.0] * 90, 0.1, 0.1),
        ({"max": 250}, [500.0] * 10 + [150.0] * 90, 0.0, 0.1),
        ({"min": 0, "max": 1000}, [150.0] * 100, 0.0, 0.0),
        ({"max": 120}, [190.0] * 25 + [101.0] * 75, 0.25, 0.25),  # a bound within what was trained on
    ],
)
def test_a_range_is_judged_as_far_as_the_bins_tell(bounds, values, low, high):
    found = judged(of(r.Range, name="distance", **bounds), lately(values))

    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert found.state == (State.BROKEN if low else State.UNSURE if high else State.HELD)


@pytest.mark.parametrize(
    ("bounds", "values", "low", "high"),
    [
        ({"min": 90}, [95.0] * 10 + [150.0] * 90, 0.0, 0.0),  # below what was trained on, not below the bound
        ({"min": 90}, [50.0] * 10 + [150.0] * 90, 0.1, 0.1),
        ({"max": 250}, [240.0] * 10 + [150.0] * 90, 0.0, 0.0),
        ({"max": 250}, [250.5] * 10 + [150.0] * 90, 0.1, 0.1),
        (
            {"max": 250},
            [240.0] * 9 + [500.0] + [150.0] * 90,
            0.01,
            0.1,
        ),  # one surely is, and which of the others is not known
        ({"max": 250}, [250.0] * 10 + [150.0] * 90, 0.0, 0.0),
    ],
)
def test_beyond_the_range_of_the_reference_the_tails_tell(bounds, values, low, high):
    rows = [{"distance": value} for value in values]
    features = features_of(REFERENCE)
    tails = tails_of(features, rows, cells_of(features, rows))

    found = judged(of(r.Range, name="distance", **bounds), replace(lately(values), tails=tails))

    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert found.state == (State.BROKEN if low else State.HELD)


def test_where_the_telemetry_has_no_tails_the_page_says_that_it_cannot_tell():
    found = judged(of(r.Range, name="distance", max=250), lately([500.0] * 10 + [150.0] * 90))

    assert found.state == State.UNSURE
    assert "cannot be told from the telemetry" in found.detail


def test_values_of_another_type_are_in_no_range():
    features = features_of(REFERENCE)
    rows = [{"distance": value} for value in ["far"] * 60 + [150.0] * 60]
    told = Lately(
        {feature.name: (feature, places) for feature, places in cells_of(features, rows).by_feature(features)}, 0.0, 0
    )

    found = judged(of(r.Range, name="distance", max=250), told)

    assert (found.state, found.rows) == (State.HELD, 60)


@quick
@given(
    parts=st.lists(
        st.lists(st.one_of(st.floats(-1e6, 1e6), st.none(), st.booleans(), st.just("x")), max_size=8), max_size=5
    )
)
def test_tails_of_parts_are_those_of_the_whole(parts):
    features = features_of(REFERENCE)

    def tails(values):
        rows = [{"distance": value} for value in values]
        return tails_of(features, rows, cells_of(features, rows))

    whole = tails([value for part in parts for value in part])

    assert join(map(tails, parts)) == join(map(tails, reversed(parts))) == whole
    assert join([whole, None]) is None


@pytest.mark.parametrize(
    ("values", "state"),
    [(["AA", "UA"], State.BROKEN), (["AA", "UA", "DL"], State.UNSURE), (["AA"], State.BROKEN)],
)
def test_a_new_category_alarms_unless_the_contract_knows_some_that_the_reference_does_not(values, state):
    rule = of(r.Categories, name="carrier", values=values, max_new_share=0.05)

    assert judged(rule, lately(carrier=["AA"] * 40 + ["UA"] * 20 + ["ZZ"] * 20)).state == state
    assert (
        judged(of(r.Categories, name="carrier", values=["AA", "UA"]), lately(carrier=["AA"] * 80)).state == State.HELD
    )


@pytest.mark.parametrize(
    ("rule", "silent", "rows", "state"),
    [
        (of(r.LiveFreshness, max_age_minutes=30), 29.0, 0, State.HELD),
        (of(r.LiveFreshness, max_age_minutes=30), 31.0, 0, State.BROKEN),
        (of(r.LiveFreshness, max_age_minutes=30), None, 0, State.NO_DATA),
        (of(r.LiveRows, min_per_hour=100), 1.0, 99, State.BROKEN),
        (of(r.LiveRows, min_per_hour=100, max_per_hour=200), 1.0, 100, State.HELD),
        (of(r.LiveRows, max_per_hour=200), 1.0, 201, State.BROKEN),
    ],
)
def test_freshness_and_counts_come_from_telemetry(rule, silent, rows, state):
    assert judged(rule, lately(silent_minutes=silent, hour_rows=rows)).state == state


def test_what_counts_cannot_tell_is_asked_of_data_sets_alone_and_what_is_broken_comes_first():
    seen = lately([None] * 60 + [150.0] * 40, ["AA"] * 60)
    found = judge(
        [
            of(r.Unique, together=["id"]), of(r.Nulls, name="carrier"), of(r.Column, name="distance", type="double"),
            of(r.Nulls, name="other"), of(r.Nulls, name="distance"),
        ], seen,
    )  # fmt: skip

    assert [(one.rule, one.state) for one in found] == [("nulls:distance", "broken"), ("nulls:carrier", "held")]
    assert (MISSING, UNSEEN) == (1023, 1022)


@pytest.fixture
def champion(db):
    """A champion that was trained on a data set of its team, with its reference."""
    model = make_model(make_team())
    data = make_data(model.team, pd.DataFrame(TRAINED | {"constant": 1.0}))
    version = make_trained_champion(model, data.digest, INPUTS)
    reference_record(version=version, source="training", rows=100, columns=REFERENCE)
    return version


def contract_of(version, *rules):
    dataset = version.model.team.datasets.get()
    return contract_change(
        actor=make_actor(version.model.team), dataset=dataset, reason="For tests.",
        document={"rules": [{"reason": "For tests.", **rule} for rule in rules]},
    )  # fmt: skip


NEVER_MISSING = {"kind": "nulls", "column": "distance", "max_share": 0.01}


def predicted(version, *, missing, rows=100, at=NOW, arm="champion"):
    features = features_of(REFERENCE)
    values = [None] * missing + [150.0] * (rows - missing)
    cells = cells_of(features, [{"distance": d, "carrier": "AA"} for d in values])
    FeatureHistogram.objects.update_or_create(
        version=version, arm=arm, span=300, started_at=at.replace(minute=at.minute // 5 * 5, second=0),
        defaults={"rows": rows, "cells": cells.pack()},
    )  # fmt: skip
    TelemetryWindow.objects.update_or_create(
        version=version,
        arm=arm,
        started_at=at,
        table_version=1,
        weight_bp=10_000,
        defaults={"rows": rows, "requests": rows},
    )


def test_a_break_is_an_alert_within_a_look_and_is_over_once_it_holds(champion):
    contract_of(champion, NEVER_MISSING, {"kind": "live_freshness", "max_age_minutes": 60})
    predicted(champion, missing=30)

    assert live_checks_make(now=NOW) == 1
    live_checks_make(now=NOW + timedelta(seconds=20))  # the same minute

    check = LiveCheck.objects.get()
    assert (check.state, check.broken, check.held, check.rows) == ("broken", 1, 1, 100)
    assert [result["rule"] for result in check.results] == ["nulls:distance"]
    alert = Alert.objects.get(cleared_at=None)
    assert (alert.kind, alert.key, alert.severity) == ("data_quality", "contract:nulls:distance", "critical")
    assert alert.link == f"{champion.model.path}data-quality/#nulls:distance"
    assert "distance is missing in at most 1%, but it was 30 of 100, 30%" in alert.title
    assert "Ask who sends distance" in alert.next_step

    later = NOW + timedelta(minutes=20)
    predicted(champion, missing=0, at=later)
    live_checks_make(now=later)

    alert.refresh_from_db()
    assert alert.cleared_at
    assert LiveCheck.objects.first().state == "held"


def test_too_few_rows_neither_raise_nor_clear_an_alert(champion):
    contract_of(champion, NEVER_MISSING)
    predicted(champion, missing=3, rows=3)
    live_checks_make(now=NOW)
    assert not Alert.objects.exists()

    predicted(champion, missing=60)
    live_checks_make(now=NOW + timedelta(minutes=1))
    live_checks_make(now=NOW + timedelta(hours=2))  # nobody asks any more

    assert Alert.objects.get().cleared_at is None
    assert [check.state for check in LiveCheck.objects.all()] == ["no_data", "broken", "no_data"]


def test_a_rule_that_the_contract_says_no_more_clears_its_alert(champion):
    contract_of(champion, NEVER_MISSING)
    predicted(champion, missing=60)
    live_checks_make(now=NOW)

    contract_of(champion, {"kind": "nulls", "column": "carrier"})
    live_checks_make(now=NOW + timedelta(minutes=1))

    assert Alert.objects.get().cleared_at
    assert LiveCheck.objects.first().contract == DataContract.objects.in_force().get()


def test_an_advisory_rule_warns(champion):
    contract_of(champion, NEVER_MISSING | {"severity": "advisory"})
    predicted(champion, missing=60)

    live_checks_make(now=NOW)

    assert LiveCheck.objects.get().state == "noted"
    assert Alert.objects.get().severity == "warning"


def test_shadow_copies_and_older_windows_are_left_out(champion):
    contract_of(champion, NEVER_MISSING)
    predicted(champion, missing=100, arm="shadow")
    predicted(champion, missing=100, at=NOW - timedelta(minutes=30))
    predicted(champion, missing=0)

    found = live_judgement(live_subject(champion.model), now=NOW)

    assert (found.rows, found.state) == (100, "held")


def test_a_team_chooses_another_contract_and_goes_back(champion):
    data = make_data(champion.model.team, pd.DataFrame(TRAINED))
    first = contract_of_data(champion, champion.model.team.datasets.order_by("pk").first())
    other = contract_of_data(champion, data.dataset)
    engineer = make_actor(champion.model.team)
    assert live_subject(champion.model).contract == first

    live_contract_choose(actor=engineer, model=champion.model, dataset=data.dataset)
    assert live_subject(champion.model).contract == other
    live_contract_choose(actor=engineer, model=champion.model, dataset=None)

    assert live_subject(champion.model).contract == first
    events = AuditEvent.objects.filter(action="live_contract.choose").order_by("seq").values_list("payload", flat=True)
    assert [event["after"] for event in events] == [data.dataset.name, None]


def contract_of_data(version, dataset):
    return contract_change(
        actor=make_actor(version.model.team), dataset=dataset, reason="For tests.",
        document={"rules": [{"reason": "For tests.", **NEVER_MISSING}]},
    )  # fmt: skip


def test_another_teams_data_set_and_a_viewer_are_refused(champion):
    foreign = make_data(make_team(), pd.DataFrame(TRAINED))

    with pytest.raises(InvalidError, match="has no data set"):
        live_contract_choose(actor=make_actor(champion.model.team), model=champion.model, dataset=foreign.dataset)
    with pytest.raises(RoleError):
        live_contract_choose(actor=make_actor(champion.model.team, Role.VIEWER), model=champion.model, dataset=None)


def test_models_without_a_contract_are_not_looked_at_and_looks_are_forgotten(champion):
    make_champion()
    assert live_checks_make(now=NOW) == 0

    contract_of(champion, NEVER_MISSING)
    live_checks_make(now=NOW)
    live_checks_make(now=NOW + timedelta(days=8))

    assert live_checks_forget(now=NOW + timedelta(days=8)) == 1


def test_looks_at_many_models_ask_few_questions(champion, django_assert_max_num_queries):
    contract_of(champion, NEVER_MISSING)
    for _ in range(5):
        make_champion()

    with django_assert_max_num_queries(4):
        from monitoring.selectors.contracts import live_subjects

        assert len(live_subjects()) == 1
