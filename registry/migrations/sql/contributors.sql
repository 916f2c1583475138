-- One answer to "who made this?", asked by approvals, waivers, reviews and re-validations alike.

CREATE OR REPLACE FUNCTION registry_made_version(version bigint, person bigint) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public AS $$
    SELECT EXISTS (SELECT FROM registry_modelversion v WHERE v.id = version AND v.created_by_id = person)
        OR EXISTS (SELECT FROM registry_modelversion_contributors k
                   WHERE k.modelversion_id = version AND k.user_id = person)
$$;

-- Who requested a promotion, or made its version. Who drafted the criteria may say whether they are met.
CREATE OR REPLACE FUNCTION registry_made_or_requested(promotion bigint, person bigint) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public AS $$
    SELECT EXISTS (SELECT FROM registry_promotion p
                   WHERE p.id = promotion
                     AND (p.requested_by_id = person OR registry_made_version(p.version_id, person)))
$$;

-- Who had any part, drafting the criteria too: nobody of these approves it or grants its waivers.
CREATE OR REPLACE FUNCTION registry_is_contributor(promotion bigint, person bigint) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public AS $$
    SELECT registry_made_or_requested(promotion, person)
        OR EXISTS (SELECT FROM registry_promotion p JOIN registry_criteriaset c ON c.id = p.criteria_set_id
                   WHERE p.id = promotion AND c.drafted_by_id = person)
$$;

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
