-- A retraining policy is changed by adding its next number, and promotes by itself for tier 3 alone.
CREATE OR REPLACE FUNCTION monitoring_retraining_policy_check() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
DECLARE latest int;
BEGIN
    SELECT coalesce(max(number), 0) INTO latest FROM monitoring_retrainingpolicy WHERE model_id = NEW.model_id;
    IF NEW.number <> latest + 1 THEN
        PERFORM registry_refuse('a retraining policy is changed by adding its next number, ' || latest + 1);
    END IF;
    IF btrim(NEW.reason) = '' THEN
        PERFORM registry_refuse('a retraining policy says what changed, and why');
    END IF;
    IF NEW.enabled AND NOT registry_has_role(NEW.model_id, NEW.made_by_id, 'engineer') THEN
        PERFORM registry_refuse('an engineer of the team answers for what a retraining policy starts');
    END IF;
    IF coalesce(NEW.document ->> 'automation', 'promotion') NOT IN ('propose', 'evaluate', 'promotion', 'champion') THEN
        PERFORM registry_refuse('no version that was retrained becomes champion without an approval');
    END IF;
    IF NEW.enabled AND NEW.document ->> 'automation' = 'champion' THEN
        PERFORM FROM registry_registeredmodel WHERE id = NEW.model_id AND risk_tier = 3;
        IF NOT FOUND THEN
            PERFORM registry_refuse('only versions of a model of tier 3 are promoted by a policy');
        END IF;
    END IF;
    NEW.made_at := clock_timestamp();
    RETURN NEW;
END $$;
