"""Hundreds of runs: which are left, how they are ordered and drawn; read from MLflow's own tables; the page, its CSV and its snippet."""

import csv
import io
import math
from itertools import pairwise

import pandas as pd
import pytest
from mlflow.entities import Metric, Param
from playwright.sync_api import expect

from experiments.comparing.exploring import (
    RunRow,
    columns_of,
    completed,
    filtered,
    higher_is_better,
    ordered,
    read_choice,
)
from experiments.comparing.logged_runs import learning_curves, logged_runs
from experiments.comparing.snippets import compare_snippet, runs_snippet
from experiments.drawing.plots import axis_of
from experiments.drawing.runs import best_of, runs_in_parallel, scatter
from registry import services
from registry.errors import InvalidError
from registry.models import ExperimentOwner, ModelVersion, Role
from tests import factories
from tests.browser import check_page, log_in
from tests.logged import log_runs, make_tables

pytest_plugins = ["tests.mlflow_server"]

LONG = "a-run-of-the-search-over-everything-that-might-be-tuned-for-corporate-cards"


def run(number, **values):
    return RunRow(f"{number:032x}", f"run-{number}", "engineer", "FINISHED", None, None, values=values)


ROWS = [
    run(n, **{"p:leaves": float(2**n), "p:kind": "gbdt" if n % 2 else "dart", "m:validation_auc": 0.5 + n / 100})
    for n in range(20)
] + [run(20, **{"p:kind": "gbdt"})]
COLUMNS = columns_of(ROWS)


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ({}, 21), ({"min.p:leaves": ["4"]}, 18), ({"min.p:leaves": ["4"], "max.p:leaves": ["16"]}, 3), ({"is.p:kind": ["dart"]}, 10),
        ({"q": ["RUN-1"]}, 11), ({"q": ["run-1"], "is.p:kind": ["gbdt"], "max.m:validation_auc": ["0.6"]}, 1),
        ({"min.p:leaves": [""]}, 21), ({"nonsense": ["1"]}, 21),
    ],
)  # fmt: skip
def test_runs_within_all_bounds_are_left(asked, left):
    assert len(filtered(ROWS, read_choice(asked, COLUMNS))) == left


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"min.p:leaves": ["many"]}, "min.p:leaves"), ({"max.p:leaves": ["nan"]}, "max.p:leaves"), ({"x": ["p:nothing"]}, "x"),
        ({"sort": ["-p:nothing"]}, "sort"), ({"is.e:nothing": ["1"]}, "is.e:nothing"),
        ({"axis": [f"p:{n}" for n in range(11)]}, "axis"),
    ],
)  # fmt: skip
def test_nonsense_names_its_parameter(asked, field):
    columns = columns_of([run(1, **{f"p:{n}": 1.0 for n in range(11)}, **{"p:leaves": 1.0})])

    with pytest.raises(InvalidError) as refused:
        read_choice(asked, columns)

    assert refused.value.field == field


def test_what_lacks_a_value_comes_last_either_way():
    assert [row.name for row in ordered(ROWS, "p:leaves")][:2] == ["run-0", "run-1"]
    assert [row.name for row in ordered(ROWS, "-p:leaves")][:2] == ["run-19", "run-18"]
    assert ordered(ROWS, "p:leaves")[-1] == ordered(ROWS, "-p:leaves")[-1] == ROWS[20]
    assert ordered(ROWS, "-p:kind")[0].values["p:kind"] == "gbdt"


@pytest.mark.parametrize(
    ("column", "higher"),
    [
        ("e:brier_score", False), ("m:validation_average_precision", True), ("m:val_rmse", False), ("m:train_logloss", False),
        ("m:accuracy", True), ("e:mase", False),
    ],
)  # fmt: skip
def test_which_way_is_good(column, higher):
    assert higher_is_better(column) is higher


def test_what_was_left_open_is_chosen_and_the_best_tenth_found():
    choice = completed(read_choice({}, COLUMNS), COLUMNS, ["auc"])

    assert (choice.x, choice.y) == ("p:leaves", "m:validation_auc")
    assert choice.axes == ("p:leaves", "p:kind", "m:validation_auc")
    assert best_of(ROWS, choice.y) == {ROWS[18].run_id, ROWS[19].run_id}
    assert best_of(ROWS, "p:leaves") == set()


def test_drawings_leave_out_what_has_no_place_and_say_so():
    choice = completed(read_choice({}, COLUMNS), COLUMNS, ["auc"])

    cloud, lines = scatter(ROWS, choice), runs_in_parallel(ROWS, choice, COLUMNS)

    assert len(cloud.points) == 20
    assert (cloud.x_title, cloud.note) == ("leaves, log scale", "Not drawn, since they lack one of the two: 1.")
    gaps = [right - left for left, right in pairwise(sorted(point.x for point in cloud.points))]
    assert max(gaps) - min(gaps) < 0.3  # powers of two lie evenly by their logarithm
    assert [axis.name for axis in lines.axes] == [
        "p:leaves",
        "",
        "m:validation_auc",
    ]  # words are not bounded by dragging
    assert len(lines.lines) == 21
    assert [line[0] for line in lines.lines][-2:] == ["best", "best"]
    assert next(line for line in lines.lines if line[3] == ROWS[20].run_id)[1].count("M") == 1
    assert math.isclose(axis_of([3.0, 3.0]).share(3), 0.5)
    assert axis_of(list("abcdefghijklmnop")).words[-1] == "others"


# --- beside the real server ----------------------------------------------------------------------------------------


def fill(member, count=24):
    experiment = member.client.create_experiment(f"search-{member.team.slug}")
    ids = []
    for n in range(count):
        one = member.client.create_run(experiment, run_name=f"trial-{n}").info.run_id
        curve = [
            Metric("validation_auc", 0.5 + n / 100 + step / 1000, 1_780_000_000_000 + step, step) for step in range(5)
        ]
        member.client.log_batch(
            one, metrics=curve, params=[Param("leaves", str(7 + n)), Param("kind", "gbdt" if n % 2 else "dart")]
        )
        member.client.set_terminated(one)
        ids.append(one)
    return experiment, ids


def test_snippets_and_pages_say_the_same_of_a_real_servers_runs(engineer, join, client, monkeypatch):
    # What is pasted chooses a server for the whole process.
    monkeypatch.setattr("mlflow.tracking._tracking_service.utils._tracking_uri", None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", engineer.server.url)
    experiment, ids = fill(engineer)
    client.force_login(engineer.user)
    address = f"?experiment={experiment}&min.p:leaves=10&max.p:leaves=25&is.p:kind=gbdt&sort=-m:validation_auc&column=p:leaves"

    shown = client.get(f"/runs/explore/{address}").context
    rows = list(csv.DictReader(io.StringIO(client.get(f"/runs/explore/csv/{address}").content.decode())))

    expected = [ids[n] for n in range(17, 4, -2)] + [ids[3]]  # leaves 24, 22, … 12 and 10
    assert [row.run_id for row, *_ in shown["rows"]] == [row["run_id"] for row in rows] == expected
    assert (rows[0]["p:leaves"], rows[0]["m:validation_auc"]) == ("24.0", str(0.5 + 17 / 100 + 4 / 1000))
    snippet = runs_snippet(engineer.server.url, experiment, shown["choice"], 1000)
    assert snippet.partition("\n\n")[2] == shown["snippet"].partition("\n\n")[2].replace(
        shown["snippet"].split("'")[1], engineer.server.url
    )
    found = {}
    exec(snippet.rsplit("\n", 1)[0], found)  # noqa: S102  our own text: what a reader would paste
    assert list(found["runs"].index) == expected
    assert list(found["runs"]["params.leaves"]) == [row["p:leaves"].removesuffix(".0") for row in rows]

    one, other = ids[0], ids[1]
    curves = learning_curves([one])[one]["validation_auc"]
    assert curves == [(step, pytest.approx(0.5 + step / 1000)) for step in range(5)]
    page = client.get(f"/compare/?run={one}&run={other}")
    assert "trial-1" in page.content.decode()
    [section] = [section for section, _ in page.context["sections"] if section.id == "learning"]
    assert [line.label for line in section.plot.lines] == ["trial-0", "trial-1"]
    found = {}
    exec(compare_snippet(engineer.server.url, {}, {"trial-0": one, "trial-1": other}).rsplit("\n", 1)[0], found)  # noqa: S102
    assert isinstance(found["table"], pd.DataFrame)
    assert (
        list(found["table"].loc["leaves"])
        == [logged_runs(ids)[key].params["leaves"] for key in (one, other)]
        == ["7", "8"]
    )

    stranger = join()
    client.force_login(stranger.user)
    assert client.get(f"/runs/explore/?experiment={experiment}").status_code == 404
    assert client.get(f"/compare/?run={one}&run={other}").status_code == 404
    assert "No runs yet" in client.get("/runs/explore/").content.decode()


# --- pages ---------------------------------------------------------------------------------------------------------


def logged(team, count):
    """Log ``count`` runs to an experiment of the team; the first made a champion, which was measured."""
    make_tables()
    ExperimentOwner.objects.create(team=team, experiment_id="7", name="card-payments-fraud-detection")
    runs = []
    for n in range(count):
        params = {"learning_rate": 0.01 * 1.5 ** (n % 12), "leaves": 15 + n % 40, "kind": ("gbdt", "dart", "goss")[n % 3],
                  "minimum_rows_in_a_leaf_of_every_tree": 5 * (n % 9 + 1)}  # fmt: skip
        auc = 0.7 + (n % 37) / 200 - abs(n % 12 - 5) / 100
        curve = {"validation_auc": [auc - 0.2 / (step + 1) for step in range(20)]} if n < 4 else {}
        runs.append((f"{n + 1:032x}", f"{LONG}-{n}", params, {"validation_auc": auc, "fit_seconds": 3 + n % 7}, curve))
    log_runs(7, runs)
    model = factories.make_model(team, name="card-fraud")
    version = services.version_create(
        actor=factories.make_actor(team), model=model, source=f"runs:/{1:032x}/model", run_id=f"{1:032x}"
    )
    ModelVersion.objects.filter(pk=version.pk).update(
        artifact_state="verified", artifact_digest=f"sha256:{1:064x}", format="lightgbm"
    )
    version.refresh_from_db()
    services.evidence_record(version=version, metric="roc_auc", value=0.81)
    factories.approve(factories.make_promotion(version.model, version=version))
    return version


@pytest.mark.django_db
def test_number_of_queries_does_not_grow_with_runs_and_bounds_stand_in_the_address(client, django_assert_num_queries):
    team = factories.make_team("cards")
    logged(team, 60)
    client.force_login(factories.make_user(team, Role.VIEWER))
    client.get("/runs/explore/")
    with django_assert_num_queries(13):
        few = client.get("/runs/explore/?max.p:leaves=20")
    with django_assert_num_queries(13):
        many = client.get("/runs/explore/?sort=-m:validation_auc&page=2")

    assert few.context["count"] == 12
    assert (many.context["count"], len(many.context["rows"])) == (60, 10)
    assert "best tenth" in few.content.decode()
    empty = client.get("/runs/explore/?min.p:leaves=&q=x&sort=name")
    assert (empty.status_code, empty["Location"]) == (302, "?q=x&sort=name")
    assert client.get("/runs/explore/?sort=leaves").status_code == 400
    assert "No run is within these bounds" in client.get("/runs/explore/?min.p:leaves=1000").content.decode()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_from_a_drag_along_an_axis_to_a_comparison(page, live_server):
    team = factories.make_team("cards")
    logged(team, 400)
    log_in(page, factories.make_user(team, Role.VIEWER), live_server)
    page.goto("/runs/explore/")
    expect(page.locator(".parallel path[data-run]")).to_have_count(400)

    axis = page.locator('[data-axis="p:leaves"] .grab')
    box = axis.bounding_box()
    page.mouse.move(box["x"] + 12, box["y"] + 12)
    page.mouse.down()
    page.mouse.move(box["x"] + 12, box["y"] + box["height"] / 2, steps=3)
    page.mouse.up()
    page.wait_for_url("**min.p%3Aleaves=*")
    expect(page.locator(".parallel path[data-run]")).not_to_have_count(400)
    left = page.locator(".parallel path[data-run]").count()
    page.reload()
    expect(page.locator(".parallel path[data-run]")).to_have_count(left)
    page.go_back()
    expect(page.locator(".parallel path[data-run]")).to_have_count(400)
    page.locator("tbody tr[data-run]").first.hover()
    expect(page.locator(".plot circle.on")).to_have_count(1)
    page.goto("/runs/explore/?sort=started")
    page.get_by_label(f"Compare {LONG}-0", exact=True).check()
    page.get_by_label(f"Compare {LONG}-1", exact=True).check()
    page.get_by_role("button", name="Compare the ticked").click()
    expect(page.get_by_role("columnheader").nth(1)).to_contain_text("champion")
    expect(page.get_by_role("heading", name="Learning curves")).to_be_visible()

    check_page(page, page.url, live_server)
    for path in ("/runs/explore/", "/runs/explore/?q=nothing-like-it"):
        check_page(page, path, live_server)
