"""A table of states: what may happen in which, and where it leads. Jobs, promotions, waivers, rollouts and retrainings have one each."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Generic, TypeVar, cast

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


class IllegalMoveError(ValueError):
    """The event is not allowed in the present state; nothing was changed."""


class StateTable(dict[tuple[S, E], S], Generic[S, E]):
    """The state that each event leads to, by the state in which it may happen.

    Args:
        thing: what moves, with its article, as a refusal tells it: "a job".
    """

    def __init__(self, thing: str, moves: Mapping[tuple[S, E], S]) -> None:
        super().__init__(moves)
        self.thing = thing

    def after(self, state: str, event: E) -> S:
        """Return the state that ``event`` leads to; ``state`` may be the text of a row.

        Raises:
            IllegalMoveError: the table has no such move.
        """
        try:
            return self[cast("S", state), event]
        except KeyError:
            told = f"{self.thing.capitalize()} that is {state.replace('_', ' ')} cannot {event}."
            raise IllegalMoveError(told) from None
