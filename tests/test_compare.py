"""Versions beside each other: the arithmetic, what is chosen, the page and the API."""

import csv
import io

import pandas as pd
import pytest
from playwright.sync_api import expect

from experiments.comparing.chosen import chosen, comparison_of
from experiments.comparing.comparison import Facts, Value, compare
from experiments.comparing.curves import charts_and_sections
from experiments.models import TrainingRun
from jobs.models import Job
from registry import services
from registry.models import Role
from tests import factories
from tests.api import Api, problem
from tests.browser import PHONE, check_page, log_in
from tests.data_sets import make_data
from tests.logged import make_tables

DIRECTIONS = {"average_precision": True, "brier_score": False}


def row(groups, title, label):
    [group] = [group for group in groups if group.title == title]
    [found] = [row for row in group.rows if row.label == label]
    return found


def beside(*values, metric="average_precision", part=""):
    facts = [Facts(measured={(metric, part): value} if value else {}) for value in values]
    [group] = compare(facts, higher_is_better=DIRECTIONS)
    return group.rows[0]


@pytest.mark.parametrize(
    ("metric", "second", "better"),
    [
        ("average_precision", 0.5, True), ("average_precision", 0.3, False), ("average_precision", 0.4, None),
        ("brier_score", 0.5, False), ("brier_score", 0.3, True), ("unheard_of", 0.5, None),
    ],
)  # fmt: skip
def test_arrow_knows_which_way_is_good(metric, second, better):
    cells = beside(Value(0.4), Value(second), metric=metric).cells

    assert cells[0].difference is None
    assert cells[1].difference == pytest.approx(second - 0.4)
    assert cells[1].better is better


@pytest.mark.parametrize(("low", "high", "unclear"), [(0.45, 0.55, False), (0.41, 0.55, True), (None, None, False)])
def test_overlapping_intervals_leave_it_unclear(low, high, unclear):
    assert beside(Value(0.4, 0.38, 0.42), Value(0.5, low, high)).cells[1].unclear is unclear


@pytest.mark.parametrize(
    ("low", "high", "better", "unclear"),
    [(0.01, 0.09, True, False), (-0.01, 0.07, True, True), (None, None, True, True)],
)
def test_a_difference_on_the_same_rows_is_judged_by_its_own_interval(low, high, better, unclear):
    key = ("average_precision", "")
    one = Facts(measured={key: Value(0.4, 0.3, 0.5, "a")})
    other = Facts(measured={key: Value(0.45, 0.35, 0.55, "a")}, paired={key: Value(0.05, low, high, "a")})

    cell = compare([one, other], higher_is_better=DIRECTIONS)[0].rows[0].cells[1]

    assert (cell.better, cell.unclear, cell.paired) == (better, unclear, low is not None)
    elsewhere = Facts(measured=other.measured, paired={key: Value(0.05, 0.01, 0.09, "b")})
    assert not compare([one, elsewhere], higher_is_better=DIRECTIONS)[0].rows[0].cells[1].paired


def test_values_of_different_data_get_a_note_and_no_arrow():
    found = beside(Value(0.4, data="a"), Value(0.5, data="b"))

    assert found.note == "measured on different data, so the values do not compare"
    assert found.cells[1].better is None


def test_row_differs_where_a_value_is_missing_or_another():
    assert beside(Value(0.4), None).differs
    assert beside(Value(0.4), Value(0.5)).differs
    assert not beside(Value(0.4), Value(0.4)).differs


def test_parameters_data_and_inputs_that_differ():
    first = Facts(params={"leaves": 31, "seed": 1}, data={"Rows": "9"}, inputs=["distance", "carrier"])
    second = Facts(params={"leaves": 63, "seed": 1, "depth": 4}, data={"Rows": "9"}, inputs=["distance"])

    groups = compare([first, second], higher_is_better={})

    assert [cell.text for cell in row(groups, "Parameters", "leaves").cells] == ["31", "63"]
    assert [row(groups, "Parameters", name).differs for name in ("leaves", "seed", "depth")] == [True, False, True]
    assert not row(groups, "Training data", "Rows").differs
    assert [cell.text for cell in row(groups, "Inputs", "carrier").cells] == ["yes", "no"]
    assert {group.title: group.differing for group in groups} == {"Training data": 0, "Parameters": 2, "Inputs": 2}


# --- with rows -----------------------------------------------------------------------------------------------------

LONG = "card-payments-fraud-detection-for-corporate-travel-accounts"


def fill(model, data, count, *, slices=2):
    """Make ``count`` versions as trained and measured here; the second becomes champion."""
    versions = []
    for number in range(count):
        version = factories.make_version(model)
        job = Job.objects.create(kind="train", queue="training", scope=model.team.slug, title="t", state="succeeded")
        TrainingRun.objects.create(
            job=job, dataset_version=data, version=version, pipeline="lightgbm", run_id=f"{number:032x}", experiment_id="1",
            params={"leaves": 31 + number, "seed": 7, "learning_rate": 0.05},
        )  # fmt: skip
        value = 0.4 + number / 50
        curve = [[k / 20, max(0.05, value + 0.4 - k / 22)] for k in range(21)]
        reliability = [[k / 20, k / 20 * (0.8 + number / 20), 100] for k in range(1, 12)]
        for metric, figure, detail in (
            ("average_precision", value, {"precision_recall": curve}), ("brier_score", 0.08 - number / 500, {}),
            ("calibration_error", 0.01, {"reliability": reliability}),
        ):  # fmt: skip
            services.evidence_record(
                version=version, metric=metric, value=figure, ci_low=figure - 0.005, ci_high=figure + 0.005,
                data_digest=data.digest, detail=detail,
            )  # fmt: skip
        for k in range(slices):
            services.evidence_record(
                version=version, metric="recall_at_5pct_alerts", value=0.2 + k / 300 + number / 100, ci_low=0.1, ci_high=0.6,
                data_slice=f"destination=AIRPORT-{k:02d}", data_digest=data.digest,
            )  # fmt: skip
        versions.append(version)
    factories.approve(factories.make_promotion(model, version=versions[1]))
    return versions


@pytest.fixture
def team():
    return factories.make_team("travel")


@pytest.fixture
def data(team):
    return make_data(team, pd.DataFrame({"distance": [float(n) for n in range(48)]}))


def address(versions, **more):
    return "&".join([f"version={v.model.name}:{v.number}" for v in versions] + [f"{k}={v}" for k, v in more.items()])


@pytest.mark.django_db
def test_champion_stands_first_and_the_rest_as_chosen(team, data):
    versions = fill(factories.make_model(team, name="flight-delay"), data, 3)
    actor = factories.make_actor(team, Role.VIEWER)

    columns = chosen(actor, ["flight-delay:3", "flight-delay:2"], [str(versions[0].training_run.pk), "1" * 3][:1])

    assert [column.key for column in columns] == ["flight-delay:2", "flight-delay:3", "flight-delay:1"]
    comparison = comparison_of(columns)
    found = row(comparison.groups, "Measured", "Average precision")
    assert [cell.better for cell in found.cells] == [None, True, False]
    charts, _ = charts_and_sections(comparison, {})
    assert [line.kind for line in charts[0].lines] == ["ch", "s1", "s2"]
    assert comparison.missing_champion is None


@pytest.mark.django_db
def test_number_of_queries_does_not_grow_with_versions(team, data, django_assert_num_queries):
    model = factories.make_model(team, name="flight-delay")
    versions = fill(model, data, 6, slices=30)
    actor = factories.make_actor(team, Role.VIEWER)
    make_tables()
    for count in (2, 6):
        with django_assert_num_queries(13):
            found = comparison_of(chosen(actor, [f"flight-delay:{v.number}" for v in versions[:count]], []))
            charts_and_sections(found, {})


@pytest.mark.django_db
def test_page_shows_differences_only_when_asked(client, team, data):
    versions = fill(factories.make_model(team, name="flight-delay"), data, 2)
    client.force_login(factories.make_user(team, Role.VIEWER))

    everything = client.get(f"/compare/?{address(versions)}").content.decode()
    differing = client.get(f"/compare/?{address(versions, only='differences')}").content.decode()

    assert "learning_rate" in everything
    assert "learning_rate" not in differing
    assert "leaves" in differing
    assert "▼ \N{MINUS SIGN}0.020 <span>worse</span>" in everything  # v1 against the champion, v2


@pytest.mark.django_db
def test_one_none_and_seven_say_what_to_do(client, team, data):
    versions = fill(factories.make_model(team, name="flight-delay"), data, 7)
    client.force_login(factories.make_user(team, Role.VIEWER))

    none, one, seven = (client.get(f"/compare/?{address(versions[:count])}") for count in (0, 1, 7))

    assert (none.status_code, one.status_code, seven.status_code) == (200, 200, 400)
    assert "Nothing is chosen" in none.content.decode()
    assert "One alone compares with nothing" in one.content.decode()
    assert "Add the champion, v2" in one.content.decode()
    assert "7 are chosen; 6 fit beside each other" in seven.content.decode()


def sampled(version, data, *, off, told=True):
    """Record forecasts of three series that are ``off`` too high, and queries of which every third is answered ``off`` worse."""
    sample = [
        {"series": name, "times": [f"2026-01-{day:02d}" for day in range(1, 11)], "actual": [float(day) for day in range(1, 11)],
         "forecast": {"1": [day + off for day in range(1, 11)], "3": [None, None, *(day + 3 * off for day in range(3, 11))]},
         "low": {"1": [day - 1.0 for day in range(1, 11)]}, "high": {"1": [day + 1.0 for day in range(1, 11)]}, "levels": [0.1, 0.9]}
        for name in ("Adelaide / Business", "Perth / Holiday", "Sydney / Visiting")
    ]  # fmt: skip
    queries = [[f"q{n}", round(1.0 - (off if n % 3 == 0 else 0), 4)] for n in range(30)]
    words = (
        {"columns": ["query", "put first"], "rows": [[f"how to undo {n}", f"page-{off}-{n}"] for n in range(30)]}
        if told
        else {}
    )
    for metric, detail in (
        ("mase", {"sample": sample} if told else {"by_horizon": []}),
        ("ndcg_at_10", {"per_query": queries, **({"queries_told": words} if told else {})}),
        ("roc_auc", {"roc": [[0, 0], [0.2, 0.7 - off], [1, 1]]}),
    ):  # fmt: skip
        services.evidence_record(version=version, metric=metric, value=1 - off, data_digest=data.digest, detail=detail)


@pytest.mark.django_db
def test_forecasts_and_queries_are_drawn_as_the_address_chooses(client, team, data):
    model = factories.make_model(team, name="trips")
    versions = [factories.make_version(model) for _ in range(3)]
    for version, off in zip(versions, (0.0, 0.25, 0.5), strict=True):
        sampled(version, data, off=off, told=off < 0.5)
    services.evidence_record(
        version=versions[1],
        metric="mase",
        value=-0.25,
        ci_low=-0.3,
        ci_high=-0.2,
        against=versions[0],
        data_digest=data.digest,
    )
    client.force_login(factories.make_user(team, Role.VIEWER))

    page = client.get(f"/compare/?{address(versions, series='Perth / Holiday', ahead=3, beside='trips:3')}")

    sections = {section.id: section for section, _ in page.context["sections"]}
    assert sections["forecasts"].plot.title == "Perth / Holiday, 3 steps ahead"
    assert sections["forecasts"].plot.head == ["Time", "What came", "v1", "v2"]
    assert sections["forecasts"].plot.rows[2] == ["2026-01-03", 3.0, 3.0, 3.75]
    assert sections["forecasts"].lacking.startswith("Of v3 no forecasts were kept")
    assert sections["queries"].plot.note == "Of 30 queries v3 answers 0 better and 10 worse than v1."
    widest = sections["queries"].differing[0]
    assert (widest.query, widest.difference, widest.words) == ("q0", -0.5, [("query", "how to undo 0")])
    assert widest.put_first == ("page-0.0-0", "")
    assert len(page.context["charts"][0].rows) == 11  # ROC
    assert '<option value="trips:3" selected>v3</option>' in page.content.decode()
    usual = client.get(f"/compare/?{address(versions, series='Nowhere')}").context["sections"]
    forecasts = next(section for section, _ in usual if section.id == "forecasts")
    assert (forecasts.plot.title, len(forecasts.plot.bands)) == ("Adelaide / Business, 1 step ahead", 2)
    assert forecasts.plot.note == "Shaded: from the 10% to the 90% quantile."
    told = list(csv.DictReader(io.StringIO(client.get(f"/compare/csv/?{address(versions)}").content.decode())))
    [mase] = [line for line in told if line["fact"] == "MASE" and line["of"] == "trips:2"]
    assert (mase["value"], mase["difference"], mase["difference_high"], mase["paired"]) == (
        "0.75",
        "-0.25",
        "-0.2",
        "yes",
    )
    assert client.get(f"/compare/csv/?{address(versions[:1])}").status_code == 400


@pytest.mark.django_db
def test_others_are_not_found_and_nonsense_is_explained(client, team, data):
    versions = fill(factories.make_model(team, name="flight-delay"), data, 2)
    foreign = factories.make_version(factories.make_model(name="somebody-elses"))
    client.force_login(factories.make_user(team, Role.VIEWER))

    assert client.get(f"/compare/?{address([*versions, foreign])}").status_code == 404
    assert client.get(f"/compare/?{address(versions)}&run=999").status_code == 404
    for wrong in ("version=flight-delay", "version=:1", "version=flight-delay:x", "run=x", "version=a:²"):
        answer = client.get(f"/compare/?{wrong}")
        assert answer.status_code == 400
        assert "names no version" in answer.content.decode() or "is no run" in answer.content.decode()


@pytest.mark.django_db
def test_api(team, data):
    versions = fill(factories.make_model(team, name="flight-delay"), data, 2)
    reader = Api(team, Role.VIEWER)
    get = reader.client.get

    shown = get(f"/api/v1/compare?{address(versions)}").json()

    assert (shown["versions"], shown["champion"]) == (["flight-delay:2", "flight-delay:1"], "flight-delay:2")
    [measured] = [group for group in shown["groups"] if group["title"] == "Measured"]
    assert measured["rows"][0]["cells"][1]["better"] is False
    problem(get(f"/api/v1/compare?{address(versions[:1])}"), 400)
    problem(get(f"/api/v1/compare?{address(versions)}&only=x"), 400)
    problem(get(f"/api/v1/compare?{address(versions)}&version=somebody-elses:1"), 404)


# --- in a browser --------------------------------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_from_ticks_to_differences_and_back(page, live_server, team, data):
    model = factories.make_model(team, name=LONG)
    versions = fill(model, data, 6, slices=60)
    for version, off in zip(versions, (0.0, 0.1, 0.25, 0.3, 0.4, 0.5), strict=True):
        sampled(version, data, off=off)
    log_in(page, factories.make_user(team, Role.VIEWER), live_server)
    page.goto(model.path)
    page.wait_for_load_state("networkidle")  # panels that come later push the rows down
    for number in range(1, 7):
        page.get_by_label(f"Compare v{number}", exact=True).check()
    page.get_by_role("button", name="Compare the ticked").click()

    expect(page.locator(".cmp thead th").nth(1)).to_contain_text("champion")
    expect(page.get_by_role("rowheader", name="learning_rate")).to_be_visible()
    page.get_by_role("link", name="Differences only").click()
    expect(page.get_by_role("rowheader", name="learning_rate")).to_have_count(0)
    page.go_back()
    expect(page.get_by_role("rowheader", name="learning_rate")).to_be_visible()
    page.get_by_role("link", name="Leave out").first.click()
    expect(page.locator(".cmp thead th")).to_have_count(6)
    page.get_by_label("Series").select_option("Perth / Holiday")
    expect(page.get_by_role("img", name="Forecasts of Perth / Holiday")).to_be_visible()
    page.wait_for_url("**series=Perth*")
    page.reload()
    expect(page.get_by_label("Series")).to_have_value("Perth / Holiday")

    check_page(page, page.url, live_server)
    page.set_viewport_size(PHONE)
    assert page.locator(".cmp-scroll").evaluate("one => one.scrollWidth > one.clientWidth")
    for path in ("/compare/", f"/compare/?version={LONG}:1", model.path, "/runs/"):
        check_page(page, path, live_server)
