"""Quality from late labels, as the lake tells it: by when predictions were made, restated as labels come in, and once."""

import os
from datetime import timedelta

import psycopg2
import pytest

from monitoring.drift.features import Cells
from monitoring.models import QualityCursor, QualityDue, QualityWindow, Span
from monitoring.predictions import lake
from monitoring.predictions.tidying import join_files, partitions
from monitoring.quality import counting as quality_counting
from monitoring.quality.tidying import purge_quality
from monitoring.selectors.quality import quality_metrics, quality_series
from monitoring.services import quality_policy_change
from monitoring.tasks import purge
from registry.errors import InvalidError
from tests.factories import make_actor, make_model, make_version
from tests.quality import AT, DAY, HOUR, NOW, count, many, predict, tell
from tests.trials import shipped

OUTCOMES = [(0.9, True), (0.8, False), (0.3, True), (0.1, False)] * 10


@pytest.fixture
def version(db):
    return make_version(make_model(name="flight-delay"))


def windows(**of):
    rows = QualityWindow.objects.filter(**of).order_by("span", "started_at", "version", "arm", "data_slice")
    return [
        (w.get_span_display(), w.started_at, w.version.number, w.arm, w.data_slice, w.predictions, w.labelled, w.right)
        for w in rows
    ]


def everything():
    return list(QualityWindow.objects.order_by("span", "started_at", "version", "arm", "data_slice").values_list(
        "span", "started_at", "version", "arm", "data_slice", "predictions", "labelled", "right", "cells", "sums", "measured"
    ))  # fmt: skip


def points(version, metric="accuracy", span=HOUR, **more):
    return quality_series(version.model, metric=metric, since=AT - DAY, until=AT + 2 * DAY, span=span, now=NOW, **more)


def test_predictions_and_labels_are_counted_by_the_hour_in_which_was_predicted(version):
    many(version, [(0.75, True), (0.75, None), (0.25, True)])
    many(version, [(0.25, False)], after=3600)

    assert count() == 2
    assert windows() == [
        ("hour", AT, 1, "champion", "", 3, 2, 1),
        ("hour", AT + HOUR, 1, "champion", "", 1, 1, 1),
        ("day", AT.replace(hour=0), 1, "champion", "", 4, 3, 2),
    ]
    assert count() == 0


def test_what_callers_chose_or_got_no_answer_to_is_not_counted(version):
    shipped(
        predict(version, pinned=True),
        predict(version, status=500, outputs={}),
        predict(version, status=400, outputs={}),
    )

    count()

    assert windows() == []


def test_a_day_is_the_exact_sum_of_its_hours(version):
    for hour in range(3):
        many(version, OUTCOMES, after=hour * 3600)
    count()

    *hours, day = (w.read() for w in QualityWindow.objects.order_by("span", "started_at"))

    assert day.cells == hours[0].cells + hours[1].cells + hours[2].cells
    assert day.sums == {name: pytest.approx(3 * value, rel=1e-14) for name, value in hours[0].sums.items()}
    assert (day.predictions, day.labelled, day.right) == (120, 120, 60)


def test_a_late_label_restates_its_hour_alone(version):
    first, _ = many(version, [(0.75, None), (0.25, None)], every=3600)
    count()
    untouched = QualityWindow.objects.get(span=Span.HOUR, started_at=AT + HOUR).pk

    tell(version, first, True)

    assert count() == 1
    assert windows(span=Span.HOUR) == [
        ("hour", AT, 1, "champion", "", 1, 1, 1), ("hour", AT + HOUR, 1, "champion", "", 1, 0, 0),
    ]  # fmt: skip
    assert QualityWindow.objects.filter(pk=untouched).exists()
    assert windows(span=Span.DAY)[0][5:] == (2, 1, 1)


def test_of_a_corrected_label_the_newest_time_counts(version):
    (record,) = many(version, [(0.75, False)])
    count()

    tell(version, record, True, known=DAY - HOUR, received=3 * DAY)  # told later, of an earlier time
    assert count() == 1
    assert windows()[0][5:] == (1, 1, 0)

    tell(version, record, True, known=DAY + HOUR, received=3 * DAY)
    assert count() == 1
    assert windows()[0][5:] == (1, 1, 1)


def test_a_label_may_come_before_its_prediction_is_shipped(version):
    record = predict(version)
    tell(version, record, True)
    assert count() == 0

    shipped(record)

    assert count() == 1
    assert windows()[0][5:] == (1, 1, 1)


def test_rows_of_a_request_have_labels_of_their_own(version):
    rows = [predict(version, score, request_id="many", row=row) for row, score in enumerate((0.75, 0.75, 0.25))]
    shipped(*rows)
    tell(version, rows[0], True, row=0)
    tell(version, rows[0], False, row=1)

    count()

    assert windows()[0][5:] == (3, 2, 1)


def test_a_second_look_at_the_same_hours_changes_nothing(version):
    many(version, OUTCOMES)
    count()
    before = everything()

    QualityCursor.objects.all().delete()  # as if it had never looked

    assert count() == 1
    assert everything() == before


@pytest.mark.parametrize("where", ["replace_windows", "replace_pairs"])
def test_who_is_killed_while_counting_is_followed_by_one_that_counts_the_same(version, monkeypatch, where):
    many(version, OUTCOMES)
    with monkeypatch.context() as patch:
        patch.setattr(quality_counting, where, lambda *a, **k: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            count()
    assert (windows(), QualityDue.objects.count()) == ([], 1)

    assert count() == 1
    assert windows()[0][5:] == (40, 40, 20)


def test_what_is_left_of_a_turn_waits_for_the_next_one(version, monkeypatch):
    many(version, [(0.75, True)] * 3, every=86_400)
    monkeypatch.setattr(quality_counting, "TURN_S", 0.0)

    assert [count(), count(), count(), count()] == [1, 1, 1, 0]
    assert [w[1] for w in windows(span=Span.HOUR)] == [AT, AT + DAY, AT + 2 * DAY]


def test_hours_of_a_day_are_joined_in_bounded_parts(version, monkeypatch):
    many(version, [(0.75, True)] * 6, every=3600)
    monkeypatch.setattr(quality_counting, "CHUNK_ROWS", 4)
    parts = []
    real = quality_counting.joined
    monkeypatch.setattr(
        quality_counting, "joined", lambda *a, hours, **k: parts.append(len(hours)) or real(*a, hours=hours, **k)
    )

    assert count() == 6
    assert parts == [4, 2]
    assert windows(span=Span.DAY)[0][5:] == (6, 6, 6)


def test_only_one_counts_at_a_time(version):
    many(version, OUTCOMES)
    other = psycopg2.connect(os.environ["DATABASE_URL"])
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [quality_counting.ADVISORY_LOCK])

        assert (count(), windows()) == (0, [])
        cursor.execute(
            "SELECT pg_advisory_unlock(%s)", [quality_counting.ADVISORY_LOCK]
        )  # a closed connection may linger
    other.close()
    assert count() == 1


def test_joining_the_lakes_files_makes_nothing_due(version):
    many(version, OUTCOMES)
    many(version, OUTCOMES, after=60)
    count()

    for partition in partitions():
        join_files(partition)

    assert count() == 0


def test_a_log_that_was_cleaned_up_means_looking_at_everything(version, settings):
    many(version, OUTCOMES)
    count()
    before = everything()
    many(version, [(0.5, None)], after=3600)
    for entry in sorted((settings.LAKE_ROOT / "predictions/_delta_log").glob("*.json"))[:-1]:
        entry.rename(entry.with_suffix(".gone"))
    QualityCursor.objects.filter(table="predictions").update(version=-1)
    for entry in (settings.LAKE_ROOT / "predictions/_delta_log").glob("*.gone"):
        entry.rename(entry.with_suffix(".json"))

    assert count() == 2
    assert [row for row in everything() if row[1] == AT] == [row for row in before if row[1] == AT]


def test_an_hour_that_the_lake_forgot_stays_as_it_was_counted(version):
    many(version, OUTCOMES)
    count()
    before = everything()
    lake.open_table().delete("model = 'flight-delay'")
    QualityDue.objects.create(model=version.model, started_at=AT)

    assert count() == 1
    assert everything() == before


def test_old_hours_are_forgotten_once_none_of_their_day_is_to_be_counted(version, monkeypatch):
    many(version, OUTCOMES)
    many(version, OUTCOMES, after=3600)
    count()
    later = AT + 101 * DAY
    due = QualityDue.objects.create(model=version.model, started_at=AT + 2 * HOUR)
    whole = windows(span=Span.DAY)

    purge_quality(now=AT + 99 * DAY)
    purge_quality(now=later)
    assert len(windows(span=Span.HOUR)) == 2

    due.delete()
    purge_quality(now=later)
    assert windows() == whole

    monkeypatch.setattr("monitoring.tasks.timezone.now", lambda: AT + 1_100 * DAY)
    purge()
    assert windows() == []


def test_a_series_leaves_out_shadows_and_what_was_not_predicted(version):
    many(version, OUTCOMES)
    many(version, [(0.25, True)] * 40, arm="shadow")
    many(version, OUTCOMES, after=7200, arm="canary")
    count()

    found = points(version)

    assert [(p.at, p.good, p.total, p.labelled, p.predictions) for p in found] == [
        (AT, 20, 40, 40, 40), (AT + 2 * HOUR, 20, 40, 40, 40),
    ]  # fmt: skip
    assert [p.good for p in points(version, arm="shadow")] == [0]
    assert [p.at for p in points(version, arm="canary")] == [AT + 2 * HOUR]
    (day,) = points(version, span=DAY)
    assert (day.at, day.good, day.total, day.value) == (AT.replace(hour=0), 40, 80, 0.5)
    assert day.low < 0.5 < day.high


def test_a_longer_span_is_that_of_all_its_predictions(version):
    many(version, OUTCOMES)
    many(version, [(0.95, True), (0.05, False)] * 20, after=3600)
    count()

    one, other = (p.value for p in points(version, "average_precision"))
    (both,) = points(version, "average_precision", span=2 * HOUR)

    assert other == 1.0
    assert one < both.value < 1.0


def test_labels_that_may_still_come_are_said_to(version):
    many(version, OUTCOMES)
    many(version, OUTCOMES, after=2 * 86_400)
    count(NOW)

    assert [p.provisional for p in points(version)] == [False]
    late = quality_series(version.model, metric="accuracy", since=AT, until=AT + 3 * DAY, span=HOUR, now=NOW)
    assert [p.provisional for p in late] == [False, True]  # an hour that ended 23 hours ago waits for its day


def test_too_few_labels_say_why(version):
    many(version, [(0.75, True)] * 3 + [(0.75, None)] * 7)
    count()

    (point,) = points(version, "average_precision")

    assert (point.value, point.coverage, point.reason) == (None, 0.3, "3 of 10 labelled; 30 are the least")


def test_slices_are_counted_apart(version):
    actor = make_actor(version.model.team)
    quality_policy_change(actor=actor, model=version.model, slices={"origin": ["JFK", "EWR"]}, now=NOW)
    many(version, OUTCOMES, inputs={"origin": "JFK"})
    many(version, [(0.9, True)] * 40, inputs={"origin": "LGA"})
    count()

    assert [w[4:] for w in windows(span=Span.HOUR)] == [("", 80, 80, 60), ("origin=JFK", 40, 40, 20)]
    assert [p.good for p in points(version, slice_="origin=JFK")] == [20]


def test_another_policy_counts_all_hours_anew(version):
    many(version, OUTCOMES)
    count()

    quality_policy_change(actor=make_actor(version.model.team), model=version.model, threshold=0.85, now=NOW)

    assert count() == 1
    assert windows()[0][5:] == (40, 40, 30)


def test_numbers_are_judged_by_their_distance(db):
    version = make_version(make_model(name="demand", task="forecasting"))
    quality_policy_change(actor=make_actor(version.model.team), model=version.model, tolerance=2.0, now=NOW)
    made = [predict(version, outputs={"note": "x", "bookings": 10.0 + n}) for n in range(40)]
    shipped(*made)
    for record in made:
        tell(version, record, 12)
    count()

    assert [p.good for p in points(version, "within_tolerance")] == [5]
    (point,) = points(version, "mean_absolute_error")
    assert point.value == pytest.approx(sum(abs(n - 2) for n in range(40)) / 40)
    assert "within_tolerance" in quality_metrics(version.model)


def test_categories_are_right_or_wrong(db):
    version = make_version(make_model(name="routing"))
    quality_policy_change(actor=make_actor(version.model.team), model=version.model, kind="category", now=NOW)
    made = [predict(version, outputs={"queue": name}) for name in ("fraud", "card", "card") * 11]
    shipped(*made)
    for record in made:
        tell(version, record, "card")
    count()

    (point,) = points(version)
    assert (point.good, point.total) == (22, 33)
    assert quality_metrics(version.model) == ["accuracy"]


def test_rankings_are_judged_request_by_request(db):
    version = make_version(make_model(name="offers", task="ranking"))
    made = [
        predict(version, outputs={"score": 3.0 - row}, request_id=f"q{n}", row=row) for n in range(35) for row in range(3)
    ]  # fmt: skip
    shipped(*made)
    for record in made:
        tell(version, record, 1 if record.row == 0 else 0, row=record.row)
    count()

    (point,) = points(version, "ndcg_at_10")
    assert (point.value, point.labelled, point.predictions) == (1.0, 35, 35)


def test_what_a_series_cannot_be_asked(version):
    with pytest.raises(InvalidError, match="metric must be one of average_precision"):
        points(version, "mean_absolute_error")
    with pytest.raises(InvalidError, match="whole hours"):
        points(version, span=timedelta(minutes=5))


def test_cells_stay_small(version):
    many(version, [(n / 400, bool(n % 3)) for n in range(400)])
    count()

    cells = bytes(QualityWindow.objects.get(span=Span.HOUR).cells)
    assert Cells.unpack(cells).counts.sum() == 800
    assert len(cells) < 2_000
