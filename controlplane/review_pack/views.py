"""The review pack on a page, as files, and by the API."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from controlplane.review_pack import review_pack
from controlplane.review_pack.printing import html_of, pdf_of
from registry import services
from registry.access import Actor, actor_of
from registry.api.base import ApiView, Query
from registry.api.lookup import find_promotion
from registry.models import Promotion
from registry.review_pack import canonical
from registry.views.promotions import visible_promotion

MEDIA = {"json": "application/json", "pdf": "application/pdf", "html": "text/html"}


@require_GET
def pack_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the pack of a promotion, or hand it over as a file with ``?format=``."""
    actor = actor_of(request)
    found = visible_promotion(actor, pk)
    form = request.GET.get("format", "")
    if form in MEDIA:
        return _file(actor, found, form)
    return render(
        request, "review_pack/page.html", {"pack": review_pack(found), "promotion": found, "model": found.model}
    )


def _file(actor: Actor, promotion: Promotion, form: str) -> HttpResponse:
    """Return the pack as a file, and record that it was taken."""
    pack = review_pack(promotion)
    make = {"json": canonical, "pdf": pdf_of, "html": html_of}[form]
    body = make(pack)
    services.promotion_export(actor=actor, promotion=promotion, form=form, sha256=pack["sha256"])
    name = f"review-pack-{promotion.pk}-{pack['sha256'][7:15]}.{form}"
    return HttpResponse(
        body, content_type=f"{MEDIA[form]}; charset=utf-8" if form == "html" else MEDIA[form],
        headers={"Content-Disposition": f'attachment; filename="{name}"', "ETag": f'"{pack["sha256"]}"'},
    )  # fmt: skip


class PackQuery(Query):
    """In which form."""

    format = serializers.ChoiceField(choices=sorted(MEDIA), required=False, help_text="goes before `Accept`")


class _AnyForm(BaseContentNegotiation):
    """Leaves the choice to the view: its own forms are files, and refusals are always JSON."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class ReviewPack(ApiView):
    """The review pack of a promotion."""

    query_class = PackQuery
    content_negotiation_class = _AnyForm

    @extend_schema(
        summary="Get the review pack of a promotion", tags=["Promotions"],
        responses={
            (200, "application/json"): OpenApiTypes.OBJECT,
            (200, "application/pdf"): OpenApiTypes.BINARY,
            (200, "text/html"): OpenApiTypes.STR,
        },
    )  # fmt: skip
    def get(self, request: Request, pk: int) -> HttpResponse:
        """Return everything that the decision rests on as one document: JSON, PDF or HTML, by `format` or `Accept`.

        The JSON is canonical: sorted keys, no spaces, and `sha256` over all the rest; two exports of the same state are
        equal. The PDF prints that digest on each page and carries the JSON as an attachment. Each export is audited.
        """
        promotion = find_promotion(self.actor, pk)
        form = self.query.get("format") or _accepted(request)
        return _file(self.actor, promotion, form)


def _accepted(request: Request) -> str:
    wanted = request._request.get_preferred_type(list(MEDIA.values()))  # DRF hides Django's request, which knows Accept
    if wanted is None:
        raise NotAcceptable
    return next(form for form, media in MEDIA.items() if media == wanted)
