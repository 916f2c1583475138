"""Pages of the API: cursors, so that a page costs the same however deep it lies."""

from rest_framework.pagination import CursorPagination


class CursorPages(CursorPagination):
    """Newest first unless the view says otherwise; `page_size` up to 200."""

    ordering = "-id"
    page_size_query_param = "page_size"
    max_page_size = 200
