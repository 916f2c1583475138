-- Answers of product people: by whom, on what, and never changed.
CREATE OR REPLACE FUNCTION registry_review_check() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
BEGIN
    PERFORM FROM registry_promotion WHERE id = NEW.promotion_id AND state = 'requested';
    IF NOT FOUND THEN
        PERFORM registry_refuse('promotion ' || NEW.promotion_id || ' is not waiting for a decision');
    END IF;
    -- Who drafted the criteria may say whether they are met; who made or asked for the version may not.
    PERFORM FROM registry_promotion p
        JOIN registry_modelversion v ON v.id = p.version_id
        WHERE p.id = NEW.promotion_id
          AND (NEW.reviewer_id IN (p.requested_by_id, v.created_by_id)
               OR EXISTS (SELECT FROM registry_modelversion_contributors k
                          WHERE k.modelversion_id = v.id AND k.user_id = NEW.reviewer_id));
    IF FOUND THEN
        PERFORM registry_refuse('who requested, made or contributed to a version does not review it');
    END IF;
    PERFORM FROM registry_promotion p
        JOIN registry_registeredmodel m ON m.id = p.model_id
        JOIN registry_membership s ON s.team_id = m.team_id
        WHERE p.id = NEW.promotion_id AND s.user_id = NEW.reviewer_id AND s.role = NEW.role
          AND s.role IN ('approver', 'product');
    IF NOT FOUND THEN
        PERFORM registry_refuse('only a member with the role product or approver reviews');
    END IF;
    IF NEW.criterion_id IS NOT NULL THEN
        PERFORM FROM registry_promotion p
            JOIN registry_acceptancecriterion c ON c.criteria_set_id = p.criteria_set_id
            WHERE p.id = NEW.promotion_id AND c.id = NEW.criterion_id;
        IF NOT FOUND THEN
            PERFORM registry_refuse('a review is about a criterion of its own promotion');
        END IF;
    END IF;
    PERFORM FROM jsonb_array_elements_text(NEW.evidence) shown
        WHERE NOT EXISTS (SELECT FROM registry_promotion p JOIN registry_evidence e ON e.version_id = p.version_id
                          WHERE p.id = NEW.promotion_id AND e.id = shown.value::bigint);
    IF FOUND THEN
        PERFORM registry_refuse('a review is bound to evidence of its own version');
    END IF;
    RETURN NEW;
END $$;
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
