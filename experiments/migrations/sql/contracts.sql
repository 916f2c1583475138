-- What rows are held to: numbered, only ever added, by who may, with a reason. What was found stays as it was found, and frozen rows as they were frozen.

CREATE OR REPLACE FUNCTION experiments_contract_check() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
DECLARE latest int;
BEGIN
    SELECT coalesce(max(number), 0) INTO latest FROM experiments_datacontract WHERE dataset_id = NEW.dataset_id;
    IF NEW.number <> latest + 1 THEN
        PERFORM registry_refuse('a contract is changed by adding its next number, ' || latest + 1);
    END IF;
    IF btrim(NEW.reason) = '' THEN
        PERFORM registry_refuse('who changes a contract says why');
    END IF;
    PERFORM FROM experiments_dataset d JOIN registry_membership m ON m.team_id = d.team_id
        WHERE d.id = NEW.dataset_id AND m.user_id = NEW.made_by_id AND m.role IN ('engineer', 'admin');
    IF NOT FOUND THEN
        PERFORM registry_refuse('only an engineer or admin of the team changes what its data are held to');
    END IF;
    NEW.made_at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER check_contract BEFORE INSERT ON experiments_datacontract
    FOR EACH ROW EXECUTE FUNCTION experiments_contract_check();
CREATE OR REPLACE TRIGGER no_change BEFORE UPDATE OR DELETE ON experiments_datacontract
    FOR EACH ROW EXECUTE FUNCTION registry_append_only();
CREATE OR REPLACE TRIGGER no_truncate BEFORE TRUNCATE ON experiments_datacontract
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();

CREATE OR REPLACE TRIGGER no_change BEFORE UPDATE OR DELETE ON experiments_contractcheck
    FOR EACH ROW EXECUTE FUNCTION registry_append_only();
CREATE OR REPLACE TRIGGER no_truncate BEFORE TRUNCATE ON experiments_contractcheck
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();

CREATE OR REPLACE FUNCTION experiments_frozen_stays() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    PERFORM registry_refuse('a frozen data set version is never changed or deleted');
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER frozen_stays BEFORE UPDATE OR DELETE ON experiments_datasetversion
    FOR EACH ROW WHEN (OLD.frozen) EXECUTE FUNCTION experiments_frozen_stays();
CREATE OR REPLACE TRIGGER no_truncate BEFORE TRUNCATE ON experiments_datasetversion
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();
