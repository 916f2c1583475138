"""Alerts on how fast error budgets burn: raised by both look-backs, with what to do, and over when it stops."""

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings

from monitoring import selectors, services
from monitoring.models import Slo
from monitoring.shipping import ship
from monitoring.slo.burn import LookBack
from registry.models import Alert, Role
from tests.factories import NOON, make_actor, make_champion, make_record, make_segment

pytestmark = pytest.mark.django_db
NOW = datetime.fromtimestamp(NOON, UTC) + timedelta(minutes=10)
FAILED = {"status": 503, "outputs": {}}


@pytest.fixture
def champion():
    return make_champion()


def ship_records(*records, number=1):
    make_segment(settings.SPOOL_ROOT, "spool-a", number, records)
    ship()


def create(model, **fields):
    asked = {"kind": "availability", "objective": "0.99"} | fields
    return services.slo_create(actor=make_actor(model.team, Role.PRODUCT), model=model, **asked)


def watch(minutes=0):
    """Look as often as an alert takes to be raised or cleared."""
    for look in range(8):
        services.burn_watch(now=NOW + timedelta(minutes=minutes, seconds=15 * look))


def open_keys():
    return set(Alert.objects.filter(kind="burn", cleared_at=None).values_list("key", flat=True))


def test_burning_budget_pages_and_says_what_to_do(champion):
    slo = create(champion.model)
    ship_records(
        *[make_record(champion, after=minute * 60, **FAILED) for minute in range(-50, 10)],
        *[make_record(champion, after=minute * 60) for minute in range(-50, 10) for _ in range(4)],
    )

    watch()

    assert open_keys() == {f"slo:{slo.pk}:{name}" for name in ("fast", "slow", "day", "days")}
    fast = Alert.objects.get(key=f"slo:{slo.pk}:fast")
    assert (fast.severity, fast.link) == ("critical", slo.path)
    assert fast.title.startswith("availability, 99% over 30 days: the budget burns 20.0 times too fast over 1 h; 0%")
    assert fast.next_step.startswith("See when it began")
    assert Alert.objects.get(key=f"slo:{slo.pk}:days").severity == "warning"
    assert Slo.objects.get().standing == "missed"


def test_young_champion_is_named_with_the_way_back(champion):
    newer = make_champion(champion.model)
    create(champion.model)
    ship_records(*[make_record(newer, after=minute * 60, **FAILED) for minute in range(-50, 10)])

    watch()

    [step] = set(Alert.objects.values_list("next_step", flat=True))
    assert step.startswith(f"v{newer.number} became champion")
    assert "If it began then, roll back." in step


def test_what_burned_an_hour_ago_and_stopped_calls_nobody(champion):
    create(champion.model, objective="0.9")
    ship_records(
        *[make_record(champion, after=-50 * 60, **FAILED) for _ in range(30)],
        *[make_record(champion, after=minute * 60) for minute in range(-20, 10)],
    )

    watch()

    assert "fast" not in {key.rpartition(":")[2] for key in open_keys()}


def test_alert_is_over_when_the_budget_no_longer_burns_and_goes_with_its_objective(champion):
    slo = create(champion.model)
    ship_records(*[make_record(champion, after=minute * 60, **FAILED) for minute in range(-50, 10)])
    watch()
    assert f"slo:{slo.pk}:fast" in open_keys()

    ship_records(*[make_record(champion, after=20 * 60) for _ in range(500)], number=2)
    watch(minutes=12)
    assert f"slo:{slo.pk}:fast" not in open_keys()
    assert open_keys()

    services.slo_delete(actor=make_actor(champion.model.team), slo=slo)
    assert not open_keys()


def test_without_data_nothing_is_raised_and_nothing_cleared(champion):
    create(champion.model)

    watch()

    assert not Alert.objects.filter(kind="burn").exists()
    assert Slo.objects.get().standing == "no data"


def test_of_few_requests_one_failure_raises_nothing_and_an_outage_does_and_stays_when_nobody_asks(champion):
    slo = create(champion.model, objective="0.999")
    hours = [make_record(champion, after=minute * 60) for minute in range(-170, 4, 6)]  # ten an hour
    ship_records(*hours, make_record(champion, after=5 * 60, **FAILED))
    watch()
    [status] = selectors.slo_statuses([slo], now=NOW)
    assert (status.fast.long > 90, status.fast.is_thin, status.fast.counted) == (True, True, LookBack(1, 10, 1))
    assert not open_keys()

    ship_records(*[make_record(champion, after=60 * minute, **FAILED) for minute in (11, 17)], number=2)
    watch(minutes=9)
    assert f"slo:{slo.pk}:fast" in open_keys()

    watch(minutes=45)  # one failure is left in the hour
    watch(minutes=300)  # and none any more
    assert f"slo:{slo.pk}:fast" in open_keys()

    ship_records(*[make_record(champion, after=60 * minute) for minute in (311, 312, 313)], number=3)
    watch(minutes=305)
    assert f"slo:{slo.pk}:fast" not in open_keys()


def test_a_bad_time_slice_of_one_request_calls_nobody_and_says_so(champion):
    slo = create(champion.model, objective="0.99", budgeting="timeslices", slice_s=300, slice_target=0.9)
    ship_records(
        *[make_record(champion, after=minute * 60) for minute in range(-50, 0, 5)],
        make_record(champion, after=2 * 60, **FAILED),
    )

    [status] = selectors.slo_statuses([slo], now=NOW - timedelta(minutes=5))

    assert (status.fast.counted, status.fast.is_thin) == (LookBack(1, 11, 1), False)
    assert [burn.burning for burn in status.burns].count(True) == 0
