-- How a model's quality is told by its labels: numbered, only ever added, by who may, with a reason.

CREATE OR REPLACE FUNCTION monitoring_quality_policy_check() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
DECLARE latest integer;
BEGIN
    SELECT coalesce(max(number), 0) INTO latest FROM monitoring_qualitypolicy WHERE model_id = NEW.model_id;
    IF NEW.number <> latest + 1 THEN
        PERFORM registry_refuse('the policy of a model''s quality is changed by adding its next number, ' || latest + 1);
    END IF;
    IF NOT registry_has_role(NEW.model_id, NEW.changed_by_id, 'engineer', 'product', 'admin') THEN
        PERFORM registry_refuse('only an engineer, product or admin of the team changes how quality is told');
    END IF;
    IF latest > 0 AND btrim(NEW.reason) = '' THEN
        PERFORM registry_refuse('who changes how quality is told says why');
    END IF;
    NEW.changed_at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER check_quality_policy BEFORE INSERT ON monitoring_qualitypolicy
    FOR EACH ROW EXECUTE FUNCTION monitoring_quality_policy_check();
CREATE OR REPLACE TRIGGER no_change BEFORE UPDATE OR DELETE ON monitoring_qualitypolicy
    FOR EACH ROW EXECUTE FUNCTION registry_append_only();
CREATE OR REPLACE TRIGGER no_truncate BEFORE TRUNCATE ON monitoring_qualitypolicy
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();
