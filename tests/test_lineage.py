"""The drawing of a version's lineage: geometry, links, and what is not known."""

import pandas as pd
import pytest

from experiments.drawing.boxes import NARROW, Box, Node, drawn_across, drawn_down
from experiments.lineage.versions import lineage_of
from experiments.models import TrainingRun
from jobs.models import Job
from registry.models import Role
from tests import factories
from tests.browser import check_page, log_in
from tests.data_sets import make_data

COLUMNS = [[Node("Data", "a")], [Node("Run", "b")], [Node("Promotion", "c"), Node("Promotion", "d")]]


def test_boxes_never_overlap_and_stay_inside():
    for drawing in (drawn_across(COLUMNS), drawn_down(COLUMNS)):
        for n, one in enumerate(drawing.boxes):
            assert 0 <= one.x <= one.x + one.width <= drawing.width
            assert 0 <= one.y <= one.y + one.height <= drawing.height
            for other in drawing.boxes[n + 1 :]:
                apart = one.x + one.width <= other.x or other.x + other.width <= one.x
                assert apart or one.y + one.height <= other.y or other.y + other.height <= one.y
        assert len(drawing.paths) == 3
    assert drawn_down(COLUMNS).width == NARROW


def test_long_title_is_cut_to_its_box():
    assert Box(0, 0, 132, 58, Node("Data", "flights-of-new-york-2013 v12")).title == "flights-o… v12"


@pytest.mark.django_db
def test_version_from_outside_says_what_is_not_known():
    model = factories.make_model()
    version = factories.make_version(model)

    found = [[(node.kind, node.title, node.known) for node in column] for column in lineage_of(version, None)]

    assert found[0] == [("Data", "not known here", False)]
    assert found[1] == [("Run", "abc", False)]
    assert found[3] == [("Promotion", "none asked for", False)]


@pytest.fixture
def trained(transactional_db):
    team = factories.make_team("travel")
    data = make_data(team, pd.DataFrame({"distance": [float(n) for n in range(48)]}))
    version = factories.make_version(factories.make_model(team, name="flight-delay"))
    job = Job.objects.create(kind="train", queue="training", scope=team.slug, title="t", state="succeeded")
    TrainingRun.objects.create(
        job=job, dataset_version=data, version=version, pipeline="lightgbm", run_id="a" * 32, experiment_id="1"
    )
    factories.approve(factories.make_promotion(version.model, version=version))
    return version


@pytest.mark.parametrize(
    ("query", "title", "note"),
    [
        (
            {"since": "2026-10-12T00:00:00+00:00", "until": "2026-11-09T00:00:00+00:00", "tables": {"predictions": 12, "labels": 4}},
            "2026-10-12, 28 days", "lake at 12 and 4",
        ),
        ({"predicate": "late"}, "as it was asked for", ""),
        ({"since": 7, "until": None, "tables": "all"}, "as it was asked for", ""),
    ],
)  # fmt: skip
def test_frozen_rows_begin_with_what_they_were_asked_for(trained, query, title, note):
    run = trained.training_run
    assert [column[0].kind for column in lineage_of(trained, run)][:2] == ["Data", "Run"]
    run.dataset_version.frozen, run.dataset_version.query = True, query

    [asked, data, *_] = lineage_of(trained, run)

    assert asked == [Node("Query", title, note, f"{run.dataset_version.path}#query")]
    assert data[0].kind == "Data"


@pytest.mark.browser
def test_drawing_leads_from_data_to_what_it_serves_as(page, live_server, trained):
    run = trained.training_run
    [promotion] = trained.promotions.all()
    columns = lineage_of(trained, run)
    assert [column[0].href for column in columns] == [
        run.dataset_version.path, f"/jobs/{run.job_id}/", "", promotion.path, trained.model.path
    ]  # fmt: skip
    log_in(page, factories.make_user(trained.model.team, Role.VIEWER), live_server)
    page.goto(trained.path)
    page.locator(".lineage-across").get_by_role("link", name=f"#{promotion.pk} to champion").click()
    page.wait_for_url(f"**{promotion.path}")

    check_page(page, trained.path, live_server)
