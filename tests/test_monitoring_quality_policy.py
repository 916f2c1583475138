"""Who decides how quality is told, what makes no sense, and that nothing of it is lost."""

import pytest
from django.db import DatabaseError, connection, transaction

from monitoring.models import QualityDue, QualityPolicy
from monitoring.selectors.quality_policy import quality_history, quality_policy_of
from monitoring.services import quality_policy_change
from registry.errors import InvalidError, RoleError
from registry.models import AuditEvent, Role
from tests.factories import make_actor, make_model
from tests.quality import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def model():
    return make_model(name="flight-delay")


def change(model, role=Role.PRODUCT, **changes):
    return quality_policy_change(actor=make_actor(model.team, role), model=model, now=NOW, **changes)


def test_policies_are_numbered_and_audited(model):
    change(model, maturity_s=7200, metric="recall_at_5pct_alerts", limit=0.2)
    change(model, limit=0.25, reason="Agreed with the claims team.")

    assert [p.number for p in quality_history(model)] == [2, 1]
    assert (quality_policy_of(model).limit, quality_policy_of(model).maturity_s) == (0.25, 7200)
    event = AuditEvent.objects.filter(action="quality_policy.change").latest("seq")
    assert event.payload["changes"] == ["limit: 0.2 → 0.25"]
    assert event.payload["reason"] == "Agreed with the claims team."


def test_the_same_again_is_no_change(model):
    change(model, maturity_s=7200)

    assert change(model, maturity_s=7200).number == 1
    assert AuditEvent.objects.filter(action="quality_policy.change").count() == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"threshold": 1.5}, "threshold"),
        ({"threshold": float("nan")}, "threshold"),
        ({"threshold": True}, "threshold"),
        ({"min_coverage": -0.1}, "min_coverage"),
        ({"tolerance": 1.0}, "tolerance"),
        ({"kind": "number", "tolerance": -1.0}, "tolerance"),
        ({"kind": "vector"}, "kind"),
        ({"maturity_s": 91 * 86_400}, "maturity_s"),
        ({"watched_s": 60}, "watched_s"),
        ({"metric": "mean_absolute_error", "limit": 1.0}, "metric"),
        ({"metric": "roc_auc"}, "limit"),
        ({"limit": 0.5}, "metric"),
        ({"kind": "number", "metric": "within_tolerance", "limit": 0.9}, "tolerance"),
        ({"slices": {"origin": []}}, "slices"),
        ({"slices": {"origin": [str(n) for n in range(21)]}}, "slices"),
        ({"slices": {"origin": ["x" * 200]}}, "slices"),
    ],
)
def test_what_makes_no_sense_is_refused_by_field(model, changes, field):
    with pytest.raises(InvalidError) as refused:
        change(model, **changes)

    assert refused.value.field == field
    assert not QualityPolicy.objects.exists()
    assert not QualityDue.objects.exists()


def test_a_change_without_a_reason_is_refused(model):
    change(model, maturity_s=7200)

    with pytest.raises(InvalidError) as refused:
        change(model, maturity_s=3600)

    assert refused.value.field == "reason"
    assert quality_policy_of(model).maturity_s == 7200


@pytest.mark.parametrize("role", [Role.VIEWER, Role.APPROVER])
def test_who_may_not_decide_on_quality(model, role):
    with pytest.raises(RoleError):
        change(model, role, maturity_s=7200)

    assert not QualityPolicy.objects.exists()


def refused_in_sql(sql, *values):
    with pytest.raises(DatabaseError) as refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, values)
    return str(refused.value)


def test_the_database_keeps_policies_as_they_are(model):
    change(model, maturity_s=7200)

    assert "append-only" in refused_in_sql("UPDATE monitoring_qualitypolicy SET threshold = 0.9")
    assert "append-only" in refused_in_sql("DELETE FROM monitoring_qualitypolicy")
    assert "permission denied" in refused_in_sql("TRUNCATE monitoring_qualitypolicy")


@pytest.mark.parametrize(
    ("number", "role", "reason", "said"),
    [
        (3, Role.ENGINEER, "Why not.", "next number, 2"),
        (2, Role.VIEWER, "Why not.", "only an engineer, product or admin"),
        (2, Role.ENGINEER, " ", "says why"),
    ],
)
def test_the_database_asks_for_number_role_and_reason(model, number, role, reason, said):
    change(model, maturity_s=7200)
    person = make_actor(model.team, role).user.pk

    refusal = refused_in_sql(
        "INSERT INTO monitoring_qualitypolicy (model_id, number, kind, output, threshold, maturity_s, min_coverage, slices, metric,"
        " watched_s, reason, changed_by_id) VALUES (%s, %s, '', '', 0.5, 60, 0.5, '{}', '', 3600, %s, %s)",
        model.pk, number, reason, person,
    )  # fmt: skip

    assert said in refusal
    assert quality_policy_of(model).number == 1
