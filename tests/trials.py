"""Trials, and what the shipper is given of them."""

import shutil
import time
from datetime import UTC, datetime, timedelta

from django.conf import settings

from monitoring.models import Trial
from monitoring.selectors import trial_evidence
from monitoring.services import trial_open
from monitoring.shipping import ship
from monitoring.trials.guards import Guard
from tests.factories import make_record, make_segment

START = time.time() // 300 * 300 - 1800  # a closed trial still takes what arrived in its time, for an hour
AT = datetime.fromtimestamp(START, UTC)
ERRORS = Guard("errors", "errors")
_segments = iter(range(1, 100_000))


def begin(champion, candidate, guards=(ERRORS,), after=0.0) -> Trial:
    """Open a trial as of ``after`` seconds past the start."""
    trial = trial_open(model=champion.model, champion=champion, candidate=candidate, guards=guards)
    Trial.objects.filter(pk=trial.pk).update(opened_at=AT + timedelta(seconds=after))
    return Trial.objects.get(pk=trial.pk)


def record(version, after=0.0, **fields):
    return make_record(version, at=START + after, **fields)


def champion(trial, share=1000, **fields):
    return record(trial.champion, weight_bp=10_000 - share, **fields)


def canary(trial, share=1000, **fields):
    return record(trial.candidate, arm="canary", weight_bp=share, **fields)


def pair(trial, score, shadow_score=None, **fields):
    """A champion's answer that a shadow is asked for too, and the shadow's; None: it failed."""
    failed = {"status": 500, "outputs": {}, "inputs": {}, "error": "boom"}
    answer = record(trial.champion, outputs={"probability": score}, shadows=(trial.candidate.number,), **fields)
    said = failed if shadow_score is None else {"outputs": {"probability": shadow_score}, "inputs": answer.inputs}
    same = {name: getattr(answer, name) for name in ("request_id", "at", "key_hash")}
    return answer, make_record(trial.candidate, arm="shadow", weight_bp=10_000, **(same | said))


def shipped(*records):
    """Ship records as one segment; returns a copy of its file, to ship again."""
    path = make_segment(settings.SPOOL_ROOT, "spool-a", next(_segments), records)
    kept = shutil.copy(path, settings.VAR_DIR / path.name)
    ship()
    return path, kept


def evidence(trial, **more):
    return trial_evidence(trial, now=AT + timedelta(days=1), **more)
