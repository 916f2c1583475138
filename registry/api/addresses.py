"""Addresses of the API end without a slash; one that is sent with it means the same."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase


class SlashMiddleware:
    """Take the slash off the end of an API address."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass the request on, by its proper address."""
        if request.path_info.startswith("/api/v1/"):
            request.path, request.path_info = request.path.rstrip("/"), request.path_info.rstrip("/")
        return self.get_response(request)
