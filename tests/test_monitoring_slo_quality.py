"""Objectives on quality: final and provisional spans, too few labels, and labels that come late and restate the budget."""

from datetime import timedelta

import pytest

from monitoring import selectors, services
from monitoring.models import Label, SloSpan
from monitoring.services import quality_policy_change
from registry.errors import InvalidError
from registry.models import AuditEvent, Role
from tests.factories import make_actor, make_model, make_version
from tests.quality import AT, HOUR, NOW, count, many, tell

pytestmark = pytest.mark.django_db
RIGHT, WRONG, UNKNOWN = (0.9, True), (0.9, False), (0.9, None)
TERMS = {
    "kind": "quality", "objective": "0.9", "metric": "accuracy", "slice_s": 3600, "maturity_s": 7200, "min_coverage": 0.5,
}  # fmt: skip


@pytest.fixture
def version():
    return make_version(make_model())


def create(model, **fields):
    return services.slo_create(actor=make_actor(model.team, Role.PRODUCT), model=model, **TERMS | fields)


def look(slo, now=NOW):
    count(now)
    services.restate(now=now)
    return selectors.slo_statuses([slo], now=now)[0]


def spans(slo):
    return list(slo.spans.order_by("started_at").values_list("started_at", "state", "bad", "total"))


def test_metric_that_counts_events_budgets_them_by_when_was_predicted(version):
    slo = create(version.model)
    many(version, [RIGHT] * 38 + [WRONG] * 2)
    many(version, [RIGHT] * 30 + [WRONG] * 10, after=3600)

    status = look(slo)

    assert spans(slo) == [(AT, "final", 2, 40), (AT + HOUR, "final", 10, 40)]
    assert (status.bad, status.total) == (12, 80)
    assert status.left == pytest.approx(1 - (12 / 80) / 0.1)


def test_other_metrics_budget_spans_in_the_metrics_own_direction(version):
    slo = create(version.model, metric="brier_score", slice_target=0.2)
    many(version, [RIGHT] * 38 + [WRONG] * 2)  # 0.05
    many(version, [RIGHT] * 20 + [WRONG] * 20, after=3600)  # 0.41

    status = look(slo)

    assert [row[1:] for row in spans(slo)] == [("final", 0, 1), ("final", 1, 1)]
    assert (status.bad, status.total, status.sli) == (1, 2, 0.5)


def test_spans_are_provisional_until_labels_are_due_and_the_budget_waits(version):
    slo = create(version.model)
    many(version, [RIGHT] * 30 + [WRONG] * 10)

    early = look(slo, AT + 2 * HOUR)
    assert (early.left, early.total, early.labels.provisional) == (None, 0, 1)
    assert early.labels.left == pytest.approx(1 - 0.25 / 0.1)

    due = look(slo, AT + 3 * HOUR)
    assert (due.bad, due.total, due.labels.provisional, due.labels.final) == (10, 40, 0, 1)


def test_too_few_labels_are_no_data_and_say_why(version):
    slo = create(version.model)
    many(version, [RIGHT] * 40 + [UNKNOWN] * 60)

    status = look(slo)

    assert (status.left, status.total, status.standing) == (None, 0, "no data")
    assert [span.why for span in status.labels.missing] == ["labels of 40% of the predictions; 50% are asked for"]


def test_late_labels_restate_the_budget_once_and_the_trail_says_so(version):
    slo = create(version.model)
    late = many(version, [RIGHT] * 40 + [UNKNOWN] * 10)
    assert look(slo).bad == 0
    assert not AuditEvent.objects.filter(action="slo.restate").exists()

    for record in late[40:]:
        tell(version, record, False)
    status = look(slo)
    look(slo)

    assert (status.bad, status.total) == (10, 50)
    event = AuditEvent.objects.get(action="slo.restate", subject=slo.path)
    span = f"{AT:%Y-%m-%d %H:%M}"
    assert event.payload["before"] == {span: {"bad": 0, "total": 40, "labelled": 40}}
    assert event.payload["after"] == {span: {"bad": 10, "total": 50, "labelled": 50}}
    assert event.actor == "monitoring"


def test_corrected_labels_restate_too_and_provisional_ones_do_not(version):
    slo = create(version.model)
    [record, *_] = many(version, [RIGHT] * 40)
    look(slo, AT + 2 * HOUR)
    tell(version, record, False, known=timedelta(days=2))
    look(slo, AT + 2 * HOUR)
    assert not AuditEvent.objects.filter(action="slo.restate").exists()

    look(slo)
    tell(version, record, True, known=timedelta(days=3))

    assert look(slo).bad == 0
    assert AuditEvent.objects.filter(action="slo.restate").count() == 1
    assert Label.objects.filter(request_id=record.request_id).count() <= 3


def test_edit_of_how_spans_are_judged_states_them_anew_without_a_restatement(version):
    slo = create(version.model, metric="brier_score", slice_target=0.2)
    many(version, [RIGHT] * 20 + [WRONG] * 20)
    assert look(slo).bad == 1

    slo = services.slo_edit(actor=make_actor(version.model.team), slo=slo, reason="Too strict.", slice_target=0.5)
    assert not SloSpan.objects.exists()

    assert look(slo).bad == 0
    assert not AuditEvent.objects.filter(action="slo.restate").exists()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"metric": "speed"}, "metric"),
        ({"metric": "brier_score"}, "slice_target"),
        ({"metric": "brier_score", "budgeting": "occurrences"}, "budgeting"),
        ({"budgeting": "occurrences", "slice_target": 0.5}, "slice_target"),
        ({"slice_s": 300}, "slice_s"),
        ({"maturity_s": -1}, "maturity_s"),
        ({"min_coverage": 0.0}, "min_coverage"),
        ({"input_slice": {"origin": "JFK"}}, "input_slice"),
    ],
)
def test_unsound_objectives_on_quality_are_refused(version, fields, field):
    with pytest.raises(InvalidError) as refused:
        create(version.model, **fields)

    assert refused.value.field == field


def test_what_is_left_out_is_as_the_quality_policy_has_it_and_slices_are_those_it_counts(version):
    quality_policy_change(
        actor=make_actor(version.model.team), model=version.model, maturity_s=3600, min_coverage=0.25,
        slices={"carrier": ["AA"]}, reason="Labels come fast.", now=NOW,
    )  # fmt: skip

    slo = create(version.model, maturity_s=None, min_coverage=None, input_slice={"carrier": "AA"})
    many(version, [RIGHT] * 30 + [WRONG] * 10)

    assert (slo.maturity_s, slo.min_coverage) == (3600, 0.25)
    assert (look(slo).bad, look(slo).total) == (10, 40)
