"""The pack on paper: HTML that stands by itself, and PDF. Neither fetches anything, from the network or from disk."""

import re
from datetime import UTC, datetime
from typing import Any, NoReturn

from django.conf import settings
from django.contrib.staticfiles import finders
from django.template.loader import render_to_string

from registry.errors import RefusedError
from registry.review_pack import canonical

STYLES = ("css/tokens.css", "css/review_pack.css", "css/review_pack_print.css")
MARK = re.compile(r'<span class="pk-mark pk-(\w+)"><svg')
INK = {"pass": "pass", "fail": "fail", "warn": "pending", "pending": "pending", "unsure": "pending"}  # by state
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # attachments need a date; a fixed one, so that equal packs are equal files
PANGO = "sudo apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"


class PdfUnavailableError(RefusedError):
    """The server lacks what PDF is drawn with; page, HTML and JSON work without."""

    code = "pdf-unavailable"
    status = 503


class FetchError(Exception):
    """A document tried to fetch something; what it needs is handed over with it."""


def html_of(pack: dict[str, Any]) -> str:
    """Return the pack as one HTML file with its styles inside."""
    styles = "\n".join(_style(name) for name in STYLES)
    html = render_to_string("review_pack/print.html", {"pack": pack, "styles": styles, "site": settings.WEB_URL})
    return _inked(html, styles)


def pdf_of(pack: dict[str, Any]) -> bytes:
    """Return the pack as PDF: numbered pages, its digest on each, and the JSON itself attached.

    Raises:
        PdfUnavailableError: pango is not installed; says what to install.
    """
    try:
        import weasyprint
    except OSError as missing:
        raise PdfUnavailableError(
            "This server cannot draw PDF: a library of the system is missing. HTML and JSON work without.",
            unmet=[{"rule": str(missing).split("\n")[0], "who": f"whoever keeps the server: {PANGO}"}],
        ) from missing
    fetcher = _refusing(weasyprint.urls.URLFetcher)
    attached = weasyprint.Attachment(
        string=canonical(pack).decode(), name="review-pack.json", description="The same document as data",
        created=EPOCH, modified=EPOCH, relationship="Source", url_fetcher=fetcher,
    )  # fmt: skip
    document = weasyprint.HTML(string=html_of(pack), base_url=settings.WEB_URL, url_fetcher=fetcher)
    drawn: bytes = document.write_pdf(
        pdf_identifier=pack["sha256"].encode(), pdf_tags=True, attachments=[attached], custom_metadata=True
    )
    return drawn


def _inked(html: str, styles: str) -> str:
    """Give each mark the colour of its state as an attribute: what draws PDF applies no style sheet inside a drawing."""
    light = dict(re.findall(r"--cp-(\w+): (#[0-9a-f]{6})", styles[: styles.index('[data-bs-theme="dark"]')]))
    return MARK.sub(lambda mark: f'{mark[0]} color="{light[INK.get(mark[1], "skipped")]}"', html)


def _style(name: str) -> str:
    path = finders.find(name)
    if not isinstance(path, str):
        raise FileNotFoundError(name)
    with open(path, encoding="utf-8") as file:
        return file.read()


def _refusing(base: type[Any]) -> Any:
    class Refusing(base):  # type: ignore[misc]  # imported when it is needed
        def fetch(self, url: str, headers: object = None) -> NoReturn:
            raise FetchError(f"refused: {url[:200]}")

    return Refusing()
