"""Pages of lists for people: cursors, so that a page costs the same however deep it lies."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request


@dataclass(frozen=True)
class Page:
    """One page of rows, with the cursors of its neighbours (None at an end)."""

    rows: list[Any]
    next: str | None
    previous: str | None


class _Pages(CursorPagination):
    """Cursors that also follow a relation, as in ``model__name``."""

    def _get_position_from_instance(self, instance: Any, ordering: Sequence[str]) -> str:
        return str(attrgetter(ordering[0].lstrip("-").replace("__", "."))(instance))


def page_of(request: HttpRequest, rows: QuerySet[Any], *ordering: str, size: int = 50) -> Page:
    """Return the page that the address asks for with ``cursor``.

    Raises:
        Http404: the cursor was not made by this list.
    """
    pages = _Pages()
    pages.page_size = size
    pages.ordering = ordering
    try:
        found = pages.paginate_queryset(rows, Request(request)) or []
    except (NotFound, ValueError, ValidationError):
        raise Http404 from None
    return Page(list(found), _cursor(pages.get_next_link()), _cursor(pages.get_previous_link()))


def _cursor(link: str | None) -> str | None:
    return parse_qs(urlsplit(link).query)["cursor"][0] if link else None
