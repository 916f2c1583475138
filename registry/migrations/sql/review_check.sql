-- Product members and approvers review what they had no part in, on evidence of the version.
CREATE OR REPLACE FUNCTION registry_review_check() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
BEGIN
    PERFORM FROM registry_promotion WHERE id = NEW.promotion_id AND state = 'requested';
    IF NOT FOUND THEN
        PERFORM registry_refuse('promotion ' || NEW.promotion_id || ' is not waiting for a decision');
    END IF;
    IF registry_made_or_requested(NEW.promotion_id, NEW.reviewer_id) THEN
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
