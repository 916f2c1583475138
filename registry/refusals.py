"""A refused action, answered as a page that names every unmet rule and who can clear it; and the way back from it."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import Resolver404, resolve

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


class PageAboveMiddleware:
    """Lead who opens an address that takes forms alone to the page above it.

    A form that is refused is shown again under the address it was sent to. Back, a link to it, a tab of it or a log-in
    in between open that address without the form.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on; replace an empty 405."""
        answer = self.get_response(request)
        if answer.status_code != 405 or request.method != "GET" or request.path.startswith("/api/"):
            return answer
        query = request.META["QUERY_STRING"]
        return redirect(f"{_page_above(request.path)}{'?' if query else ''}{query}")


def _page_above(path: str) -> str:
    """Return the nearest address above ``path`` that there is; the start page always is."""
    while path != "/":
        path = path.rstrip("/").rpartition("/")[0] + "/"
        try:
            resolve(path)
        except Resolver404:
            continue
        return path
    return path
