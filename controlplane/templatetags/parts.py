"""Parts of a page that another application draws, put in place on the server, so that nothing moves once the page is there."""

from copy import copy

from django import template
from django.http import HttpRequest, QueryDict
from django.template.context import Context
from django.urls import resolve, reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag(takes_context=True)
def part(context: Context, name: str, *args: str | int, every: str = "", **query: str) -> SafeString:
    """Print what the view ``name`` answers to this reader; with ``every`` (like "5s") the browser asks for it again.

    The registry's pages show traffic, objectives and rollouts, of which the registry knows nothing but an address. A browser that fetched each
    of them would draw the page several times over; so the server asks first.

    Raises:
        Http404: the reader may not see it; nor may they see the page, then.
    """
    path, asks = reverse(name, args=args), urlencode(query)
    match = resolve(path)
    asked: HttpRequest = copy(context["request"])
    asked.method = "GET"
    asked.path = asked.path_info = path
    asked.GET = QueryDict(asks)
    asked.META = {**asked.META, "QUERY_STRING": asks, "PATH_INFO": path}
    drawn = SafeString(match.func(asked, *match.args, **match.kwargs).content.decode())
    if not every:
        return drawn
    url = f"{path}?{asks}" if asks else path
    return format_html('<div hx-get="{}" hx-trigger="every {}">{}</div>', url, every, drawn)
