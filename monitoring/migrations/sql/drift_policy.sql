-- How inputs are watched for drift: numbered, only ever added, by who may, always with a reason.

CREATE OR REPLACE FUNCTION monitoring_drift_policy_check() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
DECLARE latest integer;
BEGIN
    SELECT coalesce(max(number), 0) INTO latest FROM monitoring_driftpolicy WHERE model_id = NEW.model_id;
    IF NEW.number <> latest + 1 THEN
        PERFORM registry_refuse('the drift policy of a model is changed by adding its next number, ' || latest + 1);
    END IF;
    IF NOT registry_has_role(NEW.model_id, NEW.changed_by_id, 'engineer', 'admin') THEN
        PERFORM registry_refuse('only an engineer or admin of the team changes how inputs are watched');
    END IF;
    IF btrim(NEW.reason) = '' THEN
        PERFORM registry_refuse('who changes how inputs are watched says why');
    END IF;
    NEW.changed_at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER check_drift_policy BEFORE INSERT ON monitoring_driftpolicy
    FOR EACH ROW EXECUTE FUNCTION monitoring_drift_policy_check();
CREATE OR REPLACE TRIGGER no_change BEFORE UPDATE OR DELETE ON monitoring_driftpolicy
    FOR EACH ROW EXECUTE FUNCTION registry_append_only();
CREATE OR REPLACE TRIGGER no_truncate BEFORE TRUNCATE ON monitoring_driftpolicy
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();
