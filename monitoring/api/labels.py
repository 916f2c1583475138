"""What became of predictions: single labels, and many as NDJSON or CSV, read as they arrive."""

from typing import Any

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from monitoring.labelling.lines import LONGEST_LINE, Wrong, lines_of, read_csv, read_label, read_ndjson
from monitoring.selectors.labels import Outcome, outcomes_of
from monitoring.services.labels import LinesError, Taken, labels_add
from registry.api.base import ApiView, Query
from registry.api.lookup import find_model
from registry.problems import QueryError


class NdjsonParser(BaseParser):
    """One JSON object a line, left to be read line by line."""

    media_type = "application/x-ndjson"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """Return the labels of the body, unread."""
        return read_ndjson(lines_of(stream))


class CsvParser(BaseParser):
    """Columns named by the first line, left to be read line by line."""

    media_type = "text/csv"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """Return the labels of the body, unread."""
        return read_csv(lines_of(stream))


class LabelParser(BaseParser):
    """One label as JSON."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """Return the label, or what is wrong with it."""
        return iter([(0, read_label(stream.read(LONGEST_LINE + 1)))])


class LabelSerializer(serializers.Serializer[Any]):
    """What became of one prediction."""

    request_id = serializers.CharField(max_length=128)
    row = serializers.IntegerField(default=0, min_value=0, help_text="position in the request")
    time = serializers.DateTimeField(help_text="when the outcome was known; the newest one of a prediction counts")
    value = serializers.JSONField(help_text="a number, true or false, or a text of up to 200 characters")


class LineErrorSerializer(serializers.Serializer[Any]):
    """What is wrong with one line."""

    line = serializers.IntegerField()
    field = serializers.CharField(help_text="empty where it is the line as a whole")
    detail = serializers.CharField()


class TakenSerializer(serializers.Serializer[Taken]):
    """What came of the labels."""

    added = serializers.IntegerField(help_text="new")
    repeated = serializers.IntegerField(help_text="given before, to the last field; they change nothing")
    refused = serializers.IntegerField(help_text="lines that are no labels; with `on_error=skip` alone")
    faults = serializers.SerializerMethodField(help_text="of the first 100 of those")

    @extend_schema_field(LineErrorSerializer(many=True))
    def get_faults(self, taken: Taken) -> list[dict[str, Any]]:
        """Return what is wrong, line by line."""
        return [{"line": n, "field": wrong.field, "detail": wrong.what} for n, wrong in taken.errors.items()]


class OutcomeSerializer(serializers.Serializer[Outcome]):
    """One label as it was given."""

    row = serializers.IntegerField()
    time = serializers.DateTimeField()
    value = serializers.JSONField()
    received_at = serializers.DateTimeField()
    given_by = serializers.CharField()
    is_newest = serializers.BooleanField(source="counts", help_text="of its prediction; the others were corrected")


class OfRequestQuery(Query):
    """Which request."""

    request_id = serializers.CharField(max_length=128, required=False)


class OnErrorQuery(Query):
    """What becomes of the good lines where others are no labels."""

    on_error = serializers.ChoiceField(choices=["refuse", "skip"], default="refuse")


class Labels(ApiView):
    """Labels of one model's predictions."""

    query_class = OfRequestQuery
    write_query_class = OnErrorQuery
    pagination_class = None
    parser_classes = (LabelParser, NdjsonParser, CsvParser)

    @extend_schema(
        summary="List the labels of a request", parameters=[OfRequestQuery], responses=OutcomeSerializer(many=True),
        tags=["Prediction log"],
    )  # fmt: skip
    def get(self, request: Request, name: str) -> Response:
        """Return what became of a request's rows, with all corrections, newest first."""
        model = find_model(self.actor, name)
        if "request_id" not in self.query:
            raise QueryError({"request_id": ["Say which request."]})
        outcomes: Any = outcomes_of(model, self.query["request_id"])
        return Response(OutcomeSerializer(outcomes, many=True).data)

    @extend_schema(
        summary="Say what became of predictions",
        parameters=[OnErrorQuery],
        request={
            "application/json": LabelSerializer, "application/x-ndjson": OpenApiTypes.STR, "text/csv": OpenApiTypes.STR,
        },
        responses=TakenSerializer, tags=["Prediction log"],
    )  # fmt: skip
    def post(self, request: Request, name: str) -> Response:
        """Take in one label as JSON, or up to 100,000 as NDJSON or CSV (columns `request_id`, `row`, `time`, `value`).

        All or none are taken, unless `on_error=skip`. Labels may come late, again (which changes nothing) or corrected (the
        one with the newest `time` counts). Asks for a role above viewer.
        """
        model = find_model(self.actor, name)
        lines: Any = request.data or [(0, read_label(b""))]
        skip = self.query["on_error"] == "skip"
        try:
            taken = labels_add(actor=self.actor, model=model, lines=lines, now=timezone.now(), partial=skip)
        except LinesError as error:
            raise ValidationError(_pointed(error.taken.errors)) from None
        return Response(TakenSerializer(taken).data)


def _pointed(errors: dict[int, Wrong]) -> dict[str, Any]:
    """Return errors by where they are: ``/value`` of a single label, ``/lines/7/value`` of many."""
    if 0 in errors:
        return {errors[0].field or "label": [errors[0].what]}
    return {"lines": {str(line): {wrong.field or "line": [wrong.what]} for line, wrong in errors.items()}}
