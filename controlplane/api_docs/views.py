"""The API's reference page."""

from functools import lru_cache

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET
from drf_spectacular.generators import SchemaGenerator

from controlplane.api_docs.content import CHANGES, problems
from controlplane.api_docs.document import Operation, operations
from registry.access import actor_of
from registry.models import ApiToken


@require_GET
def api_docs(request: HttpRequest) -> HttpResponse:
    """Show how to begin and what there is or, with `?group=`, the operations of one group."""
    server = f"{request.scheme}://{request.get_host()}"
    groups, group = _groups(server), request.GET.get("group", "")
    if group and group not in groups:
        raise Http404
    tokens = ApiToken.objects.filter(user=actor_of(request).user, revoked_at__isnull=True).select_related("team")
    context = {
        "groups": groups,
        "group": group,
        "operations": groups.get(group, []),
        "problems": problems(),
        "changes": CHANGES,
        "server": server,
        "token": tokens.first(),
    }
    return render(request, "api_docs.html", context)


@lru_cache(maxsize=8)  # one entry for each name of the host that ALLOWED_HOSTS lets through
def _groups(server: str) -> dict[str, list[Operation]]:
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]
    return operations(generator.get_schema(request=None, public=True), server=server)  # type: ignore[no-untyped-call]
