"""Who makes the present request, kept where MLflow's unchanged handlers cannot lose it on the way to the store."""

from contextvars import ContextVar
from dataclasses import dataclass

from registry.access import Actor
from registry.adapters import workspace_of
from registry.models import Team


@dataclass(frozen=True)
class Caller:
    """A person, and the one team that the request is about."""

    actor: Actor
    team: Team

    @property
    def username(self) -> str:
        """The author of whatever the request creates."""
        return self.actor.user.get_username()

    @property
    def workspace(self) -> str:
        """The team, as MLflow names it."""
        return workspace_of(self.team)


_caller: ContextVar[Caller] = ContextVar("mlflow_caller")


def set_caller(caller: Caller) -> None:
    """Remember who makes this request; threads that serve it inherit the context."""
    _caller.set(caller)


def get_caller() -> Caller:
    """Return who makes this request.

    Raises:
        LookupError: nobody was authenticated, so there is nothing to do on anyone's behalf.
    """
    return _caller.get()
