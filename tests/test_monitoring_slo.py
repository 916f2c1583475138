"""Objectives: who may set them, what is refused, and how they stand by real counts."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.conf import settings
from django.http import Http404

from monitoring import selectors, services
from monitoring.models import Slo
from monitoring.shipping import ship
from monitoring.slo.arithmetic import Standing, standing
from registry.errors import ConflictError, InvalidError, RoleError
from registry.models import AuditEvent, ModelVersion, Role
from tests.factories import NOON, make_actor, make_model, make_record, make_segment, make_team, make_version

pytestmark = pytest.mark.django_db
NOW = datetime.fromtimestamp(NOON, UTC) + timedelta(minutes=10)
COST = {"kind": "cost", "slice_s": 300, "slice_target": 0.5}
FRESH = {"kind": "freshness", "column": "taken_at", "column_holds": "instant", "max_age_s": 3600}
SLICED = {"budgeting": "timeslices", "slice_s": 300, "slice_target": 0.99}


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
    assert event.payload == {"slo": slo.pk, "after": {
        "name": "latency-20ms-7d", "kind": "latency", "objective": "0.995", "window_days": 7, "threshold_ms": 20.0
    }}  # fmt: skip


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
        ({"calendar": "month", "window_days": 30}, "window_days"),
        ({"calendar": "year", "window_days": None}, "calendar"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"budgeting": "guesses"}, "budgeting"),
        ({"budgeting": "timeslices", "slice_target": 0.9}, "slice_s"),
        ({"budgeting": "timeslices", "slice_s": 7, "slice_target": 0.9}, "slice_s"),
        (SLICED | {"slice_target": 1.5}, "slice_target"),
        ({"slice_target": 0.9}, "slice_target"),
        (COST | {"budgeting": "occurrences"}, "budgeting"),
        (COST | {"slice_target": 0.0}, "slice_target"),
        (COST | {"slice_target": float("nan")}, "slice_target"),
        (FRESH | {"column": ""}, "column"),
        (FRESH | {"column_holds": "feeling"}, "column_holds"),
        (FRESH | {"max_age_s": 0}, "max_age_s"),
        ({"column": "x"}, "column"),
        ({"input_slice": {"origin": ["JFK"]}}, "input_slice"),
        ({"input_slice": dict.fromkeys("abcdef", 1)}, "input_slice"),
        ({"name": "Availability!"}, "name"),
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


def test_name_is_unique_within_the_model():
    model = make_model()
    create(model, name="callers-first")
    create(make_model(), name="callers-first")

    with pytest.raises(ConflictError, match="callers-first"):
        create(model, name="callers-first", window_days=7)

    assert model.slos.count() == 1


def test_what_no_version_reads_or_the_log_withholds_is_no_slice():
    version = make_version(make_model(), servable=False)
    inputs = [{"name": name, "type": "string"} for name in ("origin", "card")]
    ModelVersion.objects.filter(pk=version.pk).update(signature={"inputs": inputs})
    services.log_policy_change(
        actor=make_actor(version.model.team), model=version.model, keep_days=400, columns={"card": "hash"}, reason="x"
    )

    with pytest.raises(InvalidError, match="it has card, origin"):
        create(version.model, input_slice={"airport": "JFK"})
    with pytest.raises(InvalidError, match="withheld"):
        create(version.model, input_slice={"card": "1"})
    with pytest.raises(InvalidError, match="withheld"):
        create(version.model, **FRESH | {"column": "card"})

    assert create(version.model, input_slice={"origin": "JFK"}).name == "availability-origin-jfk-30d"


def test_edit_keeps_what_was_promised_before_and_why():
    model = make_model()
    slo = create(model, kind="latency", threshold_ms=20)
    product = make_actor(model.team, Role.PRODUCT)

    edited = services.slo_edit(
        actor=product, slo=slo, reason="Callers wait longer.", threshold_ms=50.0, calendar="month"
    )

    assert (edited.threshold_ms, edited.calendar, edited.window_days) == (50.0, "month", None)
    event = AuditEvent.objects.get(action="slo.edit", subject=slo.path)
    assert ("threshold_ms", 20.0, 50.0) in event.changes
    assert (event.payload["reason"], event.payload["counted_anew"]) == ("Callers wait longer.", True)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"reason": " ", "objective": "0.9"}, "Say why"),
        ({"reason": "x"}, "Nothing changes"),
        ({"reason": "x", "kind": "latency"}, "kind stays"),
        ({"reason": "x", "objective": "2"}, "share between 0 and 1"),
    ],
)
def test_edit_that_is_refused_changes_nothing(changes, refusal):
    slo = create(make_model())

    with pytest.raises(InvalidError, match=refusal):
        services.slo_edit(actor=make_actor(slo.model.team), slo=slo, **changes)

    assert Slo.objects.get().objective == Decimal("0.99")
    assert not AuditEvent.objects.filter(action="slo.edit").exists()


def test_viewers_and_approvers_edit_no_objectives():
    slo = create(make_model())

    for role in (Role.VIEWER, Role.APPROVER):
        with pytest.raises(RoleError):
            services.slo_edit(actor=make_actor(slo.model.team, role), slo=slo, reason="x", objective="0.9")

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

    assert (status.sli, status.left, status.minutes_left, status.fast.long, status.slow.long) == (None,) * 5
    assert {burn.burning for burn in status.burns} == {None}
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
    assert status.fast.long == status.slow.long == pytest.approx(0.5)
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


def test_burn_rates_look_back_by_five_minutes_and_the_window_by_the_hour():
    version = make_version(make_model())
    slo = create(version.model)  # over 30 days: 1 h and 5 min, 6 h and 30 min, …
    hour = 3600
    asked = [
        -49 * 60,  # 61 minutes ago: in the five minutes that the hour begins in
        -56 * 60,  # 68 minutes ago: outside fast
        -5 * hour,
        -5.95 * hour,  # outside slow
        -23 * hour,
        -31 * 24 * hour,  # outside the window
    ]
    ship_records(
        *[make_record(version, after=0, status=500, outputs={}) for _ in range(3)],  # 12 minutes ago
        *[make_record(version, after=after) for after in asked for _ in range(3)],
    )

    [status] = selectors.slo_statuses([slo], now=NOW + timedelta(minutes=2))

    assert status.fast.long == pytest.approx(100 / 2)
    # Nobody asked in the last five minutes, which tells nothing: the last fifteen do.
    assert (status.fast.short, status.fast.widened) == (pytest.approx(100), timedelta(minutes=15))
    assert status.slow.long == pytest.approx(100 / 4)
    assert [burn.burning for burn in status.burns] == [True, True, True, True]
    assert status.standing is Standing.MISSED
    assert (status.bad, status.total) == (3, 18)


def test_both_look_backs_have_to_burn():
    version = make_version(make_model())
    slo = create(version.model, objective="0.9")
    ship_records(*[make_record(version, after=-40 * 60, status=500, outputs={}) for _ in range(30)],
                 *[make_record(version, after=9 * 60) for _ in range(30)])  # fmt: skip

    [status] = selectors.slo_statuses([slo], now=NOW)
    [before] = selectors.slo_statuses([slo], now=NOW - timedelta(hours=3))

    assert (status.fast.long, status.fast.short, status.fast.burning) == (pytest.approx(5.0), 0.0, False)
    assert before.fast.burning is None


@pytest.mark.parametrize(
    ("left", "burning", "expected"),
    [
        (None, False, Standing.NO_DATA),
        (None, True, Standing.NO_DATA),
        (0.9, False, Standing.MET),
        (0.9, True, Standing.BURNING),
        (-0.01, True, Standing.MISSED),
    ],
)
def test_standing(left, burning, expected):
    assert standing(left=left, burning=burning) is expected


def test_queries_do_not_grow_with_objectives(django_assert_num_queries):
    first = make_model()
    kinds = [{}, COST, FRESH, {"budgeting": "timeslices", "slice_s": 300, "slice_target": 0.9, "window_days": 7}]
    few = [create(first, **kind) for kind in kinds]
    many = few + [create(model, **kind) for model in (make_model(), make_model()) for kind in kinds]

    for slos in (few, many):
        with django_assert_num_queries(4):
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
