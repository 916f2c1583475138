-- What was read of a version is fixed: its verdict, what the artifact said of itself, what its inputs looked like.

CREATE OR REPLACE FUNCTION registry_version_settled() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
BEGIN
    IF OLD.artifact_state <> 'unread'
       AND (OLD.artifact_state, OLD.artifact_path, OLD.refusal)
           IS DISTINCT FROM (NEW.artifact_state, NEW.artifact_path, NEW.refusal) THEN
        PERFORM registry_refuse('the files of a version are read once; register a new version');
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER check_settled BEFORE UPDATE ON registry_modelversion
    FOR EACH ROW EXECUTE FUNCTION registry_version_settled();

CREATE OR REPLACE FUNCTION registry_reading_check() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
BEGIN
    IF OLD.read_at IS NOT NULL THEN
        PERFORM registry_refuse('what was read of a version is fixed');
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE OR REPLACE TRIGGER check_reading BEFORE UPDATE OR DELETE ON registry_versionreading
    FOR EACH ROW EXECUTE FUNCTION registry_reading_check();

CREATE OR REPLACE TRIGGER no_change BEFORE UPDATE OR DELETE ON registry_referenceprofile
    FOR EACH ROW EXECUTE FUNCTION registry_append_only();
