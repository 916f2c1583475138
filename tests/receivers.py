"""A pytest plugin: a receiver of webhooks that the settings allow."""

import pytest

from tests.webhooks import receiving


@pytest.fixture
def receiver(settings):
    """A receiver that the settings allow."""
    settings.WEBHOOK_ALLOWED_HOSTS = ["127.0.0.1"]
    with receiving() as running:
        yield running
