"""Saved views of list pages."""

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry import services
from registry.api.base import ApiView, ListQuery, Strict, ordering
from registry.models import ListPage
from registry.models import SavedView as View
from registry.selectors import address_of, saved_views_of


class SavedViewSerializer(serializers.ModelSerializer[View]):
    """A list page's filters and order under a name."""

    owner = serializers.CharField(source="owner.username", help_text="who saved it")
    team = serializers.CharField(source="team.slug", allow_null=True, default=None, help_text="null: the owner's alone")
    opens = serializers.SerializerMethodField(help_text="path of the list with these filters")

    class Meta:
        model = View
        fields = ("id", "page", "name", "query", "owner", "team", "opens", "created_at", "updated_at")

    def get_opens(self, view: View) -> str:
        """Return the address that the view opens."""
        return address_of(view)


class SavedViewQuery(ListQuery):
    """What saved views are filtered by."""

    page = serializers.ChoiceField(choices=ListPage.choices, required=False)
    team = serializers.CharField(required=False, help_text="slug")
    ordering = ordering("name", "updated_at")


class SavedViewBody(Strict):
    """A view to save."""

    page = serializers.ChoiceField(choices=ListPage.choices, help_text="which list")
    name = serializers.CharField(max_length=80)
    query = serializers.CharField(max_length=1000, help_text="such as `task=anomaly&sort=-updated`")
    team = serializers.CharField(required=False, help_text="slug of who shares it; a token has to name its team")


class SavedViewChange(Strict):
    """What may be changed of a view; what is left out stays."""

    name = serializers.CharField(max_length=80, required=False)
    query = serializers.CharField(max_length=1000, required=False)


class SavedViews(ApiView):
    """The views that the caller may open."""

    query_class = SavedViewQuery

    @extend_schema(summary="List saved views", responses=SavedViewSerializer(many=True), tags=["Saved views"])
    def get(self, request: Request) -> Response:
        """List the views that your teams share and, in a session, your own."""
        rows = saved_views_of(self.actor)
        for parameter, column in (("page", "page"), ("team", "team__slug")):
            if parameter in self.query:
                rows = rows.filter(**{column: self.query[parameter]})
        return self.page(rows, SavedViewSerializer, "id")

    @extend_schema(
        summary="Save a view", request=SavedViewBody, responses={201: SavedViewSerializer}, tags=["Saved views"]
    )
    def post(self, request: Request) -> Response:
        """Keep a list's filters and order under a name. Sharing it with a team asks for no viewer."""
        values = self.body(SavedViewBody)
        slug = values.pop("team", None)
        team = get_object_or_404(self.actor.teams(), slug=slug) if slug else None
        view = services.saved_view_create(actor=self.actor, team=team, **values)
        return Response(SavedViewSerializer(view).data, status=201)


class SavedView(ApiView):
    """One view."""

    @extend_schema(summary="Get a saved view", responses=SavedViewSerializer, tags=["Saved views"])
    def get(self, request: Request, pk: int) -> Response:
        """Return one view."""
        return Response(SavedViewSerializer(self._found(pk)).data)

    @extend_schema(
        summary="Change a saved view", request=SavedViewChange, responses=SavedViewSerializer, tags=["Saved views"]
    )
    def patch(self, request: Request, pk: int) -> Response:
        """Give a view another name, or other filters."""
        found = self._found(pk)
        view = services.saved_view_update(actor=self.actor, view=found, **self.body(SavedViewChange))
        return Response(SavedViewSerializer(view).data)

    @extend_schema(summary="Delete a saved view", responses={204: None}, tags=["Saved views"])
    def delete(self, request: Request, pk: int) -> Response:
        """Forget a view; the list itself stays as it is."""
        services.saved_view_delete(actor=self.actor, view=self._found(pk))
        return Response(status=204)

    def _found(self, pk: int) -> View:
        return get_object_or_404(saved_views_of(self.actor), pk=pk)
