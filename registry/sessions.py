"""Sessions end: after a while without use, and in any case some hours after log-in (T36)."""

import time
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse


class SessionAgeMiddleware:
    """Log out a session that is too old or was idle too long; the log-in page says why."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """End the session if it is due, then answer."""
        if request.user.is_authenticated:
            now = time.time()
            began = request.session.setdefault("began_at", now)
            seen = request.session.get("seen_at", now)
            if now - began > settings.SESSION_ABSOLUTE_SECONDS or now - seen > settings.SESSION_IDLE_SECONDS:
                logout(request)
                request.session["ended"] = True
            elif now - request.session.get("seen_at", 0) > 30:  # a write every half minute is exact enough
                request.session["seen_at"] = now
        return self.get_response(request)
