-- A draft may be declined as well; what was agreed or declined is fixed.
CREATE OR REPLACE FUNCTION registry_criteriaset_check() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
BEGIN
    IF (OLD.model_id, OLD.number, OLD.drafted_by_id) IS DISTINCT FROM (NEW.model_id, NEW.number, NEW.drafted_by_id)
       OR (OLD.state <> 'draft'
           AND (OLD.digest, OLD.agreed_by_id, OLD.declined_by_id, OLD.declined_at, OLD.answer) IS DISTINCT FROM
               (NEW.digest, NEW.agreed_by_id, NEW.declined_by_id, NEW.declined_at, NEW.answer))
       OR (OLD.state, NEW.state) NOT IN (('draft', 'draft'), ('draft', 'agreed'), ('agreed', 'agreed'),
                                         ('agreed', 'superseded'), ('superseded', 'superseded'),
                                         ('draft', 'declined'), ('declined', 'declined')) THEN
        PERFORM registry_refuse('agreed criteria are fixed; draft a new set');
    END IF;
    IF OLD.state = 'draft' AND NEW.state = 'declined'
       AND NOT registry_has_role(NEW.model_id, NEW.declined_by_id, 'product', 'approver') THEN
        PERFORM registry_refuse('a product member or approver of the team declines criteria');
    END IF;
    RETURN NEW;
END $$;
