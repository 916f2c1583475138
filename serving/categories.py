"""The categories of a LightGBM model's columns, which it lists by position and without names."""

import re

from serving.contract import Column
from serving.runtimes import MisfitError, Value
from serving.runtimes.lightgbm_text import read_text

_CATEGORICAL = re.compile(r"-?\d+(:-?\d+)*")


def with_categories(data: bytes, columns: list[Column]) -> list[Column]:
    """Return the columns, with the categories that the model was trained on.

    Args:
        data: a LightGBM text; the library is not asked.

    Raises:
        ModelError: the bytes are no such text.
        MisfitError: features or categories are not those of the columns.
    """
    header, categories = read_text(data)
    by_feature = {column.name.replace(" ", "_"): column for column in columns}  # as LightGBM writes names
    features = header.get("feature_names", "").split()
    if odd := sorted(by_feature.keys() ^ features):
        raise MisfitError(f"the model's features are not its signature's columns; they differ in {odd[0]}")
    known = dict(_matched(header, [by_feature[feature] for feature in features], categories))
    return [
        Column(column.name, column.type, column.required, known.get(column.name)) for column in columns
    ]  # fmt: skip


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
    for column, known in zip(matched, categories, strict=True):
        expected = str if column.type == "string" else (int, float)
        if not all(isinstance(category, expected) and not isinstance(category, bool) for category in known):
            raise MisfitError(f"the categories of {column.name} are not of its type, {column.type}")
    return [(c.name, [str(category) for category in known]) for c, known in zip(matched, categories, strict=True)]
