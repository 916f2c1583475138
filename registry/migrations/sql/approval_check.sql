-- A member who may decide, and who had no part in the version. The promotion is locked, so that nothing ends it meanwhile; rows that only refer to it need not wait.
CREATE OR REPLACE FUNCTION registry_approval_check() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
BEGIN
    PERFORM FROM registry_promotion WHERE id = NEW.promotion_id AND state = 'requested' FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM registry_refuse('promotion ' || NEW.promotion_id || ' is not waiting for a decision');
    END IF;
    IF NEW.decision = 'approve' AND registry_is_contributor(NEW.promotion_id, NEW.approver_id) THEN
        PERFORM registry_refuse('who requested, made or contributed to a version cannot approve it');
    END IF;
    PERFORM FROM registry_promotion p
        JOIN registry_registeredmodel m ON m.id = p.model_id
        JOIN registry_membership s ON s.team_id = m.team_id
        WHERE p.id = NEW.promotion_id AND s.user_id = NEW.approver_id AND s.role = NEW.role
          AND s.role IN ('approver', 'product');
    IF NOT FOUND THEN
        PERFORM registry_refuse('only a member with the role approver or product decides');
    END IF;
    RETURN NEW;
END $$;
