"""Labels of a model's predictions: handing in a file of them, and what was handed in lately."""

from io import BytesIO
from typing import IO, Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from monitoring.labelling.lines import MOST_LINES, read_lines
from monitoring.selectors.labels import label_arrivals
from monitoring.services.labels import LinesError, Taken, labels_add
from registry.access import WRITERS, Actor, actor_of
from registry.errors import InvalidError
from registry.models import RegisteredModel
from registry.views.models import visible_model

CSV = """request_id,row,time,value
1f0c9a3e-2a,0,2026-11-25T18:40:00Z,true"""
NDJSON = """{"request_id": "1f0c9a3e-2a",
 "time": "2026-11-25T18:40:00Z", "value": true}""".replace("\n", "")
CURL = """curl {origin}/api/v1/models/{model}/labels \\
  -H "Authorization: Bearer $TOKEN" \\
  -H 'Content-Type: text/csv' --data-binary @labels.csv"""


@require_http_methods(["GET", "POST"])
def labels(request: HttpRequest, name: str) -> HttpResponse:
    """Take in labels from a file or as text, say what is wrong with which line, and list what was taken lately."""
    actor = actor_of(request)
    model = visible_model(actor, name)
    came = _take(request, actor, model) if request.method == "POST" else {}
    context = {
        "model": model, "arrivals": label_arrivals(model), "most_lines": MOST_LINES,
        "may_write": actor.role_in(model.team) in WRITERS, "csv": CSV, "ndjson": NDJSON,
        "curl": CURL.format(origin=f"{request.scheme}://{request.get_host()}", model=model.name), **came,
    }  # fmt: skip
    in_place = request.headers.get("HX-Request") == "true" and request.method == "POST"
    template = "monitoring/labels.html#came" if in_place else "monitoring/labels.html"
    answer = render(request, template, context, status=422 if came.get("refused") else 200)
    if in_place:
        answer["HX-Retarget"], answer["HX-Reswap"] = "#came", "outerHTML"  # a refusal belongs there too
    return answer


def _take(request: HttpRequest, actor: Actor, model: RegisteredModel) -> dict[str, Any]:
    """Return what came of it: ``taken`` with counts and faults, and why nothing was taken as ``refused``."""
    partial = request.POST.get("on_error") == "skip"
    text, file = request.POST.get("lines", ""), request.FILES.get("file")
    came: dict[str, Any] = {"partial": partial, "text": text}
    try:
        if bool(file) == bool(text.strip()):
            raise InvalidError("Choose a file or paste lines, one of the two.", field="file")
        stream: IO[bytes] = file.file if file and file.file else BytesIO(text.encode())
        taken = labels_add(
            actor=actor, model=model, lines=read_lines(stream), now=timezone.now(), partial=partial
        )  # fmt: skip
        return came | {"taken": taken, "text": ""}
    except LinesError as error:
        taken = Taken(refused=error.taken.refused, errors=error.taken.errors)
        return came | {"taken": taken, "refused": error}
    except InvalidError as error:
        return came | {"refused": error}
