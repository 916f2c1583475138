-- Rollouts, repeated where no caller can walk around them. As in the registry every refusal is insufficient_privilege.

-- Whether the policies in force ask for a rollout of whatever replaces the model's champion: registry.selectors.wants_rollout
-- says the same, and beside it where a plan does.
CREATE OR REPLACE FUNCTION rollouts_needed(model bigint) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public AS $$
    SELECT coalesce((SELECT bool_or(y.rollout_required) FROM registry_policies_in_force(model) y), false) AND EXISTS (
        SELECT FROM registry_alias a JOIN registry_modelversion v ON v.id = a.version_id
        WHERE a.model_id = model AND a.name = 'champion' AND v.artifact_state = 'verified' AND v.refusal = ''
          AND v.format IN ('lightgbm', 'xgboost', 'skops', 'onnx', 'safetensors')
          AND v.archived_at IS NULL AND v.retired_at IS NULL
          AND jsonb_typeof(v.signature -> 'inputs') = 'array' AND jsonb_array_length(v.signature -> 'inputs') > 0)
$$;

-- The last step: no guardrail fails, and each that decides has passed; or an approver who had no part in the version took it,
-- with what is known. Where the plan asks for a person at the end, there is one either way.
CREATE OR REPLACE FUNCTION rollouts_may_promote(rollout bigint) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public AS $$
    WITH known AS (
        SELECT coalesce((g ->> 'decides')::boolean, true) AS decides,
               (SELECT v.outcome FROM rollouts_rolloutverdict v
                WHERE v.rollout_id = r.id AND v.metric = g ->> 'name' ORDER BY v.id DESC LIMIT 1) AS outcome
        FROM rollouts_rollout r, jsonb_array_elements(r.document -> 'guardrails') g
        WHERE r.id = rollout
    ), decided AS (
        SELECT EXISTS (
            SELECT FROM rollouts_rolloutact a JOIN rollouts_rollout r ON r.id = a.rollout_id
            WHERE a.rollout_id = rollout AND a.action = 'rollout.promote'
              AND registry_has_role(r.model_id, a.actor_id, 'approver')
              AND NOT registry_is_contributor(r.promotion_id, a.actor_id)) AS by_person
    )
    SELECT NOT EXISTS (SELECT FROM known WHERE outcome = 'fail')
       AND NOT EXISTS (SELECT FROM known WHERE decides AND coalesce(outcome, 'no_data') = 'no_data')
       AND (d.by_person
            OR (NOT EXISTS (SELECT FROM known WHERE decides AND outcome <> 'pass')
                AND NOT coalesce((SELECT (document ->> 'promote_gate')::boolean FROM rollouts_rollout WHERE id = rollout), false)))
    FROM decided d
$$;

CREATE OR REPLACE FUNCTION rollouts_rollout_check() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM FROM registry_promotion p
            WHERE p.id = NEW.promotion_id AND p.model_id = NEW.model_id AND p.version_id = NEW.candidate_id
              AND p.alias = 'champion' AND p.state IN ('approved', 'rolling_out');
        IF NOT FOUND OR NEW.state <> 'pending' OR NEW.weight_bp + NEW.shadow_bp > 0 THEN
            PERFORM registry_refuse('a rollout begins as pending, for an approved promotion of its candidate to champion');
        END IF;
        PERFORM FROM registry_alias
            WHERE model_id = NEW.model_id AND name = 'champion' AND version_id = NEW.champion_id
              AND version_id <> NEW.candidate_id;
        IF NOT FOUND THEN
            PERFORM registry_refuse('a rollout names the champion that goes on if it fails');
        END IF;
        RETURN NEW;
    END IF;
    IF (OLD.model_id, OLD.promotion_id, OLD.champion_id, OLD.candidate_id, OLD.made_from_id, OLD.salt, OLD.requested_by_id, OLD.started_at)
       IS DISTINCT FROM
       (NEW.model_id, NEW.promotion_id, NEW.champion_id, NEW.candidate_id, NEW.made_from_id, NEW.salt, NEW.requested_by_id, NEW.started_at)
       OR (OLD.document <> NEW.document AND OLD.state <> 'pending') THEN
        PERFORM registry_refuse('what a rollout is of, and the plan that it follows, cannot be changed');
    END IF;
    IF OLD.ended_at IS NOT NULL
       AND (to_jsonb(OLD) - '{budget,canary_requests,canary_failures}'::text[])
           <> (to_jsonb(NEW) - '{budget,canary_requests,canary_failures}'::text[]) THEN
        PERFORM registry_refuse('a rollout that ended stays as it ended; what it cost may still be counted');
    END IF;
    IF OLD.state <> NEW.state AND (OLD.state, NEW.state) NOT IN (
        ('pending', 'shadow'), ('pending', 'canary'), ('pending', 'awaiting'), ('pending', 'rolled_back'), ('pending', 'aborted'),
        ('shadow', 'canary'), ('shadow', 'awaiting'), ('shadow', 'rolled_back'), ('shadow', 'aborted'),
        ('canary', 'awaiting'), ('canary', 'promoted'), ('canary', 'rolled_back'), ('canary', 'aborted'),
        ('awaiting', 'shadow'), ('awaiting', 'canary'), ('awaiting', 'promoted'), ('awaiting', 'rolled_back'),
        ('awaiting', 'aborted')) THEN
        PERFORM registry_refuse('a rollout that is ' || OLD.state || ' cannot become ' || NEW.state);
    END IF;
    IF NEW.state = 'promoted' AND OLD.state <> 'promoted' AND NOT rollouts_may_promote(NEW.id) THEN
        PERFORM registry_refuse('rollout ' || NEW.id || ' lacks verdicts that pass, or an approver who decides');
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER check_rollout BEFORE INSERT OR UPDATE ON rollouts_rollout
    FOR EACH ROW EXECUTE FUNCTION rollouts_rollout_check();
CREATE OR REPLACE TRIGGER no_delete BEFORE DELETE ON rollouts_rollout
    FOR EACH ROW EXECUTE FUNCTION registry_append_only();
CREATE OR REPLACE TRIGGER no_truncate BEFORE TRUNCATE ON rollouts_rollout
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();

-- A verdict's row is kept fresh while it is the latest of its metric; what it decided, and the most that was ever known, stays.
CREATE OR REPLACE FUNCTION rollouts_verdict_check() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    IF (OLD.rollout_id, OLD.metric, OLD.state, OLD.step, OLD.weight_bp, OLD.outcome, OLD.at)
       IS DISTINCT FROM (NEW.rollout_id, NEW.metric, NEW.state, NEW.step, NEW.weight_bp, NEW.outcome, NEW.at)
       OR NEW.most_against < OLD.most_against OR NEW.most_favour < OLD.most_favour THEN
        PERFORM registry_refuse('a verdict is never changed; another outcome is another row');
    END IF;
    PERFORM FROM rollouts_rolloutverdict WHERE rollout_id = OLD.rollout_id AND metric = OLD.metric AND id > OLD.id;
    IF FOUND THEN
        PERFORM registry_refuse('a verdict that another one followed stays as it was');
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER check_verdict BEFORE UPDATE ON rollouts_rolloutverdict
    FOR EACH ROW EXECUTE FUNCTION rollouts_verdict_check();

CREATE OR REPLACE FUNCTION rollouts_of_open_check() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    PERFORM FROM rollouts_rollout WHERE id = NEW.rollout_id AND ended_at IS NULL;
    IF NOT FOUND THEN
        PERFORM registry_refuse('nothing is added to a rollout that ended');
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER of_open BEFORE INSERT ON rollouts_rolloutverdict
    FOR EACH ROW EXECUTE FUNCTION rollouts_of_open_check();
CREATE OR REPLACE TRIGGER of_open BEFORE INSERT ON rollouts_rolloutact
    FOR EACH ROW EXECUTE FUNCTION rollouts_of_open_check();

CREATE OR REPLACE TRIGGER no_delete BEFORE DELETE ON rollouts_rolloutverdict
    FOR EACH ROW EXECUTE FUNCTION registry_append_only();
CREATE OR REPLACE TRIGGER no_truncate BEFORE TRUNCATE ON rollouts_rolloutverdict
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();
CREATE OR REPLACE TRIGGER no_change BEFORE UPDATE OR DELETE ON rollouts_rolloutact
    FOR EACH ROW EXECUTE FUNCTION registry_append_only();
CREATE OR REPLACE TRIGGER no_truncate BEFORE TRUNCATE ON rollouts_rolloutact
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();

CREATE OR REPLACE FUNCTION rollouts_plan_check() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
DECLARE latest int;
BEGIN
    IF NEW.risk_tier IS NOT NULL AND NOT registry_as_owner(TG_RELID) THEN
        PERFORM registry_refuse('the plan of a risk tier is set by the owner of the schema alone');
    END IF;
    SELECT coalesce(max(number), 0) INTO latest FROM rollouts_rolloutplan
        WHERE model_id IS NOT DISTINCT FROM NEW.model_id AND risk_tier IS NOT DISTINCT FROM NEW.risk_tier
          AND promotion_id IS NOT DISTINCT FROM NEW.promotion_id;
    IF NEW.number <> latest + 1 THEN
        PERFORM registry_refuse('a plan is changed by adding its next number, ' || latest + 1);
    END IF;
    IF NEW.model_id IS NOT NULL AND NOT registry_has_role(NEW.model_id, NEW.made_by_id, 'engineer', 'approver', 'admin') THEN
        PERFORM registry_refuse('an engineer, approver or admin of the team makes the plan of a model');
    END IF;
    IF NEW.promotion_id IS NOT NULL THEN
        PERFORM FROM registry_promotion p
            WHERE p.id = NEW.promotion_id AND p.state = 'requested' AND p.requested_by_id = NEW.made_by_id
              AND NOT EXISTS (SELECT FROM registry_approval a WHERE a.promotion_id = p.id);
        IF NOT FOUND THEN
            PERFORM registry_refuse('who asks for a promotion brings its plan, before anybody decided');
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER check_plan BEFORE INSERT ON rollouts_rolloutplan
    FOR EACH ROW EXECUTE FUNCTION rollouts_plan_check();
CREATE OR REPLACE TRIGGER no_change BEFORE UPDATE OR DELETE ON rollouts_rolloutplan
    FOR EACH ROW EXECUTE FUNCTION registry_append_only();
CREATE OR REPLACE TRIGGER no_truncate BEFORE TRUNCATE ON rollouts_rolloutplan
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();

-- Champion moves by a promotion only once its rollout is promoted, where there is or has to be one.
CREATE OR REPLACE FUNCTION rollouts_alias_check() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    IF NEW.name <> 'champion' OR NEW.promotion_id IS NULL THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.promotion_id IS NOT DISTINCT FROM NEW.promotion_id AND OLD.version_id = NEW.version_id THEN
        RETURN NEW;
    END IF;
    PERFORM FROM rollouts_rollout WHERE promotion_id = NEW.promotion_id;
    IF FOUND OR (TG_OP = 'UPDATE' AND rollouts_needed(NEW.model_id)) THEN
        PERFORM FROM rollouts_rollout
            WHERE promotion_id = NEW.promotion_id AND candidate_id = NEW.version_id AND state = 'promoted';
        IF NOT FOUND THEN
            PERFORM registry_refuse('champion moves by this promotion once its rollout is promoted');
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER check_rollout BEFORE INSERT OR UPDATE ON registry_alias
    FOR EACH ROW EXECUTE FUNCTION rollouts_alias_check();
