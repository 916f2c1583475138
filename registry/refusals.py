"""A refused action, answered as a page that names every unmet rule and who can clear it."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from registry.errors import RefusedError


class RefusalMiddleware:
    """Turn a :class:`RefusedError` that a page let through into a refusal page; the API has problem documents."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Render the refusal with its own status; a piece of a page gets it as a message."""
        if not isinstance(exception, RefusedError):
            return None
        if "HX-Request" in request.headers:
            answer = render(request, "partials/refusal_message.html", {"refused": exception}, status=exception.status)
            answer["HX-Retarget"], answer["HX-Reswap"] = "#messages", "beforeend"
            return answer
        back = request.headers.get("Referer", "/")
        return render(request, "errors/refused.html", {"refused": exception, "back": back}, status=exception.status)
