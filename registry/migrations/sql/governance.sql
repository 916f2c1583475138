-- Segregation of duties and guarded aliases, repeated where no caller can walk around them.
-- Every refusal uses ERRCODE insufficient_privilege (42501), so that callers can tell it from a fault.

CREATE FUNCTION registry_refuse(reason text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION '%', reason USING ERRCODE = 'insufficient_privilege';
END $$;

-- Whoever asked for, made or helped to make the version.
CREATE FUNCTION registry_is_contributor(promotion bigint, person bigint) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public AS $$
    SELECT EXISTS (
        SELECT FROM registry_promotion p
        JOIN registry_modelversion v ON v.id = p.version_id
        JOIN registry_criteriaset c ON c.id = p.criteria_set_id
        WHERE p.id = promotion
          AND (person IN (p.requested_by_id, v.created_by_id, c.drafted_by_id)
               OR EXISTS (SELECT FROM registry_modelversion_contributors k
                          WHERE k.modelversion_id = v.id AND k.user_id = person)))
$$;

CREATE TRIGGER check_approver BEFORE INSERT ON registry_approval
    FOR EACH ROW EXECUTE FUNCTION registry_approval_check();
CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON registry_approval
    FOR EACH ROW EXECUTE FUNCTION registry_append_only();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON registry_approval
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();

-- Enough approvals, each bound to the artifact and criteria as they are now, all to the same binding.
CREATE FUNCTION registry_quorum_reached(promotion bigint) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public AS $$
    WITH asked AS (
        SELECT r.key AS role, r.value::int AS needed
        FROM registry_promotion p
        JOIN registry_registeredmodel m ON m.id = p.model_id
        JOIN registry_promotionpolicy y ON y.risk_tier = m.risk_tier,
        jsonb_each_text(y.required) r
        WHERE p.id = promotion
    ), given AS (
        SELECT a.binding_digest, a.role, count(DISTINCT a.approver_id) AS n
        FROM registry_approval a
        JOIN registry_promotion p ON p.id = a.promotion_id
        JOIN registry_modelversion v ON v.id = p.version_id
        JOIN registry_criteriaset c ON c.id = p.criteria_set_id
        WHERE p.id = promotion AND a.decision = 'approve'
          AND a.binding ->> 'artifact' = v.artifact_digest AND a.binding ->> 'criteria' = c.digest
        GROUP BY a.binding_digest, a.role
    )
    SELECT EXISTS (SELECT FROM asked) AND EXISTS (
        SELECT FROM (SELECT DISTINCT binding_digest FROM given) b
        WHERE NOT EXISTS (
            SELECT FROM asked LEFT JOIN given g ON g.role = asked.role AND g.binding_digest = b.binding_digest
            WHERE coalesce(g.n, 0) < asked.needed))
$$;

CREATE FUNCTION registry_promotion_check() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM registry_refuse('promotions are kept');
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'requested' THEN
            PERFORM registry_refuse('a promotion starts as requested');
        END IF;
        RETURN NEW;
    END IF;
    IF (OLD.model_id, OLD.version_id, OLD.alias, OLD.criteria_set_id, OLD.requested_by_id, OLD.requested_at)
       IS DISTINCT FROM
       (NEW.model_id, NEW.version_id, NEW.alias, NEW.criteria_set_id, NEW.requested_by_id, NEW.requested_at) THEN
        PERFORM registry_refuse('what a promotion asks for cannot be changed; withdraw it and ask again');
    END IF;
    IF OLD.state <> NEW.state THEN
        IF (OLD.state, NEW.state) NOT IN (
            ('requested', 'approved'), ('requested', 'rejected'), ('requested', 'withdrawn'),
            ('approved', 'withdrawn'), ('approved', 'rolling_out'), ('rolling_out', 'completed'),
            ('rolling_out', 'rolled_back'), ('completed', 'rolled_back')) THEN
            PERFORM registry_refuse('a promotion that is ' || OLD.state || ' cannot become ' || NEW.state);
        END IF;
        IF NEW.state = 'approved' AND NOT registry_quorum_reached(NEW.id) THEN
            PERFORM registry_refuse('promotion ' || NEW.id || ' lacks approvals that its policy asks for');
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_promotion BEFORE INSERT OR UPDATE OR DELETE ON registry_promotion
    FOR EACH ROW EXECUTE FUNCTION registry_promotion_check();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON registry_promotion
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();

CREATE FUNCTION registry_is_guarded(model bigint, alias text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public AS $$
    SELECT t.governed AND (alias = 'champion' OR t.guarded_aliases ? alias)
    FROM registry_registeredmodel m JOIN registry_team t ON t.id = m.team_id WHERE m.id = model
$$;

CREATE FUNCTION registry_alias_check() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND registry_is_guarded(OLD.model_id, OLD.name)
       AND (TG_OP = 'DELETE' OR (OLD.model_id, OLD.name) IS DISTINCT FROM (NEW.model_id, NEW.name)) THEN
        PERFORM registry_refuse('alias ' || OLD.name || ' is guarded: it is moved by a promotion or rollback, not removed');
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    PERFORM FROM registry_modelversion WHERE id = NEW.version_id AND model_id = NEW.model_id;
    IF NOT FOUND THEN
        PERFORM registry_refuse('an alias points at a version of its own model');
    END IF;
    IF registry_is_guarded(NEW.model_id, NEW.name)
       AND (TG_OP = 'INSERT' OR (OLD.version_id, OLD.promotion_id, OLD.rollback_id)
                                IS DISTINCT FROM (NEW.version_id, NEW.promotion_id, NEW.rollback_id)) THEN
        PERFORM FROM registry_promotion p
            WHERE p.id = NEW.promotion_id AND NEW.rollback_id IS NULL AND p.model_id = NEW.model_id
              AND p.version_id = NEW.version_id AND p.alias = NEW.name AND p.state = 'rolling_out'
              AND registry_quorum_reached(p.id);
        IF NOT FOUND THEN
            PERFORM FROM registry_rollback r
                WHERE r.id = NEW.rollback_id AND NEW.promotion_id IS NULL AND r.model_id = NEW.model_id
                  AND r.to_version_id = NEW.version_id AND r.alias = NEW.name AND TG_OP = 'UPDATE'
                  AND r.from_version_id = OLD.version_id
                  AND EXISTS (SELECT FROM registry_aliasmove h WHERE h.model_id = NEW.model_id
                              AND h.name = NEW.name AND h.version_id = NEW.version_id);
            IF NOT FOUND THEN
                PERFORM registry_refuse('alias ' || NEW.name
                                        || ' is guarded: it moves by an approved promotion or a rollback alone');
            END IF;
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_alias BEFORE INSERT OR UPDATE OR DELETE ON registry_alias
    FOR EACH ROW EXECUTE FUNCTION registry_alias_check();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON registry_alias
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();

-- History is written as the schema's owner: the application's role may read it, never write it.
CREATE FUNCTION registry_alias_history() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO public.registry_aliasmove (model_id, name, version_id, at)
        SELECT OLD.model_id, OLD.name, NULL, clock_timestamp()
        WHERE EXISTS (SELECT FROM public.registry_registeredmodel WHERE id = OLD.model_id);
    ELSIF TG_OP = 'INSERT' OR OLD.version_id <> NEW.version_id THEN
        INSERT INTO public.registry_aliasmove (model_id, name, version_id, promotion_id, rollback_id, set_by_id, at)
        VALUES (NEW.model_id, NEW.name, NEW.version_id, NEW.promotion_id, NEW.rollback_id, NEW.set_by_id,
                clock_timestamp());
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER write_history AFTER INSERT OR UPDATE OR DELETE ON registry_alias
    FOR EACH ROW EXECUTE FUNCTION registry_alias_history();

-- A version's identity, author and files never change; its state may be settled once.
CREATE FUNCTION registry_version_check() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    IF (OLD.model_id, OLD.number, OLD.source, OLD.run_id, OLD.created_by_id, OLD.created_at, OLD.data_digest)
       IS DISTINCT FROM
       (NEW.model_id, NEW.number, NEW.source, NEW.run_id, NEW.created_by_id, NEW.created_at, NEW.data_digest) THEN
        PERFORM registry_refuse('a version is immutable; register a new one');
    END IF;
    IF OLD.artifact_state <> 'unread'
       AND (OLD.artifact_digest, OLD.manifest, OLD.format, OLD.signature)
           IS DISTINCT FROM (NEW.artifact_digest, NEW.manifest, NEW.format, NEW.signature) THEN
        PERFORM registry_refuse('the files of a version are immutable; register a new one');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_version BEFORE UPDATE ON registry_modelversion
    FOR EACH ROW EXECUTE FUNCTION registry_version_check();

-- An agreed criteria set and its criteria are fixed.
CREATE FUNCTION registry_criterion_check() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
DECLARE row_set bigint := CASE TG_OP WHEN 'DELETE' THEN OLD.criteria_set_id ELSE NEW.criteria_set_id END;
BEGIN
    PERFORM FROM registry_criteriaset WHERE id = row_set AND state <> 'draft';
    IF FOUND THEN
        PERFORM registry_refuse('agreed criteria are fixed; draft a new set');
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER check_criterion BEFORE INSERT OR UPDATE OR DELETE ON registry_acceptancecriterion
    FOR EACH ROW EXECUTE FUNCTION registry_criterion_check();

CREATE TRIGGER check_criteriaset BEFORE UPDATE ON registry_criteriaset
    FOR EACH ROW EXECUTE FUNCTION registry_criteriaset_check();

-- Evidence is only ever added.
CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON registry_evidence
    FOR EACH ROW EXECUTE FUNCTION registry_append_only();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON registry_evidence
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();

INSERT INTO registry_promotionpolicy (risk_tier, required, rollback_review_hours)
VALUES (1, '{"approver": 2}', 24), (2, '{"approver": 1}', 48), (3, '{"approver": 1}', 72);
