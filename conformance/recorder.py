"""Make calls with an MLflow client and write down what a caller could see of each answer."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from mlflow import MlflowClient
from mlflow.entities.model_registry import RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.store.entities.paged_list import PagedList

INSTANTS = {"creation_timestamp", "last_updated_timestamp", "creation_time"}
# Who called is nobody for MLflow's own server; a workspace is a team; a client sets the last one at some later time.
UNSEEN = {"user_id", "workspace", "registered_by", "_mlflow_experiment_ids"}
PYTHON_SET = re.compile(r"\{('\w+'(?:, '\w+')*)\}")  # printed in another order by each process
HEX_ID = re.compile(r"\b[0-9a-f]{32}\b")


@dataclass(frozen=True)
class Recorded:
    """One call, and its answer in a form that two servers can be compared by."""

    call: str
    answer: str


class Recorder:
    """Stands in for a client: ``do.get_registered_model("m")`` is made, written down, and returns what was answered.

    A refusal is an answer like any other, and returns None. Instants are written as the number of the call during which
    they fell, so that two servers differ where one of them forgets to renew a time; ids by the order of their coming.
    """

    def __init__(self, client: MlflowClient) -> None:
        self.client = client
        self.recorded: list[Recorded] = []
        self._began: list[float] = []
        self._ids: dict[str, str] = {}

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            return self.make(f"{method}({_written(args, kwargs)})", getattr(self.client, method), *args, **kwargs)

        return call

    def make(self, name: str, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Make any call and write it down under ``name``."""
        self._began.append(time.time() * 1000)
        time.sleep(0.002)  # so that no instant falls on the edge between two calls
        answer = None
        try:
            answer = call(*args, **kwargs)
            seen = self._seen(answer, name.partition("(")[0])
        except MlflowException as refused:
            seen = f"{refused.error_code}: {refused.message.removeprefix(f'{refused.error_code}: ').partition(' Error: ')[0]}"
        except Exception as fault:
            seen = f"{type(fault).__name__}: {fault}"
        text = seen if isinstance(seen, str) else json.dumps(seen, sort_keys=True)
        text = PYTHON_SET.sub(lambda found: f"{{{', '.join(sorted(found[1].split(', ')))}}}", text)
        self.recorded.append(Recorded(HEX_ID.sub(self._id, name), HEX_ID.sub(self._id, text)))
        return answer

    def _seen(self, value: Any, name: str = "") -> Any:
        if name in INSTANTS and value:
            return f"during call {sum(began <= value for began in self._began) - 1}"
        if value is None or isinstance(value, str | int | float):
            return "a number that the server chose" if name == "create_experiment" else value
        if isinstance(value, Enum):
            return value.name
        if isinstance(value, dict):
            return {str(key): self._seen(value[key], str(key)) for key in value if key not in UNSEEN}
        if isinstance(value, list):
            rows = [self._seen(item) for item in value]
            for row in rows:
                if isinstance(row, dict) and "current_stage" in row:
                    del row["aliases"]  # MLflow's own server leaves them out where it lists versions
            return {"rows": rows, "more": bool(value.token)} if isinstance(value, PagedList) else rows
        if isinstance(value, RegisteredModel):  # in no particular order
            value.latest_versions.sort(key=lambda version: int(version.version))
        names = (name for name in dir(type(value)) if isinstance(getattr(type(value), name), property))
        return {name: self._seen(getattr(value, name), name) for name in names if name not in UNSEEN and name[0] != "_"}

    def _id(self, match: "re.Match[str]") -> str:
        return self._ids.setdefault(match[0], f"id-{len(self._ids) + 1}")


def _written(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    parts = [repr(value) for value in args] + [f"{name}={value!r}" for name, value in kwargs.items()]
    return ", ".join(part if len(part) <= 120 else f"{part[:100]}…{len(part)}" for part in parts)
