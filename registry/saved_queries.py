"""The filters and the order that an address holds, in one form. Pure."""

from urllib.parse import parse_qsl, urlencode

NOT_KEPT = ("cursor",)  # a place in the list, which moves


def normal(query: str) -> str:
    """Return a query without empty values and without the place in the list, sorted; equal lists have equal ones."""
    pairs = parse_qsl(query.removeprefix("?"))
    return urlencode(sorted((name, value) for name, value in pairs if name not in NOT_KEPT and value.strip()))


def in_words(query: str) -> list[tuple[str, str]]:
    """Return what a query asks for, as (name, value)."""
    return parse_qsl(query)
