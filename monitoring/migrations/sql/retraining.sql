-- When models are trained anew, and each time that they were: numbered, added to, and each slot taken once.
-- As in governance.sql every refusal is insufficient_privilege.

CREATE OR REPLACE TRIGGER check_retraining_policy BEFORE INSERT ON monitoring_retrainingpolicy
    FOR EACH ROW EXECUTE FUNCTION monitoring_retraining_policy_check();
CREATE OR REPLACE TRIGGER no_change BEFORE UPDATE OR DELETE ON monitoring_retrainingpolicy
    FOR EACH ROW EXECUTE FUNCTION registry_append_only();
CREATE OR REPLACE TRIGGER no_truncate BEFORE TRUNCATE ON monitoring_retrainingpolicy
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();

CREATE OR REPLACE FUNCTION monitoring_retraining_check() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM FROM monitoring_retrainingpolicy p
            WHERE p.id = NEW.policy_id AND p.model_id = NEW.model_id AND (p.enabled OR NEW.asked_by_id IS NOT NULL)
              AND p.number = (SELECT max(number) FROM monitoring_retrainingpolicy WHERE model_id = NEW.model_id);
        IF NOT FOUND OR NEW.state <> 'due' OR NEW.started_at IS NOT NULL OR btrim(NEW.why) = '' THEN
            PERFORM registry_refuse('a retraining begins as due, by the policy in force of its model, and says why');
        END IF;
        IF NEW.asked_by_id IS NOT NULL AND NOT registry_has_role(NEW.model_id, NEW.asked_by_id, 'engineer') THEN
            PERFORM registry_refuse('an engineer of the team asks for a retraining');
        END IF;
        RETURN NEW;
    END IF;
    IF (OLD.model_id, OLD.policy_id, OLD.slot, OLD.why, OLD.findings, OLD.due_at)
       IS DISTINCT FROM (NEW.model_id, NEW.policy_id, NEW.slot, NEW.why, NEW.findings, NEW.due_at) THEN
        PERFORM registry_refuse('why a retraining began, and the slot that it took, cannot be changed');
    END IF;
    IF OLD.ended_at IS NOT NULL THEN
        PERFORM registry_refuse('a retraining that ended stays as it ended');
    END IF;
    IF (OLD.started_at IS NOT NULL AND NEW.started_at IS DISTINCT FROM OLD.started_at)
       OR (OLD.dataset_version_id IS NOT NULL AND NEW.dataset_version_id IS DISTINCT FROM OLD.dataset_version_id)
       OR (OLD.version_id IS NOT NULL AND NEW.version_id IS DISTINCT FROM OLD.version_id)
       OR (OLD.promotion_id IS NOT NULL AND NEW.promotion_id IS DISTINCT FROM OLD.promotion_id) THEN
        PERFORM registry_refuse('what a retraining learnt from and made cannot be changed');
    END IF;
    IF OLD.state <> NEW.state AND (OLD.state, NEW.state) NOT IN (
        ('due', 'held'), ('due', 'freezing'), ('due', 'stopped'), ('held', 'freezing'), ('held', 'stopped'),
        ('freezing', 'training'), ('freezing', 'stopped'), ('freezing', 'failed'),
        ('training', 'evaluating'), ('training', 'stopped'), ('training', 'failed'),
        ('evaluating', 'proposed'), ('evaluating', 'measured'), ('evaluating', 'stopped'), ('evaluating', 'failed'),
        ('proposed', 'promoted'), ('proposed', 'refused')) THEN
        PERFORM registry_refuse('a retraining that is ' || OLD.state || ' cannot become ' || NEW.state);
    END IF;
    IF NEW.state = 'promoted' AND OLD.state <> 'promoted' THEN
        PERFORM FROM registry_promotion WHERE id = NEW.promotion_id AND version_id = NEW.version_id AND state = 'completed';
        IF NOT FOUND THEN
            PERFORM registry_refuse('a retraining is promoted by a promotion of its version alone');
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER check_retraining BEFORE INSERT OR UPDATE ON monitoring_retraining
    FOR EACH ROW EXECUTE FUNCTION monitoring_retraining_check();
CREATE OR REPLACE TRIGGER no_delete BEFORE DELETE ON monitoring_retraining
    FOR EACH ROW EXECUTE FUNCTION registry_append_only();
CREATE OR REPLACE TRIGGER no_truncate BEFORE TRUNCATE ON monitoring_retraining
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();
