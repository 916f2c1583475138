"""Sessions end: after a while without use, and in any case some hours after log-in (T36)."""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.http import url_has_allowed_host_and_scheme

BEGAN, SEEN, ENDED, CONFIRMED = "began_at", "seen_at", "ended", "confirmed_at"
SEEN_EVERY_S = 30  # a write every half minute is exact enough


def begin(session: SessionBase) -> None:
    """Start the clocks of a session at log-in."""
    session[BEGAN] = session[SEEN] = session[CONFIRMED] = time.time()
    session.pop(ENDED, None)


def confirm(session: SessionBase) -> None:
    """Note that the person gave the password again."""
    session[CONFIRMED] = time.time()


def confirmed_at(session: SessionBase) -> float:
    """Return when the session last saw the person's password (seconds since 1970)."""
    return float(session.get(CONFIRMED) or session.get(BEGAN) or 0)


class SessionAgeMiddleware:
    """Log out a session that is too old or was idle too long; the log-in page says why."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """End the session if it is due, then answer."""
        if request.user.is_authenticated:
            now = time.time()
            began = request.session.setdefault(BEGAN, now)
            seen = request.session.setdefault(SEEN, now)
            if now - began > settings.SESSION_ABSOLUTE_SECONDS:
                self._end(request, "absolute")
            elif now - seen > settings.SESSION_IDLE_SECONDS:
                self._end(request, "idle")
            elif now - seen > SEEN_EVERY_S and "X-Poll" not in request.headers:
                request.session[SEEN] = now  # a page that polls by itself is no sign of a person
        return self.get_response(request)

    @staticmethod
    def _end(request: HttpRequest, why: str) -> None:
        logout(request)
        request.session[ENDED] = why


class LoginMiddleware(LoginRequiredMiddleware):
    """Send anonymous visitors to the log-in page, and afterwards back to a page they can look at."""

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., HttpResponseBase],
        view_args: tuple[Any, ...],
        view_kwargs: dict[str, Any],
    ) -> HttpResponseBase | None:
        """Let the view answer, or redirect; a piece of a page is told that its whole page has to leave."""
        refused = super().process_view(request, view_func, view_args, view_kwargs)
        if refused is None or "HX-Request" not in request.headers:
            return refused
        return HttpResponse(status=401, headers={"HX-Redirect": refused["Location"]})

    def handle_no_permission(
        self, request: HttpRequest, view_func: Callable[..., HttpResponseBase]
    ) -> HttpResponseRedirect:
        """Redirect to the log-in page; what cannot be looked at again is swapped for the page it was sent from."""
        if "HX-Request" in request.headers:
            return redirect_to_login(_page_behind(request, "HX-Current-URL"))
        if request.method not in ("GET", "HEAD"):
            return redirect_to_login(_page_behind(request, "Referer"))
        return super().handle_no_permission(request, view_func)


def _page_behind(request: HttpRequest, header: str) -> str:
    """Return path and query of the page of ours that sent the request, or the start page."""
    page = request.headers.get(header, "")
    if not url_has_allowed_host_and_scheme(page, {request.get_host()}):
        return "/"
    parts = urlsplit(page)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
