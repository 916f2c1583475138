"""The rules that a contract is made of. Pure: no ORM, clock or settings.

Each is one demand on the rows, with the reason in plain words; a blocking one stops what it does not hold for, an advisory one is noted.
Shares are in [0, 1]; of values that are there, unless the rule is about what is missing.
"""

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

Type = Literal["long", "double", "boolean", "string", "datetime"]
Severity = Literal["blocking", "advisory"]
Name = Annotated[str, Meta(min_length=1, max_length=100)]
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0)]

NUMBERS: tuple[Type, ...] = ("long", "double")
MOST_VALUES = 1000
LONGEST_PATTERN = 200


def percent(share: float) -> str:
    """Return a share as people read it, without rounding it away."""
    return f"{share * 100:.3g}%"


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What all rules have.

    Attributes:
        reason: why the rule is there, for who meets it.
    """

    of: ClassVar[str] = "rows"  # what a share is a share of: "rows", or "values" that are there
    live: ClassVar[bool] = False  # whether it is about the stream of predictions alone
    types: ClassVar[tuple[Type, ...]] = ()  # of the columns that it can be asked of; none: any

    severity: Severity = "blocking"
    reason: Annotated[str, Meta(min_length=1, max_length=500)]

    @property
    def kind(self) -> str:
        """Its name in documents."""
        return str(self.__struct_config__.tag)

    @property
    def column(self) -> str:
        """The column that it is about; empty: the rows as a whole."""
        return ""

    @property
    def columns(self) -> list[str]:
        """Every column that is read for it."""
        return [self.column] if self.column else []

    @property
    def key(self) -> str:
        """What tells it from the other rules of a contract, such as ``nulls:distance``."""
        return f"{self.kind}:{self.column}" if self.column else self.kind

    @property
    def words(self) -> str:
        """What it demands."""
        raise NotImplementedError

    @property
    def limit(self) -> float | None:
        """The bound of what is measured; None where there is no single number."""
        return None


class OfColumn(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule about one column."""

    name: Name = msgspec.field(name="column")

    @property
    def column(self) -> str:
        """The column."""
        return self.name


class Column(OfColumn, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="column"):
    """There is such a column, of this type."""

    type: Type
    required: bool = True

    @property
    def words(self) -> str:
        """What it demands."""
        return f"{self.name} is {self.type}{'' if self.required else ', where it is there'}"


class NoExtraColumns(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="no_extra_columns"):
    """There are no columns but those that ``column`` rules and ``allowed`` name."""

    allowed: list[Name] = []

    @property
    def words(self) -> str:
        """What it demands."""
        return "no columns but those named" + (f", and {', '.join(self.allowed)}" if self.allowed else "")


class Nulls(OfColumn, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="nulls"):
    """Only so many rows lack a value."""

    max_share: Share = 0.0

    @property
    def words(self) -> str:
        """What it demands."""
        return (
            f"{self.name} is never missing"
            if not self.max_share
            else f"{self.name} is missing in at most {percent(self.max_share)}"
        )

    @property
    def limit(self) -> float:
        """The share."""
        return self.max_share


class Range(OfColumn, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="range"):
    """Numbers lie between two bounds, both included; infinities never do."""

    of = "values"
    types = NUMBERS
    min: float | None = None
    max: float | None = None
    max_share: Share = 0.0

    @property
    def words(self) -> str:
        """What it demands."""
        bounds = [f"at least {self.min:.12g}"] if self.min is not None else []
        bounds += [f"at most {self.max:.12g}"] if self.max is not None else []
        return f"{self.name} is {' and '.join(bounds)}{_but(self.max_share)}"

    @property
    def limit(self) -> float:
        """The share that may lie outside."""
        return self.max_share


class Categories(OfColumn, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="categories"):
    """Values are among those named, but for a share of new ones. Numbers and truths are named as text."""

    of = "values"
    types = ("string", "boolean", "long")
    values: Annotated[list[Annotated[str, Meta(max_length=200)]], Meta(min_length=1, max_length=MOST_VALUES)]
    max_new_share: Share = 0.0

    @property
    def words(self) -> str:
        """What it demands."""
        few = ", ".join(self.values) if len(self.values) <= 6 else f"{len(self.values)} known values"
        return f"{self.name} is one of {few}{_but(self.max_new_share)}"

    @property
    def limit(self) -> float:
        """The share of new values."""
        return self.max_new_share


class Pattern(OfColumn, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="pattern"):
    """The whole text matches a regular expression, in a dialect that takes time in proportion to the text (no look-around, no back-references)."""

    of = "values"
    types = ("string",)
    pattern: Annotated[str, Meta(min_length=1, max_length=LONGEST_PATTERN)]
    max_share: Share = 0.0

    @property
    def words(self) -> str:
        """What it demands."""
        return f"{self.name} matches {self.pattern}{_but(self.max_share)}"

    @property
    def limit(self) -> float:
        """The share that may not match."""
        return self.max_share


class Length(OfColumn, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="length"):
    """Texts have so many characters."""

    of = "values"
    types = ("string",)
    min: Count = 0
    max: Count | None = None
    max_share: Share = 0.0

    @property
    def words(self) -> str:
        """What it demands."""
        most = f" to {self.max}" if self.max is not None else " or more"
        return f"{self.name} has {self.min}{most} characters{_but(self.max_share)}"

    @property
    def limit(self) -> float:
        """The share that may be shorter or longer."""
        return self.max_share


class Unique(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="unique"):
    """No two rows have the same values in these columns."""

    together: Annotated[list[Name], Meta(min_length=1, max_length=10)] = msgspec.field(name="columns")

    @property
    def column(self) -> str:
        """The columns, joined."""
        return "+".join(self.together)

    @property
    def columns(self) -> list[str]:
        """The columns."""
        return self.together

    @property
    def words(self) -> str:
        """What it demands."""
        return f"no two rows have the same {' and '.join(self.together)}"

    @property
    def limit(self) -> float:
        """None at all."""
        return 0


class Monotone(OfColumn, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="monotone"):
    """Values rise from row to row."""

    types = ("datetime", "long", "double")
    strict: bool = False

    @property
    def words(self) -> str:
        """What it demands."""
        return f"rows are in order of {self.name}{', each later than the one before' if self.strict else ''}"

    @property
    def limit(self) -> float:
        """No step back."""
        return 0


class Varies(OfColumn, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="varies"):
    """There are two different values at least."""

    @property
    def words(self) -> str:
        """What it demands."""
        return f"{self.name} is not the same everywhere"


class Freshness(OfColumn, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="freshness"):
    """The newest row is not older than this when it is checked."""

    types = ("datetime",)
    max_age_hours: Annotated[float, Meta(gt=0)]

    @property
    def words(self) -> str:
        """What it demands."""
        return f"the newest {self.name} is at most {_hours(self.max_age_hours)} old"

    @property
    def limit(self) -> float:
        """In hours."""
        return self.max_age_hours


class RowCount(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="row_count"):
    """So many rows there are, and so much they may differ from the version before, either way."""

    min: Count | None = None
    max: Count | None = None
    max_change_share: Annotated[float, Meta(gt=0)] | None = None

    @property
    def words(self) -> str:
        """What it demands."""
        said = [f"at least {self.min:,} rows"] if self.min is not None else []
        said += [f"at most {self.max:,} rows"] if self.max is not None else []
        if self.max_change_share is not None:
            said.append(f"within {percent(self.max_change_share)} of the version before")
        return ", ".join(said)


class LiveFreshness(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="live_freshness"):
    """A model that reads such rows was asked not longer ago than this."""

    live = True
    max_age_minutes: Annotated[float, Meta(gt=0)]

    @property
    def words(self) -> str:
        """What it demands."""
        return f"the last prediction is at most {self.max_age_minutes:g} minutes old"

    @property
    def limit(self) -> float:
        """In minutes."""
        return self.max_age_minutes


class LiveRows(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="live_rows"):
    """A model that reads such rows predicts so many in an hour."""

    live = True
    min_per_hour: Count | None = None
    max_per_hour: Count | None = None

    @property
    def words(self) -> str:
        """What it demands."""
        said = [f"at least {self.min_per_hour:,}"] if self.min_per_hour is not None else []
        said += [f"at most {self.max_per_hour:,}"] if self.max_per_hour is not None else []
        return f"{' and '.join(said)} predictions an hour"


class TrainingFirst(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="training_first"):
    """No split begins before the training rows end. A standard rule: it needs no contract."""

    @property
    def words(self) -> str:
        """What it demands."""
        return "training rows come first"


class BothOutcomes(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="both_outcomes"):
    """Each split holds positives and negatives. A standard rule: it needs no contract."""

    @property
    def words(self) -> str:
        """What it demands."""
        return "each split holds both outcomes"


AnyRule = (
    Column | NoExtraColumns | Nulls | Range | Categories | Pattern | Length | Unique | Monotone | Varies | Freshness
    | RowCount | LiveFreshness | LiveRows
)  # fmt: skip
KINDS: dict[str, type[Rule]] = {str(kind.__struct_config__.tag): kind for kind in AnyRule.__args__}


def document_of(rule: Rule) -> dict[str, Any]:
    """Return a rule as plain values: its kind and column first, what is usual left out."""
    given = msgspec.to_builtins(rule)
    usual = {
        f.encode_name: f.default_factory() if f.default_factory is not msgspec.NODEFAULT else f.default
        for f in msgspec.structs.fields(rule) if not f.required
    }  # fmt: skip
    first = {name: given[name] for name in ("kind", "column", "columns") if name in given}
    last = {"severity": rule.severity, "reason": rule.reason}
    between = {
        name: value for name, value in given.items()
        if name not in first and name not in last and not (name in usual and usual[name] == value and name != "max_share")
    }  # fmt: skip
    return {**first, **between, **last}


def _but(share: float) -> str:
    return f", but for {percent(share)}" if share else ""


def _hours(hours: float) -> str:
    return f"{hours / 24:g} days" if hours >= 48 and hours % 24 == 0 else f"{hours:g} hours"
