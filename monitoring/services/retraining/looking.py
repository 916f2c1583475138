"""One look at a model's conditions: is a retraining due, and may it start? Safe to run twice, by two at once, and to be killed anywhere.

What is read (labels, drift, quality) is read before anything is locked. What is decided is decided under the lock of the model's watch,
in one transaction with the note that this turn was looked at; the slot of a retraining is taken once, by a unique constraint.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from jobs.models import Job
from monitoring.models import Retraining, RetrainingPolicy, RetrainingWatch
from monitoring.retraining.findings import Finding, holds, in_one_sentence
from monitoring.retraining.holds import Situation, held_by
from monitoring.retraining.parts import Policy
from monitoring.retraining.states import Event, State
from monitoring.selectors.retraining import findings_of, labels_in_window, open_promotion, starts_of
from monitoring.services.retraining.steps import begin, move, stop, watch_locked
from registry.audit_trail import audit, audited


@dataclass(frozen=True)
class Seen:
    """What one look found, before anything was locked.

    Attributes:
        last: id of the latest retraining then, which the findings are newer than; 0 where there is none.
        labels: labelled predictions of the window; None where they were not asked for.
        took_s: how long it took.
    """

    policy: RetrainingPolicy
    last: int
    findings: list[Finding]
    labels: int | None
    took_s: float = 0.0


def observe(policy: RetrainingPolicy, *, now: datetime) -> Seen:
    """Read what the conditions say now; nothing is locked or written."""
    last = Retraining.objects.filter(model=policy.model).first()
    ended = Retraining.objects.filter(model=policy.model, ended_at__isnull=False).first()
    watch = RetrainingWatch.objects.filter(model=policy.model).first()
    after = max((at for at in (watch.turn_at if watch else None, policy.made_at) if at), default=policy.made_at)
    found = findings_of(policy, last=ended, turn_after=after, now=now)
    waits = last is not None and last.state in (State.DUE, State.HELD)
    counted = waits or holds(policy.rules.when, found)
    labels = labels_in_window(policy.model, policy.rules, now=now) if counted else None
    return Seen(policy, last.pk if last else 0, found, labels)


@audited()
def retraining_look(*, seen: Seen, now: datetime) -> Job | None:
    """Act on what a look found: make a retraining, hold it, start it or let it go.

    Returns: the job of a retraining that started; None where none did.
    """
    policy, model = seen.policy, seen.policy.model
    watch = watch_locked(model)
    last = Retraining.objects.filter(model=model).select_related("model__team", "policy__made_by").first()
    if (last.pk if last else 0) != seen.last or model.retraining_policies.values_list("pk", flat=True)[0] != policy.pk:
        return None  # somebody was faster; the next look sees what they did
    rules = policy.rules
    due = last if last and last.state in (State.DUE, State.HELD) else None
    kept = _kept_turn(seen.findings, due)
    hold = holds(rules.when, kept)
    _note(watch, policy, seen, hold=hold, now=now)
    if last and last.ended_at is None and due is None:
        return None
    if due is None:
        if not (policy.enabled and hold):
            return None
        due = _make(policy, kept, last, now=now)
    elif due.policy_id != policy.pk and due.asked_by_id is None:
        stop(
            due,
            f"Its policy was changed: number {policy.number} holds now.",
            now=now,
            rule="policy",
        )
        return None
    elif not hold and due.asked_by_id is None:
        told = "; ".join(f"{one.kind}: {one.text}" for one in kept)
        stop(
            due,
            f"The conditions hold no more: {told}.",
            now=now,
            rule="conditions",
        )
        return None
    return _start_or_hold(due, rules, seen, now=now)


def _kept_turn(found: list[Finding], due: Retraining | None) -> list[Finding]:
    """Return the findings with the turn of the schedule that a waiting retraining came from: it is its turn until it starts."""
    if due is None or len(due.findings) != len(found):
        return found
    return [
        Finding(**was) if new.kind == "schedule" and was["kind"] == "schedule" and was["holds"] else new
        for new, was in zip(found, due.findings, strict=True)
    ]


def _note(watch: RetrainingWatch, policy: RetrainingPolicy, seen: Seen, *, hold: bool, now: datetime) -> None:
    schedules = [one.facts for one in seen.findings if one.kind == "schedule"]
    turns = [datetime.fromisoformat(facts["turn"]) for facts in schedules if facts["turn"]]
    watch.policy, watch.looked_at, watch.looking_s, watch.fault = policy, now, seen.took_s, ""
    watch.turn_at = max([*turns, *([watch.turn_at] if watch.turn_at else [])], default=None)
    watch.next_turn_at = min((datetime.fromisoformat(facts["next"]) for facts in schedules), default=None)
    watch.findings, watch.holds = [one.as_json() for one in seen.findings], hold
    watch.save()


def _make(policy: RetrainingPolicy, found: list[Finding], last: Retraining | None, *, now: datetime) -> Retraining:
    """Make the retraining that is due; its slot says what it is the only one of."""
    turns = [datetime.fromisoformat(one.facts["turn"]) for one in found if one.kind == "schedule" and one.holds]
    retraining = Retraining.objects.create(
        model=policy.model, policy=policy, slot=slot_after(last) if not turns else slot_of_turn(max(turns)),
        why=in_one_sentence(found), findings=[one.as_json() for one in found], due_at=now,
    )  # fmt: skip
    audit(
        action="retraining.due", subject=retraining.path, actor=None, process=retraining.process,
        team=policy.model.team.slug,
        payload={"model": policy.model.name, "policy": policy.number, "slot": retraining.slot, "reason": retraining.why},
    )  # fmt: skip
    return retraining


def slot_after(last: Retraining | None) -> str:
    """Return the slot of the one retraining that follows ``last``, whatever asks for it."""
    return f"after:{last.pk if last else 0}"


def slot_of_turn(turn: datetime) -> str:
    """Return the slot of a schedule's turn."""
    return f"turn:{turn.astimezone(UTC):%Y-%m-%dT%H:%MZ}"


def _start_or_hold(due: Retraining, rules: Policy, seen: Seen, *, now: datetime) -> Job | None:
    """Hold a retraining that is due until something has passed, or start it."""
    promotion = open_promotion(due.model)
    ended = Retraining.objects.filter(model=due.model, started_at__isnull=False, ended_at__isnull=False).first()
    situation = Situation(
        now=now, asked=due.asked_by_id is not None, last_ended=ended.ended_at if ended else None,
        starts=starts_of(due.model, now=now), labels=seen.labels, promotion=f"Promotion {promotion.pk}" if promotion else "",
    )  # fmt: skip
    if hold := held_by(rules, situation):
        if (due.rule, due.outcome) != (hold.rule, hold.text):
            move(due, Event.HOLD, hold.text, action="retraining.hold", now=now, rule=hold.rule, held_until=hold.until)
        return None
    return begin(due, now=now)
