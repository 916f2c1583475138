-- What a registered model is, and which version numbers were given, is settled for good.
CREATE OR REPLACE FUNCTION registry_model_check() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
BEGIN
    IF NEW.is_prompt <> OLD.is_prompt THEN
        PERFORM registry_refuse('a model does not become a prompt, nor a prompt a model');
    END IF;
    IF NEW.last_number < OLD.last_number THEN
        PERFORM registry_refuse('a version number is never given again');
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER check_model BEFORE UPDATE ON registry_registeredmodel
    FOR EACH ROW EXECUTE FUNCTION registry_model_check();
