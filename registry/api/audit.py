"""The audit trail: a page at a time, or as one stream."""

from collections.abc import Iterator

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from registry.api.base import ApiView, ListQuery, Query, ordering
from registry.api.serializers import AuditEventSerializer
from registry.models import AuditEvent
from registry.selectors.audit import visible_events


class EventFilter(Query):
    """Which events."""

    action = serializers.CharField(required=False, help_text="how it begins, such as `promotion.`")
    subject = serializers.CharField(required=False, help_text="how it begins, such as `/models/flight-delay/`")
    actor = serializers.CharField(required=False, help_text="user name, or a process")
    team = serializers.CharField(required=False, help_text="slug")


class EventQuery(EventFilter, ListQuery):
    """Which events, in which order."""

    ordering = ordering("-seq")


class Events(ApiView):
    """The events that the reader may see."""

    query_class = EventQuery

    @extend_schema(summary="List audit events", responses=AuditEventSerializer(many=True), tags=["Audit"])
    def get(self, request: Request) -> Response:
        """List the events of your teams, newest first."""
        return self.page(_events(self), AuditEventSerializer)


class NdjsonRenderer(JSONRenderer):
    """One JSON document a line; the view streams them, so this only renders problems."""

    media_type = "application/x-ndjson"
    format = "ndjson"


class EventExport(ApiView):
    """The same events as one stream."""

    query_class = EventFilter
    renderer_classes = (NdjsonRenderer, JSONRenderer)

    @extend_schema(
        summary="Export audit events", responses={(200, "application/x-ndjson"): OpenApiTypes.STR}, tags=["Audit"]
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """Stream all events of your teams, oldest first, one JSON object a line."""
        return StreamingHttpResponse(
            _lines(_events(self).order_by("seq")),
            content_type="application/x-ndjson",
            headers={"Content-Disposition": 'attachment; filename="audit.ndjson"'},
        )


def _events(view: ApiView) -> QuerySet[AuditEvent]:
    asked = view.query
    return visible_events(
        view.actor, action=asked.get("action", ""), subject=asked.get("subject", ""), by=asked.get("actor", ""),
        team=asked.get("team", ""),
    )  # fmt: skip


def _lines(events: QuerySet[AuditEvent]) -> Iterator[bytes]:
    render = JSONRenderer().render
    for event in events.iterator(chunk_size=1000):
        yield render(AuditEventSerializer(event).data) + b"\n"
