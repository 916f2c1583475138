"""What every view of the API shares: strict parameters and bodies, who asks, pages by cursor."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.access import Actor, actor_of
from registry.models import ApiToken
from registry.pagination import CursorPages
from registry.problems import QueryError


class Strict(serializers.Serializer[Any]):
    """Refuses a field that it does not know, instead of ignoring it."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the checked values."""
        if isinstance(data, Mapping) and (unknown := sorted(set(data) - set(self.fields))):
            known = ", ".join(self.fields) or "none"
            raise ValidationError({name: [f"Unknown; known are: {known}."] for name in unknown})
        return super().to_internal_value(data)


class Query(Strict):
    """The query parameters that a view knows; each is given at most once (T13, T24), but for ``several``."""

    several: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def read(cls, request: Request) -> dict[str, Any]:
        """Return the parameters of ``request``.

        Raises:
            QueryError: one is unknown, repeated or has a value outside its allow-list.
        """
        lists = dict(request.query_params.lists())
        repeated = [name for name, values in lists.items() if len(values) > 1 and name not in cls.several]
        if repeated:
            raise QueryError({name: ["Given more than once."] for name in repeated})
        query = cls(data=request.query_params.dict() | {name: lists[name] for name in cls.several if name in lists})
        if not query.is_valid():
            raise QueryError(query.errors)
        return dict(query.validated_data)


class ListQuery(Query):
    """The parameters of every list."""

    cursor = serializers.CharField(required=False, help_text="where the page begins: follow `next` and `previous`")
    page_size = serializers.IntegerField(required=False, min_value=1, max_value=CursorPages.max_page_size)


def ordering(*allowed: str) -> serializers.ChoiceField:
    """Return the parameter `ordering` over an allow-list of columns; the first is the default, `-` turns one round."""
    turned = [name.removeprefix("-") if name.startswith("-") else f"-{name}" for name in allowed]
    return serializers.ChoiceField(choices=[*allowed, *turned], default=allowed[0])


class ApiView(APIView):
    """Base of the API's views.

    Attributes:
        query_class: the query parameters of GET.
        write_query_class: those of other verbs, which mostly take none.
        query: those parameters, read.
        actor: who asks, and by what means.
        hashes_body: the view reads its body in pieces, and answers once for an `Idempotency-Key` by itself.
        token_scope: what a token needs for the verbs that write.
    """

    query_class: ClassVar[type[Query]] = Query
    write_query_class: ClassVar[type[Query]] = Query
    hashes_body: ClassVar[bool] = False
    token_scope: ClassVar[ApiToken.Scope] = ApiToken.Scope.WRITE
    pagination_class: ClassVar[type[CursorPages] | None] = CursorPages  # None where a list is answered as a whole
    query: dict[str, Any]
    actor: Actor

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticate and check permissions, then read the query."""
        super().initial(request, *args, **kwargs)
        self.actor = actor_of(request)
        if hasattr(self, str(request.method).lower()):  # what is not offered is 405, whatever the query
            self.query = (self.query_class if request.method == "GET" else self.write_query_class).read(request)

    def body(self, form: type[Strict]) -> dict[str, Any]:
        """Return the request's body as ``form`` reads it.

        Raises:
            ValidationError: names each field that is not acceptable.
        """
        read = form(data=self.request.data)
        read.is_valid(raise_exception=True)
        return dict(read.validated_data)

    def page(self, rows: QuerySet[Any], form: type[serializers.BaseSerializer[Any]], *order: str) -> Response:
        """Return one page of ``rows``, by the `ordering` asked for or else by ``order``."""
        pages = CursorPages()
        pages.ordering = (self.query["ordering"], *order) if "ordering" in self.query else order
        found = pages.paginate_queryset(rows, self.request, view=self)
        return pages.get_paginated_response(form(found, many=True).data)
