"""What the columns of a data set are for, and what kind of thing its target is. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from registry.errors import InvalidError

ROLES = {
    "target": "what is to be predicted",
    "time": "when the row happened",
    "key": "names the row",
    "feature": "what a model may see",
    "query": "rows of one query are ranked together",
    "document": "names what is found for a query",
    "series": "rows of one series follow each other in time",
    "entity": "rows of one entity are not independent of each other",
    "split": "says which split the row belongs to",
    "ignored": "kept, and neither learned from nor measured",
}
REPEATED = ("feature", "ignored")  # all other roles are those of one column
GRADES = 10  # whole numbers from 0 to this are grades; beyond it they are numbers

HORIZON = "horizon"  # the column that says how far ahead a row looks, where each row is one step

BINARY, GRADE, NUMBER, CATEGORY = "binary", "grade", "number", "category"
TARGET_KINDS = {
    BINARY: "yes or no, as 1 and 0",
    GRADE: f"a grade: a whole number from 0 to at most {GRADES}",
    NUMBER: "a number",
    CATEGORY: "one of several words",
}
KINDS_OF = {
    "boolean": (BINARY,),
    "long": (BINARY, GRADE, NUMBER),
    "double": (NUMBER,),
    "string": (CATEGORY,),
}


def target_kind(kind: str, facts: Mapping[str, Any]) -> str:
    """Return what a target looks like.

    Args:
        kind: its type, in the words of data sets.
        facts: its profile, as :func:`experiments.rows.profile.profile_of` gives it.

    Raises:
        InvalidError: nothing can be predicted that is of this type.
    """
    if kind not in KINDS_OF:
        raise InvalidError(f"A target of type {kind} cannot be predicted; choose another column.", field="columns")
    if kind != "long":
        return KINDS_OF[kind][0]
    low, high = facts.get("min", 0), facts.get("max", 0)
    if low < 0 or high > GRADES:
        return NUMBER
    return BINARY if high <= 1 else GRADE


def the_column(columns: Sequence[Mapping[str, str]], role: str) -> str:
    """Return the column that has a role of its own; empty where none has."""
    return next((column["name"] for column in columns if column["role"] == role), "")


def check_columns(columns: Sequence[Mapping[str, str]]) -> None:
    """See that every column has a known role, that no role is taken twice, and that the rows can be named and learned from.

    Raises:
        InvalidError: says what is missing, and of which column.
    """
    taken: dict[str, str] = {}
    names: set[str] = set()
    for at, column in enumerate(columns):
        if missing := [field for field in ("name", "type", "role") if not column.get(field)]:
            raise InvalidError(f"columns[{at}] has no {missing[0]}.", field="columns")
        name, role = column["name"], column["role"]
        if role not in ROLES:
            raise InvalidError(f"{name}: role must be one of {', '.join(ROLES)}.", field="columns")
        if name in names:
            raise InvalidError(f"{name} is declared twice.", field="columns")
        if role in taken and role not in REPEATED:
            raise InvalidError(
                f"{taken[role]} and {name} are both the {role}; one column alone can be.", field="columns"
            )
        names.add(name)
        taken[role] = name
    for role in ("target", "key"):
        if role not in taken:
            raise InvalidError(f"No column is the {role}: {ROLES[role]}. Choose one.", field="columns")
    kinds = {column["name"]: column["type"] for column in columns}
    if "time" in taken and kinds[taken["time"]] != "datetime":
        raise InvalidError(
            f"{taken['time']} must be a datetime to be the time; it is {kinds[taken['time']]}.", field="columns"
        )
    if kinds[taken["target"]] not in KINDS_OF:
        raise InvalidError(
            f"{taken['target']} must be one of {', '.join(KINDS_OF)} to be the target; it is {kinds[taken['target']]}.",
            field="columns",
        )
