"""Cells of text as values of a type: what a column's type is, and which cell is none of it. Pure."""

import polars as pl

from experiments.intake.dialects import Dialect

TIMES = (
    "%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M",
    "%Y-%m-%d", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y",
)  # fmt: skip
WORDS = {
    "long": "whole number",
    "double": "number",
    "boolean": "true or false",
    "datetime": "date or time",
    "string": "text",
}
TRUTH = {"true": True, "false": False, "yes": True, "no": False, "t": True, "f": False}


def converted(text: pl.Series, kind: str, dialect: Dialect, formats: dict[str, str]) -> pl.Series:
    """Return text as values of a type; missing where it is none.

    Args:
        formats: how times are written, by column; filled in by the first that fit.
    """
    if kind == "string":
        return text
    text = text.str.strip_chars()
    if kind == "boolean":
        return text.str.to_lowercase().replace_strict(TRUTH, default=None, return_dtype=pl.Boolean)
    if kind == "datetime":
        return _times(text, formats)
    if dialect.decimal == ",":
        text = text.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    return text.cast(pl.Int64 if kind == "long" else pl.Float64, strict=False)


def type_of(values: pl.Series, dialect: Dialect) -> str:
    """Return the narrowest type that all values have: boolean, long, double, datetime, else string."""
    if not len(values):
        return "string"
    for kind in ("boolean", "long", "double", "datetime"):
        if converted(values, kind, dialect, {}).null_count() == 0:
            leading = kind == "long" and values.str.contains(r"^0\d").any()
            return "string" if leading else kind  # a code such as 00123 is no number
    return "string"


def _times(text: pl.Series, formats: dict[str, str]) -> pl.Series:
    known = formats.get(text.name)
    for form in [known] if known else TIMES:
        read = text.str.to_datetime(
            form, time_unit="us", time_zone="UTC" if "z" in form else None, strict=False, exact=True
        )
        if known or read.null_count() == text.null_count():
            if text.null_count() < len(text):
                formats[text.name] = form
            return read.dt.convert_time_zone("UTC") if "z" in form else read.dt.replace_time_zone("UTC")
    form = next(
        (form for form in TIMES if text.str.to_datetime(form, strict=False).null_count() < len(text)), "%Y-%m-%d"
    )
    return text.str.to_datetime(
        form, time_unit="us", strict=False, time_zone="UTC" if "z" in form else None
    ).dt.replace_time_zone("UTC")
