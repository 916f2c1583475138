"""Pages of the API, refused in the words of its query parameters."""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from jobs import pagination
from registry.problems import QueryError


class CursorPages(pagination.CursorPages):
    """Newest first unless the view says otherwise; `page_size` up to 200."""

    def paginate_queryset(
        self, queryset: QuerySet[Any] | Sequence[Any], request: Request, view: Any = None
    ) -> list[Any] | None:
        """Return the rows of the page that the request asks for.

        Raises:
            QueryError: the cursor was not made by this list.
        """
        try:
            return super().paginate_queryset(queryset, request, view)
        except ValidationError as refused:
            raise QueryError(refused.detail) from None
