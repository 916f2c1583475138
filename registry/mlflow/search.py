"""MLflow's search language, compiled to SQL: filters to Q objects, order and page to a keyset.

MLflow's own parser reads the text, so the grammar and its error messages are MLflow's.
"""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import CharField, Exists, Lookup, Model, OuterRef, Q, QuerySet, TextField
from mlflow.exceptions import MlflowException
from mlflow.utils.search_utils import SearchModelUtils, SearchModelVersionUtils, SearchUtils

from registry.models import PROMPT_TAG, ModelTag, VersionTag

PAGE_CAP = 1000  # rows in one page, whatever the client asks for: its own default is 200,000
Row = TypeVar("Row", bound=Model)


class _Like(Lookup):
    """SQL's own LIKE, with the wildcards of MLflow's filters; Django's lookups escape them."""

    lookup_name = "like"
    operator = "LIKE"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        left, left_params = self.process_lhs(compiler, connection)
        right, right_params = self.process_rhs(compiler, connection)
        return f"{left} {self.operator} {right}", (*left_params, *right_params)


class _ILike(_Like):
    lookup_name = "ilike"
    operator = "ILIKE"


for _field in (CharField, TextField):
    _field.register_lookup(_Like)
    _field.register_lookup(_ILike)

LOOKUPS = {
    "=": "exact", "!=": "exact", "LIKE": "like", "ILIKE": "ilike", "IN": "in", "NOT IN": "in",
    "<": "lt", "<=": "lte", ">": "gt", ">=": "gte",
}  # fmt: skip
NEGATED = {"!=", "NOT IN"}
NUMERIC = {"=", "!=", "<", "<=", ">", ">="}
LISTED = {"IN", "NOT IN"}
TEXTUAL = {"=", "!=", "LIKE", "ILIKE", *LISTED}


@dataclass(frozen=True)
class Kind:
    """What may be asked of models or of versions."""

    parse: Callable[[str | None], list[dict[str, Any]]]
    parse_order: Callable[[str], tuple[str, bool]]
    attributes: dict[str, str]  # MLflow's attribute: our field
    numbers: frozenset[str]
    listed: frozenset[str]  # attributes that take IN
    tags: type[ModelTag | VersionTag]
    tag_owner: str
    is_prompt: str  # our field
    order: dict[str, str]  # MLflow's key: our field
    ties: tuple[tuple[str, bool], ...]  # appended, so that the order is total: (field, ascending)


MODELS = Kind(
    parse=SearchModelUtils.parse_search_filter,
    parse_order=SearchUtils.parse_order_by_for_search_registered_models,
    attributes={"name": "name"},
    numbers=frozenset(),
    listed=frozenset({"name"}),
    tags=ModelTag,
    tag_owner="model",
    is_prompt="is_prompt",
    order={"name": "name", "timestamp": "updated_at", "last_updated_timestamp": "updated_at"},
    ties=(("name", True),),
)
VERSIONS = Kind(
    parse=SearchModelVersionUtils.parse_search_filter,
    parse_order=lambda text: SearchModelVersionUtils.parse_order_by_for_search_model_versions(text)[1:],
    attributes={"name": "model__name", "version_number": "number", "run_id": "run_id", "source_path": "source"},
    numbers=frozenset({"version_number"}),
    listed=frozenset({"name", "run_id"}),
    tags=VersionTag,
    tag_owner="version",
    is_prompt="model__is_prompt",
    order={
        "name": "model__name", "version_number": "number", "creation_timestamp": "created_at",
        "last_updated_timestamp": "updated_at",
    },
    ties=(("model__name", True), ("number", False)),
)  # fmt: skip


@dataclass(frozen=True)
class Page:
    """The ids of one page's rows in their order, and the token of the next page; empty after the last."""

    ids: list[int]
    token: str


def filter_rows(kind: Kind, rows: QuerySet[Row], text: str | None) -> QuerySet[Row]:
    """Keep the rows that a filter such as ``name LIKE 'flight%' AND tags.stage = 'eu'`` describes.

    Raises:
        MlflowException: INVALID_PARAMETER_VALUE, the text is no such filter.
    """
    by_tag: dict[str, Q] = {}
    prompts: bool | None = None  # models are meant unless the first clause about it says prompts
    for clause in kind.parse(text):
        key, comparator, value = clause["key"], clause["comparator"], clause["value"]
        _check_value(value)
        if clause["type"] == "attribute":
            condition = _attribute(kind, key, comparator, value)
            rows = rows.exclude(condition) if comparator in NEGATED else rows.filter(condition)
        elif comparator not in ("=", "!=", "LIKE", "ILIKE"):
            raise MlflowException.invalid_parameter_value(f"Invalid comparator for tag: {comparator}")
        else:
            if key == PROMPT_TAG and prompts is None:
                prompts = (comparator, value.lower()) in (("=", "true"), ("!=", "false"))
            condition = Q(**{f"value__{LOOKUPS[comparator]}": value})
            by_tag[key] = by_tag.get(key, Q()) & (~condition if comparator in NEGATED else condition)
    if not prompts:
        by_tag.pop(PROMPT_TAG, None)  # models lack the tag
    rows = rows.filter(**{kind.is_prompt: bool(prompts)})
    for key, condition in by_tag.items():
        rows = rows.filter(Exists(kind.tags.objects.filter(condition, key=key, **{kind.tag_owner: OuterRef("pk")})))
    return rows


def page_of(kind: Kind, rows: QuerySet[Row], *, order_by: Sequence[str], max_results: int, token: str | None) -> Page:
    """Return one page of ``rows``; its cost does not grow with how deep it lies.

    Raises:
        MlflowException: INVALID_PARAMETER_VALUE, the order or the token is not one of ours.
    """
    order = _order(kind, order_by)
    if token:
        rows = rows.filter(_after(order, _opened(order, token)))
    rows = rows.order_by(*(field if ascending else f"-{field}" for field, ascending in order))
    size = min(max_results, PAGE_CAP)
    found = list(rows.values_list("pk", *(field for field, _ in order))[: size + 1])
    return Page([pk for pk, *_ in found[:size]], _token(found[size - 1][1:]) if len(found) > size else "")


def _attribute(kind: Kind, key: str, comparator: str, value: Any) -> Q:
    if key not in kind.attributes:
        raise MlflowException.invalid_parameter_value(f"Invalid attribute name: {key}")
    if key in kind.numbers:
        if comparator not in NUMERIC:
            raise MlflowException.invalid_parameter_value(f"Invalid comparator for attribute {key}: {comparator}")
        try:
            value = int(str(value))
        except ValueError:
            raise MlflowException.invalid_parameter_value(
                f"Invalid value for numeric attribute '{key}': {value!r}"
            ) from None
    elif comparator not in TEXTUAL or (comparator in LISTED and key not in kind.listed):
        raise MlflowException.invalid_parameter_value(f"Invalid comparator for attribute: {comparator}")
    return Q(**{f"{kind.attributes[key]}__{LOOKUPS[comparator]}": value})


def _check_value(value: Any) -> None:
    texts = value if isinstance(value, (list, tuple, set)) else [value]
    if any(isinstance(text, str) and "\x00" in text for text in texts):
        raise MlflowException.invalid_parameter_value("A filter's value cannot hold a NUL character.")


def _order(kind: Kind, order_by: Sequence[str]) -> list[tuple[str, bool]]:
    order: list[tuple[str, bool]] = []
    for text in order_by:
        key, ascending = kind.parse_order(text)
        if key not in kind.order:
            raise MlflowException.invalid_parameter_value(
                f"Invalid order by key '{key}' specified. Valid keys are {sorted(kind.order)}"
            )
        field = kind.order[key]
        if field in dict(order):
            raise MlflowException.invalid_parameter_value(f"`order_by` contains duplicate fields: {list(order_by)}")
        order.append((field, ascending))
    return order + [tie for tie in kind.ties if tie[0] not in dict(order)]


def _after(order: list[tuple[str, bool]], last: list[Any]) -> Q:
    """Return the condition for what follows the row with these values: (a > x) or (a = x and b > y), and so on."""
    following, equal = Q(), Q()
    for (field, ascending), value in zip(order, last, strict=True):
        following |= equal & Q(**{f"{field}__{'gt' if ascending else 'lt'}": value})
        equal &= Q(**{field: value})
    return following


def _token(last: Sequence[Any]) -> str:
    values = [value.isoformat() if isinstance(value, datetime) else value for value in last]
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()


def _opened(order: list[tuple[str, bool]], token: str) -> list[Any]:
    try:
        values = json.loads(base64.urlsafe_b64decode(token))
        return [
            datetime.fromisoformat(value) if field.endswith("_at") else (int if field == "number" else str)(value)
            for (field, _), value in zip(order, values, strict=True)
        ]
    except (ValueError, TypeError):
        raise MlflowException.invalid_parameter_value(
            "Invalid page token: it belongs to another search, or is none at all."
        ) from None
