-- Re-validation by an approver who had no part in the champion.
CREATE OR REPLACE FUNCTION registry_revalidation_check() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    IF NOT registry_has_role(NEW.model_id, NEW.done_by_id, 'approver') THEN
        PERFORM registry_refuse('only an approver of the team re-validates');
    END IF;
    PERFORM FROM registry_alias a
        WHERE a.model_id = NEW.model_id AND a.name = 'champion' AND registry_made_version(a.version_id, NEW.done_by_id);
    IF FOUND THEN
        PERFORM registry_refuse('who made or contributed to the champion cannot re-validate it');
    END IF;
    IF NEW.next_due > registry_latest_date(NEW.model_id) THEN
        PERFORM registry_refuse('the next re-validation is due within what the policy allows');
    END IF;
    RETURN NEW;
END $$;
