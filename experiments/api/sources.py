"""Sources of data sets: files sent as the body, previews, declared sources and their runs, and golden sets."""

import tempfile
from pathlib import Path
from typing import Any

from django.http import HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import APIException
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from experiments import services
from experiments.api.lookup import find_dataset, find_dataset_version
from experiments.api.serializers import DatasetVersionSerializer
from experiments.api.views import accepted
from experiments.intake.incoming import TooLargeError
from experiments.models import DatasetSource, DatasetUpload
from experiments.sourcing.looking import preview
from jobs.api import JobSummarySerializer
from registry.api.base import ApiView, ListQuery, Query, Strict
from registry.idempotency import answered_once

CHUNK = 1024 * 1024


class LengthRequiredError(APIException):
    """The body does not say how long it is."""

    status_code = 411


class RawParser(BaseParser):
    """Leaves the body where it is, so that it is read in pieces."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """Return the stream itself."""
        return stream


class UploadQuery(Query):
    """What the file is called."""

    filename = serializers.CharField(max_length=200, default="upload")


class UploadSerializer(serializers.ModelSerializer[DatasetUpload]):
    """A file that was received, and what its first rows look like."""

    class Meta:
        model = DatasetUpload
        fields = ("id", "name", "format", "size", "digest", "found", "created_at")


class Uploads(ApiView):
    """Files of rows."""

    write_query_class = UploadQuery
    hashes_body = True
    parser_classes = (RawParser,)

    @extend_schema(
        summary="Upload a file of rows", request={"application/octet-stream": OpenApiTypes.BINARY}, parameters=[UploadQuery],
        responses={201: UploadSerializer}, tags=["Data sets"],
    )  # fmt: skip
    def post(self, request: Request, name: str) -> HttpResponseBase:
        """Receive CSV or Parquet as the body, in pieces, and answer how it is written and what its columns look like.

        Declare it as a source next. Asks for the role engineer.
        """
        dataset, body = find_dataset(self.actor, name), request._request
        if body.headers.get("Transfer-Encoding") and not body.headers.get("Content-Length"):
            raise LengthRequiredError(
                "Send Content-Length: curl -T rows.csv does, and a file in chunks of unknown length does not."
            )
        with services.upload_begin(actor=self.actor, dataset=dataset) as incoming:
            if int(body.META.get("CONTENT_LENGTH") or 0) > incoming.most_bytes:
                raise TooLargeError(incoming.most_bytes)  # nothing of it was read
            while piece := body.read(CHUNK):
                incoming.write(piece)

            def kept() -> HttpResponse:
                upload = services.upload_keep(
                    actor=self.actor, dataset=dataset, name=self.query["filename"], incoming=incoming
                )
                return JsonResponse(UploadSerializer(upload).data, status=201)

            return answered_once(body, self.actor, body=incoming.digest, answer=kept)


class SourceSerializer(serializers.ModelSerializer[DatasetSource]):
    """A declared source."""

    dataset = serializers.CharField(source="dataset.name")
    created_by = serializers.CharField(source="created_by.username")

    class Meta:
        model = DatasetSource
        fields = (
            "id",
            "dataset",
            "kind",
            "config",
            "columns",
            "split",
            "cron",
            "time_zone",
            "retired_at",
            "created_by",
            "created_at",
            "path",
        )


class PreviewBody(Strict):
    """Where rows lie."""

    kind = serializers.ChoiceField(choices=DatasetSource.Kind.choices)
    config = serializers.DictField(
        help_text="upload: {upload, dialect}; files: {on: local or s3, place, format, dialect}; postgres: {connection, query, watermark, start}"
    )


class SourceBody(PreviewBody):
    """A source, with what its columns are for and how its rows are split."""

    columns = serializers.ListField(
        child=serializers.DictField(), default=list, help_text="[{name, type, role, meaning}] of what is kept"
    )
    split = serializers.DictField(
        default=dict,
        help_text="{kind: time, entity, random or given; shares: {train, validation, held_out}; cuts; seed}",
    )
    cron = serializers.CharField(
        default="", allow_blank=True, max_length=100, help_text="when it is read again; empty: when somebody asks"
    )
    time_zone = serializers.CharField(default="UTC", max_length=60)


class PreviewSerializer(serializers.Serializer[Any]):
    """What the first rows of a source look like."""

    columns = serializers.ListField(child=serializers.DictField(), help_text="[{name, type, samples}]")
    dialect = serializers.DictField(allow_null=True, help_text="{encoding, separator, decimal} of CSV")


class Previews(ApiView):
    """First looks at sources."""

    @extend_schema(summary="Look at a source", request=PreviewBody, responses=PreviewSerializer, tags=["Data sets"])
    def post(self, request: Request, name: str) -> Response:
        """Return what the columns of a source look like, by its first rows; nothing is kept. Asks for the role engineer."""
        dataset = find_dataset(self.actor, name)
        values = self.body(PreviewBody)
        config = services.source_check(actor=self.actor, dataset=dataset, **values)
        with tempfile.TemporaryDirectory() as folder:
            found = preview(dataset, values["kind"], config, Path(folder))
        dialect = found.dialect.as_json() if found.dialect else None
        return Response({"columns": found.columns, "dialect": dialect})


class Sources(ApiView):
    """The sources of one data set."""

    query_class = ListQuery

    @extend_schema(summary="List sources", responses=SourceSerializer(many=True), tags=["Data sets"])
    def get(self, request: Request, name: str) -> Response:
        """List the sources of a data set, newest first."""
        sources = find_dataset(self.actor, name).sources.select_related("dataset", "created_by")
        return self.page(sources, SourceSerializer, "-id")

    @extend_schema(
        summary="Declare a source", request=SourceBody, responses={201: SourceSerializer}, tags=["Data sets"]
    )
    def post(self, request: Request, name: str) -> Response:
        """Declare where rows come from; start a run to read them. Asks for the role engineer."""
        dataset = find_dataset(self.actor, name)
        source = services.source_declare(actor=self.actor, dataset=dataset, **self.body(SourceBody))
        return Response(SourceSerializer(source).data, status=201)


class OneSource(ApiView):
    """One source."""

    @extend_schema(summary="Get a source", responses=SourceSerializer, tags=["Data sets"])
    def get(self, request: Request, name: str, pk: int) -> Response:
        """Return a source."""
        return Response(SourceSerializer(self._find(name, pk)).data)

    @extend_schema(summary="Let a source go", responses={204: None}, tags=["Data sets"])
    def delete(self, request: Request, name: str, pk: int) -> Response:
        """See that a source is not read again; the versions stay. Asks for the role engineer."""
        services.source_retire(actor=self.actor, source=self._find(name, pk), now=timezone.now())
        return Response(status=204)

    def _find(self, name: str, pk: int) -> DatasetSource:
        return get_object_or_404(
            find_dataset(self.actor, name).sources.select_related("dataset__team", "created_by"), pk=pk
        )


class SourceRuns(ApiView):
    """Runs of one source."""

    @extend_schema(summary="Read a source", request=None, responses={202: JobSummarySerializer}, tags=["Data sets"])
    def post(self, request: Request, name: str, pk: int) -> Response:
        """Start a job that reads a source into the next version. Asks for the role engineer."""
        sources = find_dataset(self.actor, name).sources.select_related("dataset__team")
        return accepted(services.source_run_start(actor=self.actor, source=get_object_or_404(sources, pk=pk)))


class GoldenBody(Strict):
    """Why a version is golden."""

    reason = serializers.CharField(max_length=2000)
    split = serializers.CharField(
        required=False, allow_blank=True, max_length=100,
        help_text="whose rows are measured on; empty: all rows; left out: held_out, or all rows where nothing is held out",
    )  # fmt: skip


class Golden(ApiView):
    """Whether a version is golden."""

    @extend_schema(
        summary="Mark a version as golden",
        request=GoldenBody,
        responses={201: DatasetVersionSerializer},
        tags=["Data sets"],
    )
    def post(self, request: Request, name: str, number: int) -> Response:
        """Mark a version; it is golden once another person confirms it. Asks for the role engineer."""
        version = find_dataset_version(self.actor, name, number)
        services.golden_mark(actor=self.actor, version=version, **self.body(GoldenBody))
        return Response(DatasetVersionSerializer(find_dataset_version(self.actor, name, number)).data, status=201)

    @extend_schema(
        summary="Confirm a golden version", request=None, responses=DatasetVersionSerializer, tags=["Data sets"]
    )
    def put(self, request: Request, name: str, number: int) -> Response:
        """Confirm what another person marked: from then on nothing is trained on it."""
        version = find_dataset_version(self.actor, name, number)
        services.golden_confirm(actor=self.actor, version=version, now=timezone.now())
        return Response(DatasetVersionSerializer(find_dataset_version(self.actor, name, number)).data)
