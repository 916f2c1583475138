-- Nothing is trained on a golden set; golden_check.sql says how a mark is made.

CREATE OR REPLACE TRIGGER golden_check BEFORE INSERT OR UPDATE OR DELETE ON experiments_goldenmark
    FOR EACH ROW EXECUTE FUNCTION experiments_golden_check();
CREATE OR REPLACE TRIGGER no_truncate BEFORE TRUNCATE ON experiments_goldenmark
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();

CREATE OR REPLACE FUNCTION experiments_golden_is_not_trained_on() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    PERFORM FROM experiments_goldenmark WHERE version_id = NEW.dataset_version_id AND confirmed_by_id IS NOT NULL;
    IF FOUND THEN
        PERFORM registry_refuse('nothing is trained on a golden set');
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER not_golden BEFORE INSERT OR UPDATE ON experiments_trainingrun
    FOR EACH ROW EXECUTE FUNCTION experiments_golden_is_not_trained_on();
