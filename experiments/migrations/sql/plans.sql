-- How a model is measured: numbered, only ever added, by an engineer of the team, with a reason. What was measured by a plan stays so.

CREATE OR REPLACE FUNCTION experiments_plan_check() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
DECLARE latest int;
BEGIN
    SELECT coalesce(max(number), 0) INTO latest FROM experiments_evaluationplan WHERE model_id = NEW.model_id;
    IF NEW.number <> latest + 1 THEN
        PERFORM registry_refuse('an evaluation plan is changed by adding its next number, ' || latest + 1);
    END IF;
    IF btrim(NEW.reason) = '' THEN
        PERFORM registry_refuse('who changes an evaluation plan says why');
    END IF;
    PERFORM FROM registry_registeredmodel r JOIN registry_membership m ON m.team_id = r.team_id
        WHERE r.id = NEW.model_id AND m.user_id = NEW.made_by_id AND m.role = 'engineer';
    IF NOT FOUND THEN
        PERFORM registry_refuse('only an engineer of the team changes how a model is measured');
    END IF;
    NEW.made_at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER check_plan BEFORE INSERT ON experiments_evaluationplan
    FOR EACH ROW EXECUTE FUNCTION experiments_plan_check();
CREATE OR REPLACE TRIGGER no_change BEFORE UPDATE OR DELETE ON experiments_evaluationplan
    FOR EACH ROW EXECUTE FUNCTION registry_append_only();
CREATE OR REPLACE TRIGGER no_truncate BEFORE TRUNCATE ON experiments_evaluationplan
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();
