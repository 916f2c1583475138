"""Retrainings: looking whether one is due, moving those that go on, and what people do to them."""

from monitoring.services.retraining.looking import retraining_look
from monitoring.services.retraining.moving import retraining_frozen, retraining_move
from monitoring.services.retraining.people import retraining_ask, retraining_start, retraining_stop
from monitoring.services.retraining.reconciling import reconcile_retrainings

__all__ = [
    "reconcile_retrainings",
    "retraining_ask",
    "retraining_frozen",
    "retraining_look",
    "retraining_move",
    "retraining_start",
    "retraining_stop",
]
