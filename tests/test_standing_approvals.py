"""Full automation of tier 3: what a retraining makes becomes champion by a person's word of before, and by nothing else."""

import json
import time
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from controlplane.review_pack import review_pack
from monitoring.models import Retraining, RetrainingPolicy
from monitoring.retraining.states import State
from monitoring.selectors.retraining_automation import authors_of
from monitoring.services import retraining_approve_beforehand, retraining_policy_save, retraining_policy_switch
from registry.errors import ConflictError, FourEyesError, InvalidError, RoleError, StaleBindingError
from registry.models import Alias, Approval, AuditEvent, Promotion, RegisteredModel, Role, StandingApproval
from registry.selectors import standings_of
from registry.selectors.inbox import waiting
from registry.services import (
    criteria_agree,
    criteria_draft,
    evidence_record,
    model_update,
    rollback,
    standing_approval_end,
)
from rollouts.services import plan_save, rollout_start
from rollouts.services.carrying import approvals_hold
from tests.factories import approve, change_policy, make_actor, make_champion, make_criteria, make_model, make_promotion
from tests.retraining import document, labelled, look, make_policy, make_standing, measured, moved
from tests.rollouts import PLAN, make_routable

pytestmark = pytest.mark.django_db
RULE = {"metric": "roc_auc", "direction": "at_least", "threshold": 0.7, "reason": "Ranks flights well enough."}


@pytest.fixture
def model():
    return make_champion(make_model(name="flight-delay", risk_tier=3)).model


def better(model, **fields):
    """A retraining whose version is measured, and surely better."""
    return measured(model, low=0.02, high=0.08, automation="champion", **fields)


def events(subject, *actions):
    return list(AuditEvent.objects.filter(subject=subject, action__in=actions).order_by("seq"))


def test_a_trigger_leads_to_the_champion_by_a_standing_approval_and_everything_says_so(model, capsys):
    policy = make_policy(model, automation="champion")
    eva = make_actor(model.team, Role.APPROVER)
    word = make_standing(model, actor=eva)
    labelled(model.aliases.get(name="champion").version, 100)
    assert look(policy) is not None
    made, version = measured(model, low=0.02, high=0.08, made=Retraining.objects.get())

    moved(made, times=3)

    assert (made.state, made.outcome) == (State.PROMOTED, f"v{version.number} is champion.")
    alias = Alias.objects.get(model=model, name="champion")
    assert (alias.version, alias.set_by, alias.promotion) == (version, eva.user, made.promotion)
    approval = made.promotion.approvals.get()
    assert (approval.standing, approval.approver, approval.reason) == (word, eva.user, "Ten retrainings were right.")
    [told] = events(made.promotion.path, "promotion.approve_standing")
    assert (told.actor, told.via) == (f"retraining:{made.pk}", "process")
    said = {name: told.payload[name] for name in ("standing", "given_by", "policy", "state", "binding")}
    assert said == {
        "standing": word.pk, "given_by": eva.user.username, "policy": policy.number, "state": "approved",
        "binding": approval.binding_digest,
    }  # fmt: skip
    assert not events(made.promotion.path, "promotion.approve")
    [proposed] = events(made.path, "retraining.propose")
    assert proposed.payload["after"] == "proposed"
    call_command("audit_verify")
    pack = review_pack(Promotion.objects.get(pk=made.promotion.pk))
    assert (pack["approvals"][0]["standing"]["id"], pack["approvals"][0]["stands"]) == (word.pk, True)
    assert f"approved beforehand, by standing approval {word.pk}." in " ".join(pack["limitations"])


def test_a_rollout_carries_it_where_a_plan_asks_for_one_and_goes_back_once_the_word_is_taken_back():
    model = make_model(risk_tier=3)
    approve(make_promotion(model, version=make_routable(model)))
    plan_save(actor=make_actor(model.team), model=model, document=PLAN, note="As agreed.")
    made, version = better(model)
    word = make_standing(model)

    moved(made)

    assert (made.state, made.promotion.state) == (State.PROPOSED, "approved")
    assert f"Approved beforehand, by standing approval {word.pk} of" in made.outcome
    rollout = rollout_start(promotion_id=made.promotion.pk, now=timezone.now())
    made.promotion.refresh_from_db()
    assert made.promotion.carried_by == rollout.path
    assert approvals_hold(rollout)
    engineer = make_actor(model.team)
    standing_approval_end(actor=engineer, standing_id=word.pk, reason="Labels look wrong.")
    assert not approvals_hold(rollout)  # asked before the last step: the rollout goes back
    assert "is guarded" in refused(
        "UPDATE registry_alias SET version_id = %s, promotion_id = %s WHERE model_id = %s",
        version.pk, made.promotion.pk, model.pk,
    )  # fmt: skip


def end_by_hand(model, word):
    standing_approval_end(actor=make_actor(model.team, Role.PRODUCT), standing_id=word.pk, reason="Not now.")
    return "Not now."


def end_by_policy(model, word):
    fields = {"automation": "champion", "runs_per_week": 5}
    retraining_policy_save(
        actor=make_actor(model.team),
        model=model,
        reason="More.",
        document=document(dataset=f"recent-{model.pk}", **fields),
    )
    return "Retraining policy 2 is in force."


def end_by_switch(model, word):
    retraining_policy_switch(actor=make_actor(model.team), model=model, enabled=False, reason="Audit.")
    return "Retraining policy 2 is in force."


def end_by_criteria(model, word):
    draft = criteria_draft(actor=make_actor(model.team, Role.PRODUCT), model=model, criteria=[RULE])
    criteria_agree(actor=make_actor(model.team, Role.APPROVER), criteria_set_id=draft.pk)
    return "Criteria set 2 was agreed."


def end_by_tier(model, word):
    admin = make_actor(model.team, Role.ADMIN)
    model_update(actor=admin, model=model, risk_tier=2)
    model_update(actor=admin, model=model, risk_tier=3)
    return "The model is of tier 2 now."


def end_by_rollback(model, word):
    first = model.aliases.get(name="champion").version
    second = make_champion(model)
    rollback(actor=make_actor(model.team), model=model, to_version=first, reason="Errors.")
    return f"v{second.number} was rolled back, so people look at what comes next."


def end_by_leaving(model, word):
    word.approver.memberships.update(role=Role.VIEWER)
    return f"{word.approver.username} is no approver of the team any more."


@pytest.mark.parametrize(
    "end",
    [end_by_hand, end_by_policy, end_by_switch, end_by_criteria, end_by_tier, end_by_rollback, end_by_leaving],
)
def test_it_ends_with_what_it_was_given_for_and_then_people_decide(model, end):
    made, _ = better(model)
    word = make_standing(model)

    why = end(model, word)

    [shown] = standings_of(model)
    assert shown.end
    assert shown.end.why == why
    assert not StandingApproval.objects.holding().exists()
    if end is end_by_rollback:
        return  # what it was compared with is champion again; nothing else differs
    moved(made)
    assert (made.state, made.promotion.state) == (State.PROPOSED, "requested")
    assert f"People decide: No standing approval holds for retraining policy {made.policy.number}." in made.outcome
    with pytest.raises(DatabaseError, match=r"no standing approval of this person holds|a member with the role"):
        by_standing(made.promotion, word)
    assert not Approval.objects.filter(promotion=made.promotion).exists()
    if end not in (end_by_hand, end_by_leaving):
        [void] = events(f"{model.path}retraining/", "standing_approval.void")
        assert void.payload == {"standing": word.pk, "reason": why}


def test_it_ends_on_its_date(model):
    made, _ = better(model)
    eva = make_actor(model.team, Role.APPROVER)
    criteria = model.criteria_sets.get(state="agreed")
    soon = timezone.now() + timedelta(milliseconds=300)
    word = StandingApproval.objects.create(
        model=model, policy=1, criteria_set=criteria, approver=eva.user, reason="Shortly.", expires_at=soon
    )
    assert StandingApproval.objects.holding().exists()
    while timezone.now() <= soon:
        time.sleep(0.05)

    moved(made)

    assert made.promotion.state == "requested"
    assert standings_of(model)[0].end.why == "Its time was over."
    with pytest.raises(DatabaseError, match="no standing approval of this person holds"):
        by_standing(made.promotion, word)


@pytest.mark.parametrize(
    ("who", "changes", "error", "words"),
    [
        ("engineer", {}, RoleError, "approver"),
        ("author", {}, FourEyesError, "wrote the policy"),
        ("author before", {}, FourEyesError, "wrote the policy"),
        ("drafter", {}, FourEyesError, "drafted its criteria"),
        ("approver", {"days": 91}, InvalidError, "From 1 to 90 days"),
        ("approver", {"days": 0}, InvalidError, "From 1 to 90 days"),
        ("approver", {"reason": " "}, InvalidError, "what you looked at"),
        ("approver", {"policy": 1}, StaleBindingError, "changed since you looked"),
    ],
)
def test_who_may_not_give_it_and_for_how_long(model, who, changes, error, words):
    before, author = make_actor(model.team), make_actor(model.team)
    make_policy(model, actor=before, automation="champion")
    make_policy(model, actor=author, automation="champion")
    drafter = model.criteria_sets.get(state="agreed").drafted_by
    for user in (before.user, author.user, drafter):
        user.memberships.update(role=Role.APPROVER)
    people = {
        "author": author, "author before": before, "engineer": make_actor(model.team), "drafter": type(author)(drafter, "session"),
        "approver": make_actor(model.team, Role.APPROVER),
    }  # fmt: skip

    with pytest.raises(error, match=words):
        retraining_approve_beforehand(
            actor=people[who], model=model, **{"policy": 2, "days": 90, "reason": "Ten were right."} | changes
        )

    assert not StandingApproval.objects.exists()


def test_who_switches_a_policy_off_has_not_written_it(model):
    author, calm = make_actor(model.team), make_actor(model.team, Role.APPROVER)
    make_policy(model, actor=author, automation="champion")
    retraining_policy_switch(actor=calm, model=model, enabled=False, reason="Audit.")
    with pytest.raises(ConflictError, match="promotes nothing by itself"):
        retraining_approve_beforehand(actor=calm, model=model, policy=2, days=9, reason="Fine.")
    retraining_policy_switch(actor=author, model=model, enabled=True, reason="After it.")

    assert authors_of(model) == {author.user.pk}
    assert make_standing(model, actor=calm).approver == calm.user


@pytest.mark.parametrize("tier", [1, 2])
def test_other_tiers_are_never_promoted_by_a_policy(tier):
    model = make_model(risk_tier=tier)
    make_criteria(model)

    with pytest.raises(InvalidError) as refused:
        make_policy(model, automation="champion")
    assert refused.value.field == "automation"
    make_policy(model)
    with pytest.raises(ConflictError, match="promotes nothing by itself"):
        retraining_approve_beforehand(
            actor=make_actor(model.team, Role.APPROVER), model=model, policy=1, days=9, reason="Fine."
        )
    assert not StandingApproval.objects.exists()


def test_a_criterion_that_is_only_advisory_and_missed_is_left_to_people(model):
    draft = criteria_draft(
        actor=make_actor(model.team, Role.PRODUCT), model=model,
        criteria=[RULE, RULE | {"metric": "brier_score", "direction": "at_most", "threshold": 0.1, "blocking": False}],
    )  # fmt: skip
    criteria_agree(actor=make_actor(model.team, Role.APPROVER), criteria_set_id=draft.pk)
    made, version = better(model)
    evidence_record(version=version, metric="brier_score", value=0.2, ci_low=0.19, ci_high=0.21)
    make_standing(model)

    moved(made)

    assert made.promotion.state == "requested"
    assert "People decide: Not every criterion is passed, so a person decides. C2 Brier score: failed" in made.outcome


def test_a_teams_stricter_quorum_is_filled_by_people_and_nobody_counts_twice(model):
    change_policy(model.team, tier=3, required={"approver": 2})
    made, _ = better(model)
    eva = make_actor(model.team, Role.APPROVER)
    make_standing(model, actor=eva)

    moved(made)

    assert made.promotion.state == "requested"
    assert "The policy of its tier asks for more, which people give." in made.outcome
    assert approve(made.promotion, actor=eva).state == "requested"
    assert approve(made.promotion).state == "completed"


def refused(sql, *values):
    with pytest.raises(DatabaseError) as error, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, values)
    return str(error.value).splitlines()[0]


GIVE = (
    "INSERT INTO registry_standingapproval (model_id, policy, criteria_set_id, approver_id, reason, expires_at, ended_why)"
    " VALUES (%s, %s, %s, %s, 'sql', now() + %s::interval, '')"
)


def test_sql_gives_none_that_the_service_refuses(model):
    policy = make_policy(model, automation="champion")
    criteria = model.criteria_sets.get(state="agreed")
    eva = make_actor(model.team, Role.APPROVER).user
    engineer = make_actor(model.team).user

    def give(number=1, person=eva, span="9 days", of=model, rules=criteria):
        return refused(GIVE, of.pk, number, rules.pk, person.pk, span)

    assert "only an approver" in give(person=engineer)
    assert "ends within 90 days" in give(span="91 days")
    assert "ends within 90 days" in give(span="-1 days")
    assert "the retraining policy in force" in give(number=2)
    policy.made_by.memberships.update(role=Role.APPROVER)
    assert "who wrote a retraining policy" in give(person=policy.made_by)
    criteria.drafted_by.memberships.update(role=Role.APPROVER)
    assert "somebody else than who drafted them" in give(person=criteria.drafted_by)
    other = make_model(model.team, risk_tier=2)
    second = make_policy(other)
    assert "tier 3 are promoted by a policy" in refused(
        "INSERT INTO monitoring_retrainingpolicy (model_id, number, enabled, document, reason, made_by_id)"
        " VALUES (%s, 2, true, %s, 'x', %s)",
        other.pk, json.dumps(second.document | {"automation": "champion"}), second.made_by_id,
    )  # fmt: skip
    plain = make_model(model.team, risk_tier=3)
    make_policy(plain)
    assert "which promotes by itself" in give(of=plain, rules=make_criteria(plain))
    RegisteredModel.objects.filter(pk=model.pk).update(risk_tier=2)
    assert "of a model of tier 3" in give()
    assert not StandingApproval.objects.exists()


def test_sql_neither_changes_one_nor_wakes_it_again(model):
    word = make_standing(model)
    viewer = make_actor(model.team, Role.VIEWER).user

    assert "never changed" in refused("UPDATE registry_standingapproval SET expires_at = now() + interval '89 days'")
    assert "never changed" in refused("UPDATE registry_standingapproval SET ended_at = now()")
    assert "above viewer" in refused(
        "UPDATE registry_standingapproval SET ended_at = now(), ended_why = 'x', ended_by_id = %s", viewer.pk
    )
    assert "permission denied" in refused("DELETE FROM registry_standingapproval")
    RegisteredModel.objects.filter(pk=model.pk).update(risk_tier=2)
    RegisteredModel.objects.filter(pk=model.pk).update(risk_tier=3)
    word.refresh_from_db()
    assert word.ended_why == "The model is of tier 2 now."
    assert "ended once" in refused("UPDATE registry_standingapproval SET ended_at = NULL, ended_why = ''")
    again = make_standing(model)
    latest = model.retraining_policies.first()
    RetrainingPolicy.objects.create(
        model=model, number=latest.number + 1, document=latest.document, reason="x", made_by=latest.made_by
    )
    again.refresh_from_db()
    assert again.ended_why == f"Retraining policy {latest.number + 1} is in force."


def by_standing(promotion, word, **fields):
    """Write an approval that rests on a standing approval past the services."""
    binding = {
        "artifact": promotion.version.artifact_digest, "criteria": promotion.criteria_set.digest, "evidence": [], "waivers": [],
    }  # fmt: skip
    known = {
        "promotion": promotion, "approver": word.approver, "role": "approver", "decision": "approve", "reason": "By SQL.",
        "binding": binding, "binding_digest": "sha256:x", "standing": word,
    }  # fmt: skip
    with transaction.atomic():
        return Approval.objects.create(**known | fields)


def test_sql_approves_nothing_by_a_standing_approval_but_what_its_policy_made(model, capsys):
    word = make_standing(model)
    promotion = make_promotion(model)

    with pytest.raises(DatabaseError, match="what its retraining policy opened"):
        by_standing(promotion, word)
    with pytest.raises(DatabaseError, match="no standing approval of this person"):
        by_standing(promotion, word, approver=make_actor(model.team, Role.APPROVER).user)
    with pytest.raises(DatabaseError, match="rests on a waiver"):
        by_standing(promotion, word, binding={"waivers": [1]})
    other = make_promotion(make_model(model.team, risk_tier=3))
    with pytest.raises(DatabaseError, match="no standing approval of this person"):
        by_standing(other, word)
    assert not Approval.objects.filter(standing__isnull=False).exists()


def test_one_that_ended_fills_no_quorum_and_what_was_written_past_the_services_is_listed(model, capsys):
    change_policy(model.team, tier=3, required={"approver": 2})
    made, _ = better(model)
    word = make_standing(model)
    moved(made)
    promotion = made.promotion
    second = make_actor(model.team, Role.APPROVER)
    criteria = model.criteria_sets.get(state="agreed")
    raw = StandingApproval.objects.create(
        model=model, policy=1, criteria_set=criteria, approver=second.user, reason="By SQL.",
        expires_at=timezone.now() + timedelta(days=1),
    )  # fmt: skip
    digest = promotion.approvals.get().binding_digest
    by_standing(promotion, raw, binding=promotion.approvals.get().binding, binding_digest=digest)

    def quorum():
        with connection.cursor() as cursor:
            cursor.execute("SELECT registry_quorum_reached(%s)", [promotion.pk])
            return cursor.fetchone()[0]

    assert quorum()
    standing_approval_end(actor=second, standing_id=word.pk, reason="Not now.")
    assert not quorum()
    assert "lacks approvals" in refused("UPDATE registry_promotion SET state = 'approved' WHERE id = %s", promotion.pk)
    with pytest.raises(CommandError, match="1 approvals have no audit event"):
        call_command("audit_verify")
    told = capsys.readouterr().err
    assert f"standing approval {raw.pk} by {second.user.username}" in told
    assert f"standing approval {word.pk} by" not in told


def test_who_gave_it_is_asked_to_renew_it_a_week_before_it_ends(model):
    eva = make_actor(model.team, Role.APPROVER)
    make_standing(model, actor=eva, days=8)
    assert waiting(eva) == []

    soon = make_standing(model, actor=eva, days=6)

    [item] = waiting(eva)
    assert (item.verb, item.path, item.due) == ("Renew", soon.path, soon.expires_at)
    assert waiting(make_actor(model.team, Role.APPROVER)) == []
