"""The audit trail: a page at a time, or as one stream."""

import csv
import json
from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from registry.api.base import ApiView, ListQuery, Query, ordering
from registry.api.serializers.audit import AuditEventSerializer
from registry.models import AuditEvent
from registry.selectors.audit import visible_events

MOST_EXPORTED = 100_000  # events in one answer; the next begins after the last of it


class EventFilter(Query):
    """Which events."""

    action = serializers.CharField(required=False, help_text="how it begins, such as `promotion.`")
    subject = serializers.CharField(required=False, help_text="how it begins, such as `/models/flight-delay/`")
    actor = serializers.CharField(required=False, help_text="user name, or a process")
    team = serializers.CharField(required=False, help_text="slug")
    since = serializers.DateField(required=False, help_text="the first day, in UTC")
    until = serializers.DateField(required=False, help_text="the last day, in UTC")


class EventQuery(EventFilter, ListQuery):
    """Which events, in which order."""

    ordering = ordering("-seq")


class ExportQuery(EventFilter):
    """Which events, and how they are written."""

    format = serializers.ChoiceField(["ndjson", "csv"], default="ndjson")
    after_seq = serializers.IntegerField(required=False, min_value=0, help_text="begin behind this event")


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


class CsvRenderer(JSONRenderer):
    """Comma-separated values; the view streams them, so this only renders problems."""

    media_type = "text/csv"
    format = "csv"


class EventExport(ApiView):
    """The same events as one stream."""

    query_class = ExportQuery
    renderer_classes = (NdjsonRenderer, CsvRenderer, JSONRenderer)

    @extend_schema(
        summary="Export audit events",
        responses={(200, "application/x-ndjson"): OpenApiTypes.STR, (200, "text/csv"): OpenApiTypes.STR},
        tags=["Audit"],
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """Stream events of your teams, oldest first: at most 100,000.

        `X-Events-Matching` and `X-Events-Exported` say how many there are and how many of them the answer holds. Where they
        differ, the last line says so too, and names the `after_seq` to go on with.
        """
        events = _events(self).order_by("seq")
        if after := self.query.get("after_seq"):
            events = events.filter(seq__gt=after)
        matching, kind = events.count(), self.query["format"]
        return StreamingHttpResponse(
            (_csv_lines if kind == "csv" else _json_lines)(events, matching),
            content_type="text/csv; charset=utf-8" if kind == "csv" else "application/x-ndjson",
            headers={
                "Content-Disposition": f'attachment; filename="audit.{kind}"',
                "X-Events-Matching": str(matching),
                "X-Events-Exported": str(min(matching, MOST_EXPORTED)),
            },
        )


def _events(view: ApiView) -> QuerySet[AuditEvent]:
    asked = view.query
    return visible_events(
        view.actor, action=asked.get("action", ""), subject=asked.get("subject", ""), by=asked.get("actor", ""),
        team=asked.get("team", ""), since=asked.get("since"), until=asked.get("until"),
    )  # fmt: skip


def _told(events: QuerySet[AuditEvent]) -> Iterator[dict[str, Any]]:
    for event in events[:MOST_EXPORTED].iterator(chunk_size=1000):
        yield dict(AuditEventSerializer(event).data)


def _rest(matching: int, last: int) -> str:
    return f"{MOST_EXPORTED:,} of {matching:,} events; go on with after_seq={last}"


def _json_lines(events: QuerySet[AuditEvent], matching: int) -> Iterator[bytes]:
    render, last = JSONRenderer().render, 0
    for event in _told(events):
        last = event["seq"]
        yield render(event) + b"\n"
    if matching > MOST_EXPORTED:
        yield json.dumps({"truncated": _rest(matching, last), "after_seq": last}).encode() + b"\n"


class _Line:
    """What csv writes to: hands back each line."""

    @staticmethod
    def write(line: str) -> str:
        return line


def _csv_lines(events: QuerySet[AuditEvent], matching: int) -> Iterator[str]:
    rows, last = csv.writer(_Line()), 0
    yield rows.writerow(AuditEventSerializer.Meta.fields)
    for event in _told(events):
        last = event["seq"]
        cells = event | {"payload": json.dumps(event["payload"], sort_keys=True)}
        yield rows.writerow(_inert(cell) for cell in cells.values())
    if matching > MOST_EXPORTED:
        yield rows.writerow(["", "", "", "", "", "", "", _rest(matching, last)])


def _inert(cell: object) -> object:
    """Keep spreadsheets from taking a cell for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in "=+-@\t\r" and cell else cell
