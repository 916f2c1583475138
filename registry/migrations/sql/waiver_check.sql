-- A waiver is asked for while its promotion waits for a decision; or, of what only a rollout can show, while it rolls out.
CREATE OR REPLACE FUNCTION registry_waiver_check() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
DECLARE asked registry_promotion;
BEGIN
    SELECT * INTO asked FROM registry_promotion WHERE id = NEW.promotion_id FOR NO KEY UPDATE;
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'asked' OR NEW.decided_by_id IS NOT NULL OR asked.state NOT IN ('requested', 'rolling_out') THEN
            PERFORM registry_refuse('a waiver is asked for while its promotion waits for a decision, or rolls out');
        END IF;
        PERFORM FROM registry_acceptancecriterion
            WHERE id = NEW.criterion_id AND criteria_set_id = asked.criteria_set_id
              AND (phase = 'before_approval') = (asked.state = 'requested');
        IF NOT FOUND AND (NEW.rule = 'criterion' OR asked.state <> 'requested') THEN
            PERFORM registry_refuse('a waiver is for a criterion that its promotion is judged by now');
        END IF;
        IF NOT registry_has_role(asked.model_id, NEW.asked_by_id, 'engineer', 'product') THEN
            PERFORM registry_refuse('an engineer or product member of the team asks for a waiver');
        END IF;
        RETURN NEW;
    END IF;
    IF (OLD.promotion_id, OLD.rule, OLD.criterion_id, OLD.reason, OLD.evidence_id, OLD.link, OLD.document,
        OLD.expires_at, OLD.asked_by_id, OLD.asked_at)
       IS DISTINCT FROM
       (NEW.promotion_id, NEW.rule, NEW.criterion_id, NEW.reason, NEW.evidence_id, NEW.link, NEW.document,
        NEW.expires_at, NEW.asked_by_id, NEW.asked_at)
       OR (OLD.state <> 'asked'
           AND (OLD.decided_by_id, OLD.decided_at, OLD.note) IS DISTINCT FROM (NEW.decided_by_id, NEW.decided_at, NEW.note))
       OR (OLD.state = NEW.state) THEN
        PERFORM registry_refuse('a waiver is never changed; it is decided and revoked');
    END IF;
    IF (OLD.state, NEW.state) NOT IN (
        ('asked', 'granted'), ('asked', 'declined'), ('asked', 'withdrawn'), ('granted', 'revoked')) THEN
        PERFORM registry_refuse('a waiver that is ' || OLD.state || ' cannot become ' || NEW.state);
    END IF;
    IF NEW.state = 'granted' THEN
        IF asked.state NOT IN ('requested', 'rolling_out') THEN
            PERFORM registry_refuse('promotion ' || asked.id || ' is not waiting for a decision');
        END IF;
        IF NEW.decided_by_id IS NULL OR NEW.decided_by_id = NEW.asked_by_id
           OR registry_is_contributor(asked.id, NEW.decided_by_id) THEN
            PERFORM registry_refuse('who asked, requested, made or contributed cannot grant a waiver');
        END IF;
    END IF;
    IF NEW.state IN ('granted', 'declined') AND NOT registry_has_role(asked.model_id, NEW.decided_by_id, 'approver') THEN
        PERFORM registry_refuse('only an approver of the team decides on a waiver');
    END IF;
    IF NEW.state = 'revoked' AND (NEW.revoked_by_id IS NULL
            OR NOT registry_has_role(asked.model_id, NEW.revoked_by_id, 'approver')) THEN
        PERFORM registry_refuse('only an approver of the team revokes a waiver');
    END IF;
    RETURN NEW;
END $$;
