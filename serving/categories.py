"""The categories that a boosted model was trained on: LightGBM lists them by position and without names, XGBoost by feature."""

import re

from serving.contract import Column
from serving.runtimes import MisfitError, Value, check_names

_CATEGORICAL = re.compile(r"-?\d+(:-?\d+)*")


def with_categories(kind: str, data: bytes, columns: list[Column]) -> list[Column]:
    """Return the columns, with the categories that the model was trained on; as they are where its format knows none.

    Args:
        kind: the format of ``data``; of a LightGBM text the library is not asked.

    Raises:
        ModelError: the bytes are no such file.
        MisfitError: features or categories are not those of the columns.
    """
    readers = {"lightgbm": _of_lightgbm, "xgboost": _of_xgboost}
    known = readers[kind](data, columns) if kind in readers else {}
    return [
        Column(column.name, column.type, column.required, known.get(column.name)) for column in columns
    ]  # fmt: skip


def _of_xgboost(data: bytes, columns: list[Column]) -> dict[str, list[str]]:
    from serving.runtimes.xgboost_json import categories_of, read_model

    booster, _ = read_model(data)
    if booster.num_features() != len(columns):
        return {}  # the runtime says how they differ
    order = check_names(booster.feature_names, columns)
    return dict(
        _of_type(columns[place], words)
        for place, words in zip(order, categories_of(booster), strict=True)
        if words is not None
    )


def _of_lightgbm(data: bytes, columns: list[Column]) -> dict[str, list[str]]:
    from serving.runtimes.lightgbm_text import read_text

    header, categories = read_text(data)
    by_feature = {column.name.replace(" ", "_"): column for column in columns}  # as LightGBM writes names
    features = header.get("feature_names", "").split()
    if odd := sorted(by_feature.keys() ^ features):
        raise MisfitError(f"the model's features are not its signature's columns; they differ in {odd[0]}")
    return dict(_matched(header, [by_feature[feature] for feature in features], categories))


def _matched(
    header: dict[str, str], ordered: list[Column], categories: list[list[Value]]
) -> list[tuple[str, list[str]]]:
    infos = header.get("feature_infos", "").split()
    marked = [c for c, info in zip(ordered, infos, strict=False) if _CATEGORICAL.fullmatch(info)]
    texts = [c for c in ordered if c.type == "string"]
    # A categorical column that no tree uses is not marked, so the text columns decide where the marks do not add up.
    matched = marked if len(marked) == len(categories) else texts
    if len(matched) != len(categories) or any(c not in matched for c in texts):
        raise MisfitError("its text columns and its categories do not match; train on columns of dtype 'category'")
    return [_of_type(column, known) for column, known in zip(matched, categories, strict=True)]


def _of_type(column: Column, known: list[Value]) -> tuple[str, list[str]]:
    expected = str if column.type == "string" else (int, float)
    if not all(isinstance(category, expected) and not isinstance(category, bool) for category in known):
        raise MisfitError(f"the categories of {column.name} are not of its type, {column.type}")
    return column.name, [str(category) for category in known]
