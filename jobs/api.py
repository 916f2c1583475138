"""The REST API of jobs, mounted under `/api/v1/jobs/`."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs.access import Access, Act, access_of, job_act
from jobs.kinds import UnknownKindError
from jobs.models import STATES, Attempt, Job, LogLine
from jobs.pagination import CursorPages
from jobs.selectors import Waiting, jobs_filtered, waiting_of
from jobs.state_table import IllegalMoveError


class ConflictError(APIException):
    """The job's state does not allow this."""

    status_code = 409


class Query(serializers.Serializer[Any]):
    """The query parameters that a view knows; each is given at most once."""

    @classmethod
    def read(cls, request: Request) -> dict[str, Any]:
        """Return the parameters of ``request``.

        Raises:
            ValidationError: one is unknown, repeated or has a value that is not acceptable.
        """
        known = cls().fields
        wrong = {name: ["Unknown."] for name in request.query_params if name not in known}
        wrong |= {name: ["Given more than once."] for name, given in request.query_params.lists() if len(given) > 1}
        if wrong:
            raise ValidationError(wrong)
        query = cls(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        return dict(query.validated_data)


class PageQuery(Query):
    """Where a page begins and how long it is."""

    cursor = serializers.CharField(required=False, help_text="follow `next` and `previous`")
    page_size = serializers.IntegerField(required=False, min_value=1, max_value=CursorPages.max_page_size)


class JobQuery(PageQuery):
    """Which jobs."""

    kind = serializers.CharField(required=False)
    state = serializers.ChoiceField(choices=STATES, required=False)
    subject = serializers.CharField(required=False, help_text="a path, with all that lies beneath it: `/models/x/`")
    text = serializers.CharField(required=False, help_text="found in title or subject, or the job's number")


class AttemptSerializer(serializers.ModelSerializer[Attempt]):
    """One run of a job."""

    class Meta:
        model = Attempt
        fields = ("number", "worker", "started_at", "ended_at", "outcome", "error", "peak_memory_mb")


class JobSummarySerializer(serializers.ModelSerializer[Job]):
    """A job in a list."""

    class Meta:
        model = Job
        fields: ClassVar[tuple[str, ...]] = (
            "id", "kind", "queue", "scope", "title", "subject", "state", "progress", "phase", "attempt", "max_attempts",
            "created_at", "started_at", "finished_at",
        )  # fmt: skip


class WaitingSerializer(serializers.Serializer[Waiting]):
    """Why a queued job has not begun."""

    reason = serializers.ChoiceField(
        choices=["pause", "team_limit", "turn"],
        help_text="`pause` after a failed attempt; `team_limit`: its team has as many running as it may; `turn`: those before it go first",
    )
    ahead = serializers.IntegerField(help_text="jobs of its queue that would be taken first, as things stand")
    running = serializers.IntegerField(help_text="jobs of its team that run in the queue")
    limit = serializers.IntegerField(
        allow_null=True, help_text="how many of them may run at once; null: no limit of its own"
    )
    until = serializers.DateTimeField(allow_null=True, help_text="when a pause ends")
    words = serializers.CharField(help_text="the same in a sentence")


class JobSerializer(JobSummarySerializer):
    """A job with its parameters, result and attempts."""

    waiting = serializers.SerializerMethodField(help_text="why it has not begun; null where it has")
    attempts = AttemptSerializer(many=True, read_only=True)
    created_by = serializers.CharField(source="created_by.username", default=None, read_only=True, allow_null=True)

    class Meta(JobSummarySerializer.Meta):
        fields = (
            *JobSummarySerializer.Meta.fields,
            "params", "result", "error", "created_by", "worker", "lease_expires_at", "run_after",
            "cancel_requested_at", "waiting", "attempts",
        )  # fmt: skip

    @extend_schema_field(WaitingSerializer(allow_null=True))
    def get_waiting(self, job: Job) -> dict[str, Any] | None:
        """Return why it has not begun."""
        found = waiting_of(job)
        return dict(WaitingSerializer(found).data) if found else None


class LogLineSerializer(serializers.ModelSerializer[LogLine]):
    """One numbered line of a job's log."""

    class Meta:
        model = LogLine
        fields = ("number", "attempt", "at", "text")


class JobApiView(APIView):
    """Base of the views: who may see and do what."""

    pagination_class = CursorPages
    query_class: ClassVar[type[Query]] = Query
    access: Access
    query: dict[str, Any]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticate, then read the query."""
        super().initial(request, *args, **kwargs)
        self.access = access_of(request)
        if hasattr(self, str(request.method).lower()):  # what is not offered is 405, whatever the query
            self.query = (self.query_class if request.method == "GET" else Query).read(request)

    def page(self, rows: QuerySet[Any], form: type[serializers.ModelSerializer[Any]], ordering: str) -> Response:
        """Return the page of ``rows`` that the query asks for."""
        pages = CursorPages()
        pages.ordering = ordering
        found: list[Any] = pages.paginate_queryset(rows, self.request, view=self) or []
        return pages.get_paginated_response(form(found, many=True).data)


class Jobs(JobApiView):
    """The jobs that the caller may see."""

    query_class = JobQuery

    @extend_schema(summary="List jobs", parameters=[JobQuery], responses=JobSummarySerializer(many=True), tags=["Jobs"])
    def get(self, request: Request) -> Response:
        """List the jobs of your teams, newest first."""
        wanted = {key: self.query[key] for key in ("kind", "state", "subject", "text") if key in self.query}
        return self.page(jobs_filtered(self.access.visible, **wanted), JobSummarySerializer, "-id")


class JobDetail(JobApiView):
    """One job."""

    @extend_schema(summary="Read a job", responses=JobSerializer, tags=["Jobs"])
    def get(self, request: Request, pk: int) -> Response:
        """Return a job with its parameters, result and attempts."""
        return Response(JobSerializer(self.access.job(pk)).data)


class JobLog(JobApiView):
    """The log of one job."""

    query_class = PageQuery

    @extend_schema(
        summary="Read a job's log", parameters=[PageQuery], responses=LogLineSerializer(many=True), tags=["Jobs"]
    )
    def get(self, request: Request, pk: int) -> Response:
        """Return the numbered lines that a job wrote, oldest first."""
        return self.page(self.access.job(pk).log.all(), LogLineSerializer, "number")


class JobCancel(JobApiView):
    """Cancelling one job."""

    @extend_schema(summary="Cancel a job", request=None, responses=JobSerializer, tags=["Jobs"])
    def post(self, request: Request, pk: int) -> Response:
        """Cancel a waiting job at once, or have a running one stop. Asks for a role above viewer."""
        return _act(request, "cancel", pk)


class JobRetry(JobApiView):
    """Trying one job again."""

    @extend_schema(summary="Retry a job", request=None, responses=JobSerializer, tags=["Jobs"])
    def post(self, request: Request, pk: int) -> Response:
        """Queue a failed or cancelled job again. Asks for a role above viewer."""
        return _act(request, "retry", pk)


def _act(request: Request, act: Act, pk: int) -> Response:
    try:
        changed = job_act(request, act, pk)
    except (IllegalMoveError, UnknownKindError) as refused:
        raise ConflictError(str(refused)) from refused
    return Response(JobSerializer(changed).data)
