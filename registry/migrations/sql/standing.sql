-- Standing approvals: given beforehand for what a retraining policy makes, of models of tier 3 alone, for 90 days at most.
-- As in governance.sql every refusal is insufficient_privilege. What the policy says is held against by monitoring's own triggers.

-- Whether an approval may rest on it now. The statement's clock: a transaction that began before the end does not outlast it.
CREATE OR REPLACE FUNCTION registry_standing_holds(standing bigint) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public AS $$
    SELECT EXISTS (
        SELECT FROM registry_standingapproval s
        JOIN registry_registeredmodel m ON m.id = s.model_id
        JOIN registry_criteriaset c ON c.id = s.criteria_set_id
        WHERE s.id = standing AND s.ended_at IS NULL AND s.expires_at > statement_timestamp()
          AND m.risk_tier = 3 AND c.state = 'agreed' AND registry_has_role(s.model_id, s.approver_id, 'approver'))
$$;

CREATE OR REPLACE FUNCTION registry_standing_check() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM FROM registry_registeredmodel WHERE id = NEW.model_id AND risk_tier = 3;
        IF NOT FOUND THEN
            PERFORM registry_refuse('only versions of a model of tier 3 are approved beforehand');
        END IF;
        IF NOT registry_has_role(NEW.model_id, NEW.approver_id, 'approver') THEN
            PERFORM registry_refuse('only an approver of the team gives a standing approval');
        END IF;
        PERFORM FROM registry_criteriaset
            WHERE id = NEW.criteria_set_id AND model_id = NEW.model_id AND state = 'agreed'
              AND drafted_by_id <> NEW.approver_id;
        IF NOT FOUND THEN
            PERFORM registry_refuse('a standing approval is for the agreed criteria, by somebody else than who drafted them');
        END IF;
        NEW.given_at := clock_timestamp();
        IF NEW.expires_at <= NEW.given_at OR NEW.expires_at > NEW.given_at + interval '2160 hours' THEN
            PERFORM registry_refuse('a standing approval ends within 90 days');
        END IF;
        IF btrim(NEW.reason) = '' OR NEW.ended_at IS NOT NULL OR NEW.ended_by_id IS NOT NULL THEN
            PERFORM registry_refuse('a standing approval says why it is given, and holds when it is');
        END IF;
        RETURN NEW;
    END IF;
    IF (OLD.model_id, OLD.policy, OLD.criteria_set_id, OLD.approver_id, OLD.reason, OLD.given_at, OLD.expires_at)
       IS DISTINCT FROM
       (NEW.model_id, NEW.policy, NEW.criteria_set_id, NEW.approver_id, NEW.reason, NEW.given_at, NEW.expires_at)
       OR OLD.ended_at IS NOT NULL OR NEW.ended_at IS NULL OR btrim(NEW.ended_why) = '' THEN
        PERFORM registry_refuse('a standing approval is never changed; it is ended once, and says why');
    END IF;
    IF NEW.ended_by_id IS NOT NULL
       AND NOT registry_has_role(NEW.model_id, NEW.ended_by_id, 'engineer', 'product', 'approver', 'admin') THEN
        PERFORM registry_refuse('a member of the team above viewer ends a standing approval');
    END IF;
    NEW.ended_at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER check_standing BEFORE INSERT OR UPDATE ON registry_standingapproval
    FOR EACH ROW EXECUTE FUNCTION registry_standing_check();
CREATE OR REPLACE TRIGGER no_change BEFORE DELETE ON registry_standingapproval
    FOR EACH ROW EXECUTE FUNCTION registry_append_only();
CREATE OR REPLACE TRIGGER no_truncate BEFORE TRUNCATE ON registry_standingapproval
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();

-- A model that was in another tier for a while is not one that was approved beforehand any more.
CREATE OR REPLACE FUNCTION registry_tier_changed() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    UPDATE registry_standingapproval SET ended_at = now(), ended_why = 'The model is of tier ' || NEW.risk_tier || ' now.'
        WHERE model_id = NEW.id AND ended_at IS NULL;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER end_standing AFTER UPDATE OF risk_tier ON registry_registeredmodel
    FOR EACH ROW WHEN (OLD.risk_tier <> NEW.risk_tier) EXECUTE FUNCTION registry_tier_changed();

-- An approval that rests on one: of the same person, model and criteria, to champion, with nothing waived. The row is locked, so
-- that whoever ends it meanwhile is either first, or sees what it approved.
CREATE OR REPLACE FUNCTION registry_approval_standing_check() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
BEGIN
    PERFORM FROM registry_standingapproval WHERE id = NEW.standing_id FOR NO KEY UPDATE;
    PERFORM FROM registry_standingapproval s JOIN registry_promotion p ON p.id = NEW.promotion_id
        WHERE s.id = NEW.standing_id AND registry_standing_holds(s.id) AND s.approver_id = NEW.approver_id
          AND s.model_id = p.model_id AND s.criteria_set_id = p.criteria_set_id AND p.alias = 'champion'
          AND NEW.decision = 'approve' AND NEW.role = 'approver';
    IF NOT FOUND THEN
        PERFORM registry_refuse('no standing approval of this person holds for this promotion');
    END IF;
    IF coalesce(NEW.binding -> 'waivers', '[]') <> '[]' THEN
        PERFORM registry_refuse('what rests on a waiver is approved by a person who looks at it');
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER check_standing BEFORE INSERT ON registry_approval
    FOR EACH ROW WHEN (NEW.standing_id IS NOT NULL) EXECUTE FUNCTION registry_approval_standing_check();

-- Enough approvals under the stricter of both policies, each bound to the artifact and criteria as they are now and to
-- waivers that still hold, all to the same binding; those that rest on a standing approval only while it holds.
CREATE OR REPLACE FUNCTION registry_quorum_reached(promotion bigint) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public AS $$
    WITH asked AS (
        SELECT r.key AS role, max(r.value::int) AS needed
        FROM registry_promotion p, registry_policies_in_force(p.model_id) y, jsonb_each_text(y.required) r
        WHERE p.id = promotion
        GROUP BY r.key
    ), given AS (
        SELECT a.binding_digest, a.role, count(DISTINCT a.approver_id) AS n
        FROM registry_approval a
        JOIN registry_promotion p ON p.id = a.promotion_id
        JOIN registry_modelversion v ON v.id = p.version_id
        JOIN registry_criteriaset c ON c.id = p.criteria_set_id
        WHERE p.id = promotion AND a.decision = 'approve'
          AND a.binding ->> 'artifact' = v.artifact_digest AND a.binding ->> 'criteria' = c.digest
          AND (a.standing_id IS NULL OR registry_standing_holds(a.standing_id))
          AND NOT EXISTS (
              SELECT FROM jsonb_array_elements_text(coalesce(a.binding -> 'waivers', '[]')) named
              LEFT JOIN registry_waiver w ON w.id = named::bigint AND w.promotion_id = p.id
                    AND w.state = 'granted' AND w.expires_at > now()
              WHERE w.id IS NULL)
        GROUP BY a.binding_digest, a.role
    )
    SELECT EXISTS (SELECT FROM asked) AND EXISTS (
        SELECT FROM (SELECT DISTINCT binding_digest FROM given) b
        WHERE NOT EXISTS (
            SELECT FROM asked LEFT JOIN given g ON g.role = asked.role AND g.binding_digest = b.binding_digest
            WHERE coalesce(g.n, 0) < asked.needed))
$$;
