"""The pages of data sets, runs and training in a real browser: both widths, both themes, no fault."""

import pytest
from django.utils import timezone

from experiments.builders.catalogue import BUILDERS, describe
from experiments.builders.flights import FlightsParams
from experiments.rows.frames import save_frame
from experiments.services import dataset_create, dataset_version_add
from tests import factories
from tests.browser import check_page, log_in
from tests.test_experiments_pages import make_run

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def run(settings):
    """A data set of real flights, and a version that says it was trained on it."""
    actor = factories.make_actor(factories.make_team("travel"))
    rows = BUILDERS["flights"].build(FlightsParams(keep_one_in=40))
    data = dataset_version_add(
        actor=actor,
        dataset=dataset_create(actor=actor, team=actor.user.memberships.get().team, name="flights-2013"),
        description=describe(BUILDERS["flights"], rows, save_frame(rows, settings.DATA_ROOT), now=timezone.now()),
    )
    return make_run(data)


def test_every_page_holds_in_both_widths_and_themes(page, live_server, run):
    log_in(page, factories.make_user(run.dataset_version.dataset.team), live_server)
    model = run.version.model

    for path in (
        "/datasets/", "/datasets/flights-2013/", "/datasets/flights-2013/versions/1/", "/runs/", f"{model.path}train/",
        run.version.path,
    ):  # fmt: skip
        check_page(page, path, live_server)
