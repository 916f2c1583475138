"""What the first rows of a source look like, whatever it is."""

from dataclasses import dataclass
from typing import Any

from experiments.intake.dialects import Dialect


@dataclass(frozen=True)
class Found:
    """What the first rows of a source look like.

    Attributes:
        columns: [{name, type, samples}], in order.
        dialect: of CSV alone.
    """

    columns: list[dict[str, Any]]
    dialect: Dialect | None = None
