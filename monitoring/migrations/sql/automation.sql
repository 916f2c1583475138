-- Full automation of retraining: for tier 3, by a standing approval of this policy, for promotions that this policy opened.
-- As in governance.sql every refusal is insufficient_privilege.

-- Who wrote a model's retraining policy, any number of it. Who only switched it off wrote nothing.
CREATE OR REPLACE FUNCTION monitoring_wrote_retraining(model bigint, person bigint) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public AS $$
    SELECT EXISTS (
        SELECT FROM monitoring_retrainingpolicy p
        WHERE p.model_id = model AND p.made_by_id = person
          AND (p.enabled OR NOT EXISTS (SELECT FROM monitoring_retrainingpolicy before
                                        WHERE before.model_id = p.model_id AND before.number = p.number - 1
                                          AND before.document = p.document)))
$$;

-- A standing approval was for the policy as it was.
CREATE OR REPLACE FUNCTION monitoring_retraining_policy_changed() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
BEGIN
    UPDATE registry_standingapproval SET ended_at = now(), ended_why = 'Retraining policy ' || NEW.number || ' is in force.'
        WHERE model_id = NEW.model_id AND ended_at IS NULL;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER end_standing AFTER INSERT ON monitoring_retrainingpolicy
    FOR EACH ROW EXECUTE FUNCTION monitoring_retraining_policy_changed();

CREATE OR REPLACE FUNCTION monitoring_standing_check() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    PERFORM FROM monitoring_retrainingpolicy p
        WHERE p.model_id = NEW.model_id AND p.number = NEW.policy AND p.enabled AND p.document ->> 'automation' = 'champion'
          AND p.number = (SELECT max(number) FROM monitoring_retrainingpolicy WHERE model_id = NEW.model_id);
    IF NOT FOUND THEN
        PERFORM registry_refuse('a standing approval is for the retraining policy in force, which promotes by itself');
    END IF;
    IF monitoring_wrote_retraining(NEW.model_id, NEW.approver_id) THEN
        PERFORM registry_refuse('who wrote a retraining policy does not approve what it makes');
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER check_policy BEFORE INSERT ON registry_standingapproval
    FOR EACH ROW EXECUTE FUNCTION monitoring_standing_check();

-- An approval that rests on one is of a promotion that the policy's own retraining opened, of a version that was surely better.
CREATE OR REPLACE FUNCTION monitoring_approval_standing_check() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
BEGIN
    PERFORM FROM monitoring_retraining r
        JOIN monitoring_retrainingpolicy y ON y.id = r.policy_id
        JOIN registry_standingapproval s ON s.id = NEW.standing_id
        JOIN registry_promotion p ON p.id = NEW.promotion_id
        WHERE r.promotion_id = p.id AND r.state = 'proposed' AND r.version_id = p.version_id AND r.model_id = s.model_id
          AND y.number = s.policy AND r.comparison ? 'difference';
    IF NOT FOUND THEN
        PERFORM registry_refuse('a standing approval is for what its retraining policy opened, and measured beside the champion');
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER check_standing_retraining BEFORE INSERT ON registry_approval
    FOR EACH ROW WHEN (NEW.standing_id IS NOT NULL) EXECUTE FUNCTION monitoring_approval_standing_check();
