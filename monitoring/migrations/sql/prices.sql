-- What was declared to be a price stays: budgets on cost were judged by it. The declarer belongs to the model's team.
CREATE FUNCTION monitoring_price_check() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    IF NOT registry_has_role(NEW.model_id, NEW.declared_by_id, 'engineer', 'product', 'admin') THEN
        PERFORM registry_refuse('an engineer, product member or admin of the team declares a price');
    END IF;
    PERFORM FROM registry_modelversion WHERE id = NEW.version_id AND model_id <> NEW.model_id;
    IF FOUND THEN
        PERFORM registry_refuse('a price is of a version of its own model');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_price BEFORE INSERT ON monitoring_modelprice
    FOR EACH ROW EXECUTE FUNCTION monitoring_price_check();
CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON monitoring_modelprice
    FOR EACH ROW EXECUTE FUNCTION registry_append_only();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON monitoring_modelprice
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();
