"""What the shipper counts for objectives: by slice, freshness, cost and time slices; once, and from what was counted before."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import Sum
from django.http import Http404

from monitoring import selectors, services
from monitoring.counting.objectives import DETAIL_KEPT, count_anew, tidy_counts
from monitoring.counting.shipped import count
from monitoring.models import ModelPrice, Slo, SloCount, TelemetryHour, TelemetryWindow
from monitoring.predictions.lake import Segment
from monitoring.selectors import charged
from monitoring.shipping import ship
from registry.models import Role
from tests.factories import NOON, make_actor, make_model, make_record, make_segment, make_version

pytestmark = pytest.mark.django_db
NOW = datetime.fromtimestamp(NOON, UTC) + timedelta(minutes=10)
DAY = 86_400
FAILED = {"status": 503, "outputs": {}}


@pytest.fixture
def version():
    return make_version(make_model())


def create(model, **fields):
    asked = {"kind": "availability", "objective": "0.9"} | fields
    return services.slo_create(actor=make_actor(model.team, Role.PRODUCT), model=model, **asked)


def ship_records(*records, number=1):
    make_segment(settings.SPOOL_ROOT, "spool-a", number, records)
    ship()


def status_of(slo, now=NOW):
    return selectors.slo_statuses([Slo.objects.get(pk=slo.pk)], now=now)[0]


def sums(slo):
    found = SloCount.objects.filter(slo=slo).aggregate(bad=Sum("bad"), total=Sum("total"))
    return found["bad"] or 0, found["total"] or 0


def test_budget_of_a_slice_counts_its_requests_alone(version):
    slo = create(version.model, input_slice={"origin": "JFK"})
    everyone = create(version.model)

    ship_records(
        *[make_record(version, inputs={"origin": "JFK"}) for _ in range(8)],
        *[make_record(version, inputs={"origin": "JFK"}, **FAILED) for _ in range(2)],
        *[make_record(version, inputs={"origin": "EWR"}, **FAILED) for _ in range(90)],
        make_record(version, inputs={"origin": "JFK"}, arm="shadow", **FAILED),
        make_record(version, inputs={"origin": "JFK"}, pinned=True, **FAILED),
    )

    assert (status_of(slo).bad, status_of(slo).total) == (2, 10)
    assert (status_of(everyone).bad, status_of(everyone).total) == (92, 100)


def test_a_segment_that_comes_again_counts_once(version):
    slo = create(version.model, kind="freshness", column="age", column_holds="age", max_age_s=60)
    plain = create(version.model)
    records = [make_record(version, inputs={"age": age}) for age in (5, 61, 60, 600)]
    segment = Segment("spool-a", 1, make_segment(settings.SPOOL_ROOT, "spool-a", 1, records), records)

    count([segment])
    count([segment])

    assert sums(slo) == (2, 4)
    assert sums(plain) == (0, 4)


def test_objective_on_latency_starts_from_what_telemetry_kept(version):
    ship_records(
        *[make_record(version, latency_us=60_000, after=-n * 600) for n in range(6)],
        *[make_record(version, latency_us=900, after=-n * 600) for n in range(6)],
        make_record(version, latency_us=60_000, after=-5 * DAY),
    )
    TelemetryWindow.objects.filter(started_at__lt=NOW - timedelta(days=2)).delete()  # as after 48 hours
    slo = create(version.model, kind="latency", threshold_ms=50)

    ship_records(make_record(version, latency_us=900), number=2)

    assert (status_of(slo).bad, status_of(slo).total) == (7, 14)
    assert sums(slo)[1] == TelemetryHour.objects.aggregate(n=Sum("requests"))["n"]
    count_anew(slo)
    assert sums(slo) == (7, 14)


def test_edit_of_what_is_counted_counts_anew_and_of_the_target_does_not(version):
    slo = create(version.model, kind="latency", threshold_ms=50)
    ship_records(*[make_record(version, latency_us=n) for n in (900, 60_000, 150_000)])
    team = make_actor(version.model.team)

    services.slo_edit(actor=team, slo=slo, reason="Slower.", threshold_ms=100)
    assert sums(slo) == (1, 3)

    fresh = create(version.model, kind="freshness", column="age", column_holds="age", max_age_s=60)
    ship_records(make_record(version, inputs={"age": 70}), number=2)
    services.slo_edit(actor=team, slo=fresh, reason="Looser.", objective="0.8")
    assert sums(fresh) == (1, 1)
    services.slo_edit(actor=team, slo=fresh, reason="Older is fine.", max_age_s=100)
    assert sums(fresh) == (0, 0)


def test_stale_values_are_not_good_and_withheld_ones_do_not_count(version):
    slo = create(version.model, kind="freshness", column="taken_at", column_holds="instant", max_age_s=3600)

    ship_records(*[
        make_record(version, inputs={"taken_at": value})
        for value in ("2026-11-25T11:30:00Z", "2026-11-25T10:00:00Z", None, "hashed:1", NOON - 10)
    ], make_record(version, inputs={}))  # fmt: skip

    assert (status_of(slo).bad, status_of(slo).total) == (2, 4)


def test_a_slice_is_good_if_enough_of_its_requests_are_and_neither_without_any(version):
    slo = create(version.model, budgeting="timeslices", slice_s=300, slice_target=0.9)
    ship_records(
        *[make_record(version, after=-600) for _ in range(9)], make_record(version, after=-600, **FAILED),  # just met
        *[make_record(version, after=-1200) for _ in range(8)], make_record(version, after=-1200, **FAILED),  # missed
        make_record(version, after=600, **FAILED),  # its slice has not ended
    )  # fmt: skip

    status = status_of(slo)

    assert (status.bad, status.total, status.sli) == (1, 2, 0.5)
    assert status_of(slo, NOW + timedelta(minutes=5)).total == 3
    assert status.minutes_left == pytest.approx((1 - 0.5 / 0.1) * 0.1 * 30 * 24 * 60)


def test_slices_of_a_day_are_days_of_the_time_zone(version):
    slo = create(
        version.model, budgeting="timeslices", slice_s=DAY, slice_target=0.9, time_zone="Asia/Kolkata", calendar="month",
        window_days=None,
    )  # fmt: skip
    before, after = (datetime(2026, 11, 24, 18, minute, tzinfo=UTC).timestamp() - NOON for minute in (25, 35))
    ship_records(make_record(version, after=before, **FAILED), make_record(version, after=after))

    status = status_of(slo, datetime(2026, 11, 25, 19, tzinfo=UTC))

    assert (status.bad, status.total) == (1, 2)
    assert status.window.start == datetime(2026, 10, 31, 18, 30, tzinfo=UTC)
    assert [step.total for step in status.steps if step.total] == [1, 1]


def test_calendar_window_counts_from_its_first_moment(version):
    slo = create(version.model, calendar="day", window_days=None, time_zone="America/New_York")
    midnight = datetime(2026, 11, 25, 5, tzinfo=UTC).timestamp() - NOON
    ship_records(make_record(version, after=midnight - 1, **FAILED), make_record(version, after=midnight))

    assert (status_of(slo).bad, status_of(slo).total) == (0, 1)
    assert status_of(slo).window.length == timedelta(days=1)


def test_cost_by_declared_prices_without_the_shadow(version):
    slo = create(version.model, kind="cost", slice_s=300, slice_target=1.0)
    dear = make_version(version.model)
    when = NOW - timedelta(days=1)
    for of, price in ((None, {"per_1000": Decimal("0.9")}), (dear, {"per_cpu_hour": Decimal(36)})):
        ModelPrice.objects.create(
            model=version.model,
            version=of,
            currency="EUR",
            starts_at=when,
            reason="x",
            declared_by=slo.created_by,
            **price,
        )
    ship_records(
        *[make_record(version, after=0) for _ in range(10)],  # 0.90 for 1,000
        *[make_record(dear, after=-600, latency_us=200_000) for _ in range(10)],  # 2.00 for 1,000
        *[make_record(dear, after=0, arm="shadow", latency_us=1_000_000) for _ in range(5)],
    )

    status = status_of(slo)

    assert (status.bad, status.total) == (1, 2)
    assert status.costs.per_1000 == Decimal("1.45")
    assert (status.costs.total, status.costs.shadow, status.costs.currency) == (
        Decimal("0.029"),
        Decimal("0.05"),
        "EUR",
    )


def test_what_nobody_priced_is_not_free(version):
    slo = create(version.model, kind="cost", slice_s=300, slice_target=1.0)
    ship_records(make_record(version))

    status = status_of(slo)

    assert (status.total, status.left, status.costs.per_1000) == (0, None, None)
    assert status.standing == "no data"


@pytest.mark.parametrize("kept", [False, True])
def test_old_hours_are_joined_with_the_same_sums_unless_slices_are_shorter(version, kept):
    sliced = {"budgeting": "timeslices", "slice_s": 300, "slice_target": 0.5} if kept else {}
    slo = create(version.model, **sliced)
    ship_records(*[make_record(version, after=n * 300) for n in range(12)], make_record(version, after=3600, **FAILED))
    later = NOW + DETAIL_KEPT + timedelta(hours=2)
    before = status_of(slo, later)

    tidy_counts(now=later)
    tidy_counts(now=later)

    assert SloCount.objects.filter(slo=slo).count() == (13 if kept else 2)
    after = status_of(slo, later)
    assert (after.bad, after.total, after.left) == (before.bad, before.total, before.left)
    ship_records(make_record(version, after=300), number=2)  # late, and still counted
    tidy_counts(now=later)
    assert sums(slo) == (1, 14)


def test_canary_is_charged_for_what_it_spent_and_for_slices_bad_because_of_it(version):
    canary = make_version(version.model)
    of_canary = {"arm": "canary", "weight_bp": 1000}
    events = create(version.model, input_slice={"origin": "JFK"})
    slices = create(version.model, budgeting="timeslices", slice_s=300, slice_target=0.9)
    jfk = {"inputs": {"origin": "JFK"}}
    ship_records(
        *[make_record(version, after=0, **jfk) for _ in range(10)],
        *[make_record(canary, after=0, **jfk, **of_canary, **FAILED) for _ in range(3)],  # bad because of it
        *[make_record(version, after=300, **jfk, **FAILED) for _ in range(10)],
        *[make_record(canary, after=300, **jfk, **of_canary) for _ in range(3)],  # bad without it, too
        *[make_record(version, after=-900, **jfk, **FAILED) for _ in range(3)],  # before
    )
    since = datetime.fromtimestamp(NOON, UTC)

    assert charged(events, version=canary, since=since, until=NOW) == (3, 6)
    assert charged(slices, version=canary, since=since, until=NOW) == (1, 2)


def test_price_is_never_changed_nor_declared_by_an_outsider(version):
    product, outsider = make_actor(version.model.team, Role.PRODUCT), make_actor(make_model().team, Role.PRODUCT)
    price = services.price_declare(
        actor=product, model=version.model, per_1000=Decimal(1), currency="EUR", reason="Contract."
    )  # fmt: skip

    with pytest.raises(DatabaseError), transaction.atomic():
        ModelPrice.objects.filter(pk=price.pk).update(per_1000=2)
    with pytest.raises(DatabaseError), transaction.atomic():
        ModelPrice.objects.create(
            model=version.model, per_1000=2, currency="EUR", starts_at=NOW, reason="x", declared_by=outsider.user
        )
    with pytest.raises(Http404):
        services.price_declare(actor=outsider, model=version.model, per_1000=Decimal(1), currency="EUR", reason="x")

    assert [p.per_1000 for p in ModelPrice.objects.all()] == [1]
