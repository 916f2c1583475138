-- The audit trail: append-only and hash-chained under one locked head row.
-- A trigger that read "the last row" instead would fork when two writers insert at once.

CREATE TABLE registry_audithead (
    id int PRIMARY KEY CHECK (id = 1),
    seq bigint NOT NULL,
    hash bytea NOT NULL
);
INSERT INTO registry_audithead VALUES (1, 0, '\x00');

CREATE FUNCTION registry_audit_hash(
    prev bytea, seq bigint, at timestamptz, actor text, actor_id bigint, via text, team text, action text,
    subject text, payload jsonb
) RETURNS bytea LANGUAGE sql STABLE SET search_path = pg_catalog, public AS $$
    SELECT sha256(prev || convert_to(jsonb_build_array(
        seq, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), actor, actor_id, via, team, action,
        subject, payload)::text, 'UTF8'))
$$;

CREATE FUNCTION registry_audit_chain() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
DECLARE head public.registry_audithead;
BEGIN
    SELECT * INTO head FROM public.registry_audithead WHERE id = 1 FOR UPDATE;
    NEW.seq := head.seq + 1;
    NEW.at := clock_timestamp();
    NEW.prev_hash := head.hash;
    NEW.hash := public.registry_audit_hash(head.hash, NEW.seq, NEW.at, NEW.actor, NEW.actor_id, NEW.via, NEW.team,
                                           NEW.action, NEW.subject, NEW.payload);
    UPDATE public.registry_audithead SET seq = NEW.seq, hash = NEW.hash WHERE id = 1;
    RETURN NEW;
END $$;
CREATE TRIGGER chain BEFORE INSERT ON registry_auditevent FOR EACH ROW EXECUTE FUNCTION registry_audit_chain();

CREATE FUNCTION registry_append_only() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON registry_auditevent
    FOR EACH ROW EXECUTE FUNCTION registry_append_only();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON registry_auditevent
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();
