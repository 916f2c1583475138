"""The pages of jobs: the list, one job with its log, and the panel that other pages take in."""

from collections.abc import Iterator

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from jobs import selectors
from jobs.access import Access, Act, access_of, job_act
from jobs.kinds import UnknownKindError
from jobs.models import STATES, Job
from jobs.paging import page_of
from jobs.state_table import IllegalMoveError
from jobs.states import State

IN_PANEL = 5


@require_GET
def jobs(request: HttpRequest) -> HttpResponse:
    """List the jobs the reader may see; the piece with the rows renews itself while one of them waits or runs."""
    access = access_of(request)
    chosen = {key: request.GET.get(key, "") for key in ("q", "kind", "state", "subject")}
    found = selectors.jobs_filtered(
        access.visible, kind=chosen["kind"], state=chosen["state"], subject=chosen["subject"], text=chosen["q"]
    )
    page = page_of(request, found, "-id")
    context = {
        "page": page,
        "chosen": chosen,
        "filtered": any(chosen.values()),
        "kinds": selectors.kinds_seen(access.visible),
        "states": STATES,
        "live": any(not job.is_final for job in page.rows),
    }
    template = "jobs/jobs.html#list" if request.headers.get("HX-Request") else "jobs/jobs.html"
    return render(request, template, context)


@require_GET
def job(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one job; its moving pieces renew themselves until it has ended."""
    access = access_of(request)
    found = access.job(pk)
    window = selectors.log_window(found, line=_number(request, "line"))
    context = {
        **_state(access, found),
        "params": selectors.outputs(found.params),
        "window": window,
        "follow": not (found.is_final or window.has_later),
    }
    return render(request, "jobs/job.html", context)


@require_GET
def job_state(request: HttpRequest, pk: int) -> HttpResponse:
    """Return the moving pieces of a job's page."""
    access = access_of(request)
    return render(request, "jobs/job.html#moving", {**_state(access, access.job(pk)), "swapped": True})


@require_GET
def job_log(request: HttpRequest, pk: int) -> HttpResponse:
    """Return the log lines after a line, and the place where the next ones will come."""
    found = access_of(request).job(pk)
    window = selectors.log_window(found, after=_number(request, "after") or 0)
    follow = window.has_later or not found.is_final
    return render(request, "jobs/job.html#lines", {"job": found, "window": window, "follow": follow})


@require_GET
def job_log_raw(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """Download the whole log as text."""
    found = access_of(request).job(pk)
    headers = {"Content-Disposition": f'attachment; filename="job-{pk}.log"'}
    return StreamingHttpResponse(_text(found), content_type="text/plain; charset=utf-8", headers=headers)


@require_GET
def job_panel(request: HttpRequest) -> HttpResponse:
    """Return the latest jobs about a subject and what lies beneath it, for the page of that subject."""
    subject = request.GET.get("subject", "")
    if not subject.startswith("/"):
        raise Http404
    rows = list(selectors.jobs_filtered(access_of(request).visible, subject=subject)[:IN_PANEL])
    live = any(not job.is_final for job in rows)
    return render(request, "jobs/panel.html", {"rows": rows, "subject": subject, "live": live})


@require_POST
def job_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Cancel a job."""
    return _act(request, "cancel", pk)


@require_POST
def job_retry(request: HttpRequest, pk: int) -> HttpResponse:
    """Queue a job again."""
    return _act(request, "retry", pk)


def _act(request: HttpRequest, act: Act, pk: int) -> HttpResponse:
    try:
        changed = job_act(request, act, pk)
    except (IllegalMoveError, UnknownKindError) as refused:
        messages.warning(request, f"{refused} Nothing was changed.")
    else:
        match changed.state:
            case State.QUEUED:
                messages.success(request, f"Job {pk} is queued again.")
            case State.RUNNING:
                messages.success(request, f"Job {pk} is asked to stop; its worker reads that within seconds.")
            case _:
                messages.success(request, f"Job {pk} is cancelled.")
    return redirect("job", pk=pk)


def _state(access: Access, found: Job) -> dict[str, object]:
    return {
        "job": found,
        "expected": selectors.expected_duration(found),
        "attempts": found.attempts.order_by("-number"),
        "outputs": selectors.outputs(found.result),
        "waiting": selectors.waiting_of(found),
        "may_act": access.may_act_on(found),
    }


def _number(request: HttpRequest, name: str) -> int | None:
    given = request.GET.get(name, "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 10 else None


def _text(found: Job) -> Iterator[str]:
    for line in found.log.iterator(chunk_size=2000):
        yield f"{line.at:%Y-%m-%dT%H:%M:%S.%fZ} {line.attempt} {line.text}\n"
