-- A model stays with its team; its date moves forward alone; its tier does not fall while a decision is open.
CREATE OR REPLACE FUNCTION registry_model_stays_check() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    IF (OLD.team_id, OLD.created_by_id) IS DISTINCT FROM (NEW.team_id, NEW.created_by_id) THEN
        PERFORM registry_refuse('a model stays with its team');
    END IF;
    IF NEW.risk_tier > OLD.risk_tier THEN
        PERFORM FROM registry_promotion
            WHERE model_id = NEW.id AND state IN ('requested', 'approved', 'rolling_out');
        IF FOUND THEN
            PERFORM registry_refuse('the risk tier is not lowered while a promotion is open');
        END IF;
    END IF;
    IF OLD.revalidate_by IS DISTINCT FROM NEW.revalidate_by AND NOT registry_as_owner(TG_RELID)
       AND (NEW.revalidate_by IS NULL
            OR NEW.revalidate_by > coalesce(OLD.revalidate_by, registry_latest_date(NEW.id))) THEN
        PERFORM registry_refuse('a later date of re-validation comes from a re-validation alone');
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER check_model_stays BEFORE UPDATE ON registry_registeredmodel
    FOR EACH ROW EXECUTE FUNCTION registry_model_stays_check();
