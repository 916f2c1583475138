"""The pages of sources in a real browser: both widths, both themes, no fault."""

import pytest

from experiments import services
from tests import factories
from tests.browser import check_page, log_in
from tests.test_sources import COLUMNS, ENTITY, as_csv, payments

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_every_page_of_sources_holds_in_both_widths_and_themes(page, live_server, settings, tmp_path):
    settings.UPLOAD_ROOT = tmp_path
    team = factories.make_team("payments")
    engineer = factories.make_actor(team)
    dataset = services.dataset_create(actor=engineer, team=team, name="card-payments")
    upload = services.upload_receive(
        actor=engineer, dataset=dataset, name="pay.csv", chunks=[as_csv(payments(50), ";")]
    )
    source = services.source_declare(
        actor=engineer, dataset=dataset, kind="upload", config={"upload": upload.pk}, columns=COLUMNS, split=ENTITY
    )
    log_in(page, engineer.user, live_server)

    for path in (
        dataset.path, f"{dataset.path}upload/", f"{dataset.path}uploads/{upload.pk}/", f"{dataset.path}sources/new/files/",
        f"{dataset.path}sources/new/query/", source.path,
    ):  # fmt: skip
        check_page(page, path, live_server)
