"""The component kit: each tag prints one component and escapes what it is given. `docs/ui.md` shows them all."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django import template
from django.middleware.csrf import get_token
from django.template.context import Context
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString

from controlplane import formats

register = template.Library()


def _of_a_number(show: Callable[[Any], str]) -> Callable[[Any], str]:
    """Make a filter of a format; Django hands a filter the empty string where a template's variable does not exist."""
    return lambda value: formats.NOTHING if value == "" else show(value)


register.filter("compact", _of_a_number(formats.compact))
register.filter("metric", _of_a_number(formats.metric))
register.filter("signed", _of_a_number(formats.signed))
register.filter("percent", _of_a_number(formats.percent))
register.filter("duration", _of_a_number(formats.duration))
register.filter("minutes", _of_a_number(lambda minutes: formats.duration(minutes * 60)))
register.filter("stamp", formats.stamp)
register.filter("value", formats.value)
register.filter("bytes", _of_a_number(formats.size))


# The shape of a state is its own; its colour is one of four.
COLOURS = {
    "pass": "pass",
    "fail": "fail",
    "pending": "pending",
    "unsure": "pending",
    "warn": "pending",
    "live": "pending",
    "skipped": "skipped",
    "todo": "skipped",
}
SHORT_DIGEST = 8
A_DIGEST = re.compile(r"(sha256:)?[0-9a-f]{40,64}")
BRIEF = 70  # characters
NEVER = SafeString('<span class="muted">never</span>')
NONE_YET = SafeString('<span class="muted">none yet</span>')


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """Print an icon of the sprite; without a label it is decoration that screen readers pass over."""
    if label:
        return format_html('<svg class="ic" role="img" aria-label="{}"><use href="#i-{}"></use></svg>', label, name)
    return format_html('<svg class="ic" aria-hidden="true"><use href="#i-{}"></use></svg>', name)


@register.simple_tag
def status(state: str, word: str) -> SafeString:
    """Print a state as shape, word and colour."""
    return format_html('<span class="st st-{}">{}{}</span>', COLOURS.get(state, "skipped"), icon(state), word)


@register.simple_tag
def status_lead(state: str, word: str) -> SafeString:
    """Print the state of the page's own object: the one tinted pill of a page."""
    return format_html('<span class="st st-lead st-{}">{}{}</span>', COLOURS.get(state, "skipped"), icon(state), word)


@register.simple_tag
def copy_button(text: str, what: str = "") -> SafeString:
    """Print a button that copies ``text``; ``what`` names it for screen readers."""
    text = escape(text)  # in an attribute even a template's own literal may hold no quotation mark
    return format_html(
        '<button type="button" class="copy" data-copy="{}" aria-label="Copy {}">{}</button>',
        text, escape(what) or text, icon("copy"),
    )  # fmt: skip


@register.simple_tag
def digest(value: str) -> SafeString:
    """Print the first characters of a digest with a button that copies all of it."""
    if not value:
        return NONE_YET
    scheme, _, digits = value.rpartition(":")
    short = f"{scheme}:{digits[:SHORT_DIGEST]}" if scheme else digits[:SHORT_DIGEST]
    return format_html('<span class="id" title="{}">{}{}</span>', value, short, copy_button(value, short))


@register.simple_tag
def brief(value: object) -> SafeString:
    """Print any value in little room: a digest short with a copy button, a long text's beginning that unfolds."""
    text = str(value)
    if A_DIGEST.fullmatch(text):
        return digest(text)
    if len(text) <= BRIEF:
        return SafeString(escape(text))
    start = text[:BRIEF].rsplit(" ", 1)[0]
    return format_html('<details class="brief"><summary><span>{}…</span></summary>{}</details>', start, text)


@register.simple_tag
def copyable(value: object) -> SafeString:
    """Print an id or address whole, cut off by the width of its place alone, with a copy button."""
    text = escape(value)
    return format_html('<span class="id id-long" title="{}"><span>{}</span>{}</span>', text, text, copy_button(text))


@register.simple_tag
def ago(moment: datetime | None, *, short: bool = False) -> SafeString:
    """Print how long ago something was; the page keeps it fresh and shows the exact time on hover."""
    if moment is None:
        return NEVER
    return _time(moment, formats.since(moment, timezone.now(), short=short), "ago-short" if short else "ago")


@register.simple_tag
def at(moment: datetime | None) -> SafeString:
    """Print the exact time, in the zone the reader chose."""
    if moment is None:
        return NEVER
    return _time(moment, f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC", "at")


def _time(moment: datetime, text: str, kind: str) -> SafeString:
    exact = f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    return format_html(
        '<time datetime="{}Z" title="{} UTC" data-time="{}">{}</time>', exact.replace(" ", "T"), exact, kind, text
    )


@register.simple_tag
def live() -> SafeString:
    """Print the age of a piece that polls; it turns into a warning when no answer came for 15 seconds.

    It stands inside the piece that is swapped, so that each answer starts its age again.
    """
    return format_html('<span class="fresh meta" data-live>{}<span>updated just now</span></span>', icon("warn"))


@register.simple_tag
def snippet(text: str) -> SafeString:
    """Print code of one or more lines with a copy button."""
    return format_html(
        '<div class="snip"><code tabindex="0">{}</code>{}</div>', escape(text), copy_button(text, "this snippet")
    )


@register.inclusion_tag("partials/empty.html")
def empty(title: str, why: str, *, snippet: str = "", action: str = "", href: str = "") -> dict[str, str]:
    """Print why a place is empty and what to do next: a link, a snippet, or both."""
    return {"title": title, "why": why, "snippet": snippet, "action": action, "href": href}


@register.simple_tag
def bar(share: float | None, state: str = "", label: str = "") -> SafeString:
    """Print a share between 0 and 1 as a bar; ``label`` says what it is a share of."""
    held = min(max(share or 0.0, 0.0), 1.0)
    text = f"{label}: {formats.percent(held)}" if label else formats.percent(held)
    return format_html(
        '<svg class="bar" role="img" aria-label="{}"><rect class="{}" width="{}%" height="6"></rect></svg>',
        text, state, round(held * 100, 1),
    )  # fmt: skip


@register.simple_block_tag(takes_context=True)
def confirm(
    context: Context, content: str, *, name: str, title: str, action: str, button: str, word: str = ""
) -> SafeString:
    """Print the dialog that a `data-dialog="<name>"` button opens before something that cannot be taken back.

    Args:
        content: what happens and what it means; form fields, such as a reason, go here too.
        name: id of the dialog.
        action: address the form is posted to.
        button: what the button does, as a verb.
        word: what has to be typed before the button works; empty for none.
    """
    return render_to_string(
        "partials/confirm.html",
        {
            "content": content,
            "name": name,
            "title": title,
            "action": action,
            "button": button,
            "word": word,
            "csrf_token": get_token(context["request"]),
        },
    )
