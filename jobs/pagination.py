"""Pages of the API: cursors, so that a page costs the same however deep it lies."""

from collections.abc import Sequence
from typing import Any

from django.core import exceptions
from django.db.models import QuerySet
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request


class CursorPages(CursorPagination):
    """Newest first unless the view says otherwise; `page_size` up to 200."""

    ordering: str | tuple[str, ...] = "-id"
    page_size_query_param = "page_size"
    max_page_size = 200

    def paginate_queryset(
        self, queryset: QuerySet[Any] | Sequence[Any], request: Request, view: Any = None
    ) -> list[Any] | None:
        """Return the rows of the page that the request asks for.

        Raises:
            ValidationError: the cursor was not made by this list.
        """
        try:
            return super().paginate_queryset(queryset, request, view)
        except (NotFound, ValueError, exceptions.ValidationError):
            raise ValidationError(
                {"cursor": ["Not a cursor of this list; follow `next` and `previous` as given."]}
            ) from None

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return what a page looks like; an address is null at that end of the list."""
        neighbour = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": neighbour, "previous": neighbour, "results": schema},
        }
