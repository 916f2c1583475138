-- What is withheld of predictions, and how long they are kept: numbered, only ever added, by who may, with a reason where more is told.

CREATE FUNCTION monitoring_log_policy_check() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
DECLARE latest monitoring_logpolicy;
        strictness constant text[] := ARRAY['mask', 'hash', 'drop'];
BEGIN
    SELECT * INTO latest FROM monitoring_logpolicy WHERE model_id = NEW.model_id ORDER BY number DESC LIMIT 1;
    IF NEW.number <> coalesce(latest.number, 0) + 1 THEN
        PERFORM registry_refuse('the policy of a log is changed by adding its next number, ' || coalesce(latest.number, 0) + 1);
    END IF;
    IF NOT registry_has_role(NEW.model_id, NEW.changed_by_id, 'engineer', 'admin') THEN
        PERFORM registry_refuse('only an engineer or admin of the team changes what is kept of predictions');
    END IF;
    IF jsonb_typeof(NEW.columns) <> 'object'
       OR EXISTS (SELECT FROM jsonb_each(NEW.columns) c WHERE c.value NOT IN ('"mask"', '"hash"', '"drop"')) THEN
        PERFORM registry_refuse('a sensitive column is dropped, hashed or masked');
    END IF;
    IF btrim(NEW.reason) = '' AND EXISTS (
        SELECT FROM jsonb_each_text(coalesce(latest.columns, '{}')) c
        WHERE coalesce(array_position(strictness, NEW.columns ->> c.key), 0) < array_position(strictness, c.value)) THEN
        PERFORM registry_refuse('who has more of a column recorded says why');
    END IF;
    NEW.changed_at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER check_log_policy BEFORE INSERT ON monitoring_logpolicy
    FOR EACH ROW EXECUTE FUNCTION monitoring_log_policy_check();
CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON monitoring_logpolicy
    FOR EACH ROW EXECUTE FUNCTION registry_append_only();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON monitoring_logpolicy
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();
