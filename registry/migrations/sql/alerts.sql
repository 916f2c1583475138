-- An alert stays what it was raised about; what became of it is only added to; a silence has a reason, an end, and its second person.
CREATE OR REPLACE FUNCTION registry_alert_check() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    IF NEW.model_id IS NOT NULL THEN
        PERFORM FROM registry_registeredmodel WHERE id = NEW.model_id AND team_id = NEW.team_id;
        IF NOT FOUND THEN
            PERFORM registry_refuse('an alert about a model is of the model''s team');
        END IF;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        IF (OLD.team_id, OLD.model_id, OLD.kind, OLD.key, OLD.raised_at)
           IS DISTINCT FROM (NEW.team_id, NEW.model_id, NEW.kind, NEW.key, NEW.raised_at) THEN
            PERFORM registry_refuse('an alert stays what it was raised about');
        END IF;
        IF OLD.acknowledged_by_id IS NOT NULL AND NEW.acknowledged_by_id IS DISTINCT FROM OLD.acknowledged_by_id
           AND OLD.cleared_at IS NULL THEN
            PERFORM registry_refuse('who took an open alert on stays on record');
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER check_alert BEFORE INSERT OR UPDATE ON registry_alert
    FOR EACH ROW EXECUTE FUNCTION registry_alert_check();
CREATE OR REPLACE TRIGGER no_truncate BEFORE TRUNCATE ON registry_alert
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();

CREATE OR REPLACE TRIGGER no_change BEFORE UPDATE OR DELETE ON registry_alertevent
    FOR EACH ROW EXECUTE FUNCTION registry_append_only();
CREATE OR REPLACE TRIGGER no_truncate BEFORE TRUNCATE ON registry_alertevent
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();

CREATE OR REPLACE FUNCTION registry_silence_check() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM registry_refuse('a silence stays on record');
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NEW.confirmed_by_id IS NOT NULL OR NEW.ended_at IS NOT NULL THEN
            PERFORM registry_refuse('a silence begins unconfirmed');
        END IF;
        IF NEW.ends_at - NEW.starts_at > (CASE NEW.cron WHEN '' THEN interval '30 days' ELSE interval '366 days' END) THEN
            PERFORM registry_refuse('a silence ends after a month, a recurring one after a year');
        END IF;
        IF NEW.model_id IS NOT NULL THEN
            PERFORM FROM registry_registeredmodel WHERE id = NEW.model_id AND team_id = NEW.team_id;
            IF NOT FOUND THEN
                PERFORM registry_refuse('a silence is of the model''s team');
            END IF;
        END IF;
        RETURN NEW;
    END IF;
    IF (OLD.team_id, OLD.model_id, OLD.kind, OLD.severity, OLD.starts_at, OLD.ends_at, OLD.cron, OLD.time_zone, OLD.minutes,
        OLD.reason, OLD.created_by_id, OLD.created_at)
       IS DISTINCT FROM
       (NEW.team_id, NEW.model_id, NEW.kind, NEW.severity, NEW.starts_at, NEW.ends_at, NEW.cron, NEW.time_zone, NEW.minutes,
        NEW.reason, NEW.created_by_id, NEW.created_at) THEN
        PERFORM registry_refuse('a silence stays as it was made; end it and make another');
    END IF;
    IF OLD.ended_at IS NOT NULL AND (OLD.ended_at, OLD.confirmed_by_id) IS DISTINCT FROM (NEW.ended_at, NEW.confirmed_by_id)
       OR OLD.confirmed_by_id IS NOT NULL AND OLD.confirmed_by_id IS DISTINCT FROM NEW.confirmed_by_id THEN
        PERFORM registry_refuse('a silence is ended once and confirmed once');
    END IF;
    IF NEW.confirmed_by_id IS NOT NULL AND OLD.confirmed_by_id IS NULL THEN
        PERFORM FROM registry_membership
            WHERE team_id = NEW.team_id AND user_id = NEW.confirmed_by_id AND role IN ('engineer', 'approver', 'admin');
        IF NOT FOUND THEN
            PERFORM registry_refuse('a silence is confirmed by an engineer, approver or admin of its team');
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER check_silence BEFORE INSERT OR UPDATE OR DELETE ON registry_silence
    FOR EACH ROW EXECUTE FUNCTION registry_silence_check();
CREATE OR REPLACE TRIGGER no_truncate BEFORE TRUNCATE ON registry_silence
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();
