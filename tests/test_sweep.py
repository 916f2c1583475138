"""Whether the sweep of `make ui` and of the product's tests leaves out a page."""

import pytest
from django.test import Client
from django.urls import resolve

from registry.models import Role
from tests import factories
from tests.sweep import ELSEWHERE, PAGES, PLACES
from tests.test_access import addresses, one_of_everything, path_of

pytestmark = pytest.mark.django_db


def test_every_page_is_in_the_sweep_or_said_to_be_seen_elsewhere():
    """A page is what answers a member's GET with a whole document; a new one is named by this failing."""
    team = factories.make_team()
    known = one_of_everything(team)
    members = {role: Client() for role in (Role.ENGINEER, Role.PRODUCT, Role.ADMIN)}
    for role, client in members.items():
        client.force_login(factories.make_user(team, role))
    some = dict.fromkeys([*PLACES, "version", "prediction"], 1)
    swept = {resolve(path.partition("?")[0].format(**some)).url_name for path in PAGES.values()}

    pages, shut = set(), set()
    for address in addresses():
        if not address.route.startswith("api/v1/") and address.name not in ("logout", "schema"):
            path = path_of(address, lambda segment, name: known[segment, name])
            answers = {role: client.get(path) for role, client in members.items()}
            if any(whole_page(answer) for answer in answers.values()):
                pages.add(address.name)
            if answers[Role.ENGINEER].status_code == 403:
                shut.add(address.name)

    assert pages - swept - set(ELSEWHERE) == set()
    assert set(ELSEWHERE) - pages == set(), "no longer a page"
    assert swept & set(ELSEWHERE) == set()
    assert swept & shut == set(), "an engineer sweeps"


def whole_page(answer):
    return answer.status_code == 200 and not answer.streaming and b"<html" in answer.content
