"""Objectives: who may set them, what is refused, and how they stand by real counts."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.conf import settings
from django.http import Http404

from monitoring import selectors, services
from monitoring.models import Slo
from monitoring.shipping import ship
from monitoring.slo import Standing, standing
from registry.errors import ConflictError, InvalidError, RoleError
from registry.models import AuditEvent, Role
from tests.factories import NOON, make_actor, make_model, make_record, make_segment, make_team, make_version

pytestmark = pytest.mark.django_db
NOW = datetime.fromtimestamp(NOON, UTC) + timedelta(minutes=10)


def create(model, *, role=Role.PRODUCT, actor=None, **fields):
    asked = {"kind": "availability", "objective": "0.99", "window_days": 30} | fields
    return services.slo_create(actor=actor or make_actor(model.team, role), model=model, **asked)


def ship_records(*records):
    make_segment(settings.SPOOL_ROOT, "spool-a", 1, records)
    ship()


def test_slo_is_created_and_audited():
    model = make_model()

    slo = create(model, kind="latency", objective="0.995", threshold_ms=20, window_days=7)

    assert (slo.objective, slo.threshold_us, slo.window_days) == (Decimal("0.995"), 20_000, 7)
    event = AuditEvent.objects.get(action="slo.create")
    assert event.subject == model.path
    assert event.payload["after"] == {"kind": "latency", "objective": "0.995", "window_days": 7, "threshold_ms": 20.0}


@pytest.mark.parametrize("role", [Role.VIEWER, Role.APPROVER])
def test_other_roles_set_no_objectives(role):
    model = make_model()

    with pytest.raises(RoleError):
        create(model, role=role)

    assert not Slo.objects.exists()
    assert not AuditEvent.objects.filter(action="slo.create").exists()


def test_another_team_sees_no_such_model():
    with pytest.raises(Http404):
        create(make_model(), actor=make_actor(make_team()))

    assert not Slo.objects.exists()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "speed"}, "kind"),
        ({"objective": "1"}, "objective"),
        ({"objective": "0"}, "objective"),
        ({"objective": "NaN"}, "objective"),
        ({"objective": "ninety"}, "objective"),
        ({"objective": "0.9999999"}, "objective"),
        ({"window_days": 3}, "window_days"),
        ({"threshold_ms": 20}, "threshold_ms"),
        ({"kind": "latency"}, "threshold_ms"),
        ({"kind": "latency", "threshold_ms": 30}, "threshold_ms"),
    ],
)
def test_unsound_objectives_are_refused(fields, field):
    model = make_model()

    with pytest.raises(InvalidError) as refused:
        create(model, **fields)

    assert refused.value.field == field
    assert not Slo.objects.exists()


def test_the_refusal_of_a_threshold_names_the_edges():
    with pytest.raises(InvalidError, match=r"0\.05, 0\.1, .* 20, 50, .* 10000\. Latencies are counted in bins"):
        create(make_model(), kind="latency", threshold_ms=30)


def test_an_objective_is_said_once():
    model = make_model()
    create(model)

    with pytest.raises(ConflictError):
        create(model, objective="0.9")

    assert Slo.objects.get().objective == Decimal("0.99")


def test_slo_is_deleted_and_audited():
    model = make_model()
    slo = create(model)
    with pytest.raises(RoleError):
        services.slo_delete(actor=make_actor(model.team, Role.VIEWER), slo=slo)
    assert Slo.objects.exists()

    services.slo_delete(actor=make_actor(model.team), slo=slo)

    assert not Slo.objects.exists()
    assert AuditEvent.objects.get(action="slo.delete").payload["before"]["objective"] == "0.99"


def test_without_traffic_an_objective_has_no_data():
    slo = create(make_model())

    [status] = selectors.slo_statuses([slo], now=NOW)

    assert (status.sli, status.left, status.minutes_left, status.fast, status.slow) == (None,) * 5
    assert status.standing is Standing.NO_DATA
    assert {step.left for step in status.steps} == {None}


def test_availability_by_exact_values():
    version = make_version(make_model())
    slo = create(version.model)
    ship_records(
        *[make_record(version) for _ in range(995)],
        *[make_record(version, status=503, outputs={}) for _ in range(5)],
        *[make_record(version, status=422, outputs={}) for _ in range(50)],
        *[make_record(version, status=500, pinned=True, outputs={}) for _ in range(50)],
        *[make_record(version, status=500, arm="shadow", outputs={}) for _ in range(50)],
    )

    [status] = selectors.slo_statuses([slo], now=NOW)

    assert (status.bad, status.total, status.sli) == (5, 1000, 0.995)
    assert status.left == pytest.approx(0.5)
    assert status.minutes_left == pytest.approx(0.5 * 432)
    assert status.fast == status.slow == pytest.approx(0.5)
    assert status.standing is Standing.MET
    assert [step.left for step in status.steps] == pytest.approx([1.0] * 30 + [0.5])
    assert status.steps[-1].at == datetime(2026, 11, 25, tzinfo=UTC)


def test_latency_by_exact_values():
    version = make_version(make_model())
    slo = create(version.model, kind="latency", threshold_ms=1, objective="0.9", window_days=7)
    ship_records(
        *[make_record(version, latency_us=1_000) for _ in range(60)],
        *[make_record(version, latency_us=1_001) for _ in range(40)],
        *[make_record(version, latency_us=9, status=500, outputs={}) for _ in range(50)],
    )

    [status] = selectors.slo_statuses([slo], now=NOW)

    assert (status.bad, status.total) == (40, 100)
    assert status.left == pytest.approx(-3.0)
    assert status.standing is Standing.MISSED


def test_burn_rates_look_back_to_the_second_and_the_window_by_the_hour():
    version = make_version(make_model())
    slo = create(version.model, window_days=1)
    hour = 3600
    ship_records(
        make_record(version, after=0, status=500, outputs={}),  # 10 minutes ago
        make_record(version, after=-51 * 60),  # 61 minutes ago: outside fast
        make_record(version, after=-5 * hour),
        make_record(version, after=-5.9 * hour),  # 6 h 4 min ago: outside slow
        make_record(version, after=-23 * hour),
        make_record(version, after=-25 * hour),  # outside the window
    )

    [status] = selectors.slo_statuses([slo], now=NOW)

    assert status.fast == pytest.approx(100.0)
    assert status.slow == pytest.approx(100 / 3)
    assert status.total == 5
    assert [step.left for step in status.steps] == pytest.approx([1] * 24 + [-19])
    assert [step.total for step in status.steps if step.total] == [1] * 5


@pytest.mark.parametrize(
    ("left", "fast", "slow", "expected"),
    [
        (None, None, None, Standing.NO_DATA),
        (0.9, None, None, Standing.MET),
        (0.9, 14.3, 5.9, Standing.MET),
        (0.9, 14.4, None, Standing.BURNING),
        (0.9, 0.0, 6.0, Standing.BURNING),
        (-0.01, 0.0, 0.0, Standing.MISSED),
    ],
)
def test_standing(left, fast, slow, expected):
    assert standing(left=left, fast=fast, slow=slow) is expected


def test_queries_do_not_grow_with_objectives(django_assert_num_queries):
    slos = [create(make_model()) for _ in range(5)]

    with django_assert_num_queries(5):
        selectors.slo_statuses(slos, now=NOW)


def test_traffic_of_the_last_minutes_by_arm():
    version = make_version(make_model())
    second = make_version(version.model)
    of_canary = {"arm": "canary", "weight_bp": 500}
    ship_records(
        *[make_record(version, after=n * 10, weight_bp=9_500, latency_us=700) for n in range(-30, 0)],
        *[make_record(second, after=-50, **of_canary, status=n, outputs={}) for n in (200, 500)],
        *[make_record(version, after=-50, arm="shadow", weight_bp=0) for _ in range(9)],
    )

    seen = selectors.traffic(version.model, now=datetime.fromtimestamp(NOON, UTC))

    assert [(a.number, a.arm, a.weight_bp, a.last.counts.requests) for a in seen.arms] == [
        (1, "champion", 9_500, 30),
        (1, "shadow", 0, 9),
        (2, "canary", 500, 2),
    ]
    champion, _, canary = seen.arms
    assert champion.last.requests_per_s == pytest.approx(0.1)
    assert champion.last.p50_ms == 0.75
    assert canary.last.error_rate == 0.5
    assert seen.last.counts.requests == 32
    assert seen.counted_until == datetime.fromtimestamp(NOON, UTC)
    assert [step.counts.requests for step in champion.steps][-2:] == [3, 3]


def test_traffic_of_a_model_that_was_never_called():
    seen = selectors.traffic(make_model(), now=NOW)

    assert (seen.arms, seen.counted_until, seen.last.p99_ms, seen.last.error_rate) == ([], None, None, None)
    assert seen.last.requests_per_s == 0
