-- Answers of product people: by whom, on what, and never changed.
CREATE TRIGGER check_reviewer BEFORE INSERT ON registry_criterionreview
    FOR EACH ROW EXECUTE FUNCTION registry_review_check();
CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON registry_criterionreview
    FOR EACH ROW EXECUTE FUNCTION registry_append_only();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON registry_criterionreview
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();

-- The words of an agreed criteria set are fixed like its rules.
CREATE OR REPLACE FUNCTION registry_criteria_words_check() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
BEGIN
    IF OLD.state <> 'draft' AND (OLD.cases, OLD.events, OLD.note) IS DISTINCT FROM (NEW.cases, NEW.events, NEW.note) THEN
        PERFORM registry_refuse('agreed criteria are fixed; draft a new set');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_words BEFORE UPDATE ON registry_criteriaset
    FOR EACH ROW EXECUTE FUNCTION registry_criteria_words_check();
