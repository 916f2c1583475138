"""One request found again: what was asked, what answered, by which version and why that one, and what became of it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import msgspec
from django.db.models import QuerySet

from monitoring.predictions.lookup import rows_of
from monitoring.predictions.waiting import waiting_records
from monitoring.selectors.labels import Outcome, outcomes_of
from registry.models import ApiToken, RegisteredModel
from serving.contract import BASIS_POINTS, SHADOW, PredictionRecord, is_withheld


@dataclass(frozen=True)
class Answer:
    """What one version answered to one row of a request, as recorded."""

    row: int
    at: datetime
    number: int
    arm: str
    table_version: int
    weight_bp: int
    key_hash: int  # unsigned
    pinned: bool
    status: int
    latency_us: int
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    error: str
    caller_id: int | None
    is_shipped: bool

    @property
    def is_shadow(self) -> bool:
        """Whether nobody was given this answer."""
        return self.arm == SHADOW

    @property
    def point(self) -> int:
        """Where the key's hash lies among the 10,000 basis points that the arms part among them."""
        return self.key_hash * BASIS_POINTS >> 64

    @property
    def key_hex(self) -> str:
        """The key's hash in hex; as a number it is beyond what JSON clients read exactly."""
        return f"{self.key_hash:016x}"

    @property
    def weight(self) -> float:
        """The arm's share of the traffic then, in percent."""
        return self.weight_bp * 100 / BASIS_POINTS

    @property
    def latency_ms(self) -> float:
        """Latency in ms."""
        return self.latency_us / 1000

    def cells(self) -> list[tuple[str, Any, bool]]:
        """Return each input with its value, and whether that was withheld from the log."""
        said = {True: "true", False: "false"}
        return [
            (name, said[value] if isinstance(value, bool) else value, is_withheld(value))
            for name, value in self.inputs.items()
        ]


@dataclass(frozen=True)
class Found:
    """What is known of a request to one model; rows in order, and of each first what its caller was given."""

    model: RegisteredModel
    request_id: str
    answers: list[Answer]
    outcomes: list[Outcome]
    caller: ApiToken | None  # who asked, where that is a token still known

    @property
    def rows(self) -> list[int]:
        """The rows that were asked for."""
        return sorted({answer.row for answer in self.answers})


def find_request(models: QuerySet[RegisteredModel], request_id: str, *, day: date | None = None) -> list[Found]:
    """Return what is recorded under a request's id for these models; the latest request first.

    Args:
        day: the only one to look at in the lake, where it is known.
    """
    keys = set(models.values_list("pk", flat=True))
    here = [(r.model_id, _waiting(r)) for r in waiting_records(request_id) if r.model_id in keys]
    shipped = [(r["model_id"], _shipped(r)) for r in rows_of(request_id, model_ids=keys, day=day)]
    by_model: dict[int, dict[tuple[Any, ...], Answer]] = {}
    for model_id, answer in here + shipped:  # what is in both was shipped between the two looks
        same = (answer.row, answer.at, answer.number, answer.arm, answer.status)
        by_model.setdefault(model_id, {})[same] = answer
    found, asked = [], models.select_related("team").in_bulk(by_model)
    for model_id, answers in by_model.items():
        ordered = sorted(answers.values(), key=lambda a: (a.row, a.is_shadow, a.at))
        caller = ApiToken.objects.select_related("team").filter(pk=ordered[0].caller_id or 0).first()
        model = asked[model_id]
        found.append(Found(model, request_id, ordered, outcomes_of(model, request_id), caller))
    return sorted(found, key=lambda f: f.answers[0].at, reverse=True)


def _waiting(record: PredictionRecord) -> Answer:
    return Answer(
        record.row, datetime.fromtimestamp(record.at, UTC), record.number, record.arm, record.table_version,
        record.weight_bp, record.key_hash, record.pinned, record.status, record.latency_us, record.inputs,
        record.outputs, record.error, record.caller_id, is_shipped=False,
    )  # fmt: skip


def _shipped(row: dict[str, Any]) -> Answer:
    decode = msgspec.json.decode
    return Answer(
        row["row"], row["at"], row["version"], row["arm"], row["table_version"], row["weight_bp"],
        row["key_hash"] % (1 << 64), row["pinned"], row["status"], row["latency_us"], decode(row["inputs"]),
        decode(row["outputs"]), row["error"], row.get("caller_id"), is_shipped=True,
    )  # fmt: skip
