"""The runbooks that come with the product: one chapter of `docs/runbooks.md` for each kind of alert."""

import re
from functools import lru_cache

import nh3
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_GET
from markdown_it import MarkdownIt

from registry.alerting.kinds import KINDS, kind_of

BOOK = "docs/runbooks.md"
CHAPTER = re.compile(r"^## .*?\n<a id=\"(?P<kind>[a-z_]+)\"></a>\n(?P<text>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


@lru_cache
def chapters() -> dict[str, str]:
    """Return the chapters, by kind, as HTML without anything that acts."""
    book = (settings.BASE_DIR / BOOK).read_text()
    return {found["kind"]: nh3.clean(MarkdownIt().render(found["text"])) for found in CHAPTER.finditer(book)}


@require_GET
def runbook(request: HttpRequest) -> HttpResponse:
    """Show what to do about one kind of alert."""
    kind = request.GET.get("kind") or "burn"
    if kind not in chapters():
        raise Http404
    context = {
        "kind": kind_of(kind),
        "chapter": mark_safe(chapters()[kind]),  # noqa: S308  our own text, cleaned
        "kinds": [(name, known.words) for name, known in KINDS.items()],
    }
    return render(request, "registry/runbook.html", context)
