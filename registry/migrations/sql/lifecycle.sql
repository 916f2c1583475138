-- Policies, waivers, retirement and re-validation, and what else could be turned round an approval.
-- As in governance.sql every refusal is insufficient_privilege. What only follows from a decision (a model's next
-- re-validation, the stamp of a retirement) is written by triggers that run as the schema's owner.

CREATE FUNCTION registry_as_owner(relation oid) RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT pg_get_userbyid(relowner) = current_user FROM pg_class WHERE oid = relation
$$;

CREATE FUNCTION registry_has_role(model bigint, person bigint, VARIADIC roles text[]) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public AS $$
    SELECT EXISTS (SELECT FROM registry_registeredmodel m JOIN registry_membership s ON s.team_id = m.team_id
                   WHERE m.id = model AND s.user_id = person AND s.role = ANY (roles))
$$;

-- The policies that hold together: the installation's latest, and the team's.
CREATE FUNCTION registry_policies_in_force(model bigint) RETURNS SETOF registry_promotionpolicy
LANGUAGE sql STABLE SET search_path = pg_catalog, public AS $$
    SELECT DISTINCT ON (y.team_id) y.*
    FROM registry_registeredmodel m
    JOIN registry_promotionpolicy y ON y.risk_tier = m.risk_tier AND (y.team_id IS NULL OR y.team_id = m.team_id)
    WHERE m.id = model
    ORDER BY y.team_id, y.number DESC
$$;

CREATE FUNCTION registry_policy_check() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
DECLARE latest int;
BEGIN
    IF NEW.team_id IS NULL AND NOT registry_as_owner(TG_RELID) THEN
        PERFORM registry_refuse('the policy of the installation is set by the owner of the schema alone');
    END IF;
    SELECT coalesce(max(number), 0) INTO latest FROM registry_promotionpolicy
        WHERE team_id IS NOT DISTINCT FROM NEW.team_id AND risk_tier = NEW.risk_tier;
    IF NEW.number <> latest + 1 THEN
        PERFORM registry_refuse('a policy is changed by adding its next number, ' || latest + 1);
    END IF;
    PERFORM FROM jsonb_each_text(NEW.required) r
        WHERE r.key NOT IN ('approver', 'product') OR r.value::int < 0;
    IF FOUND OR coalesce((NEW.required ->> 'approver')::int, 0) < 1 THEN
        PERFORM registry_refuse('a policy asks for approvals by approver or product, and for one approver at least');
    END IF;
    IF NEW.team_id IS NOT NULL THEN
        PERFORM FROM registry_membership
            WHERE team_id = NEW.team_id AND user_id = NEW.changed_by_id AND role = 'admin';
        IF NOT FOUND THEN
            PERFORM registry_refuse('only an admin of the team changes its policy');
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_policy BEFORE INSERT ON registry_promotionpolicy
    FOR EACH ROW EXECUTE FUNCTION registry_policy_check();
CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON registry_promotionpolicy
    FOR EACH ROW EXECUTE FUNCTION registry_append_only();

-- Enough approvals under the stricter of both policies, each bound to the artifact and criteria as they are now and to
-- waivers that still hold, all to the same binding.
CREATE OR REPLACE FUNCTION registry_quorum_reached(promotion bigint) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public AS $$
    WITH asked AS (
        SELECT r.key AS role, max(r.value::int) AS needed
        FROM registry_promotion p, registry_policies_in_force(p.model_id) y, jsonb_each_text(y.required) r
        WHERE p.id = promotion
        GROUP BY r.key
    ), given AS (
        SELECT a.binding_digest, a.role, count(DISTINCT a.approver_id) AS n
        FROM registry_approval a
        JOIN registry_promotion p ON p.id = a.promotion_id
        JOIN registry_modelversion v ON v.id = p.version_id
        JOIN registry_criteriaset c ON c.id = p.criteria_set_id
        WHERE p.id = promotion AND a.decision = 'approve'
          AND a.binding ->> 'artifact' = v.artifact_digest AND a.binding ->> 'criteria' = c.digest
          AND NOT EXISTS (
              SELECT FROM jsonb_array_elements_text(coalesce(a.binding -> 'waivers', '[]')) named
              LEFT JOIN registry_waiver w ON w.id = named::bigint AND w.promotion_id = p.id
                    AND w.state = 'granted' AND w.expires_at > now()
              WHERE w.id IS NULL)
        GROUP BY a.binding_digest, a.role
    )
    SELECT EXISTS (SELECT FROM asked) AND EXISTS (
        SELECT FROM (SELECT DISTINCT binding_digest FROM given) b
        WHERE NOT EXISTS (
            SELECT FROM asked LEFT JOIN given g ON g.role = asked.role AND g.binding_digest = b.binding_digest
            WHERE coalesce(g.n, 0) < asked.needed))
$$;

CREATE TRIGGER check_waiver BEFORE INSERT OR UPDATE ON registry_waiver
    FOR EACH ROW EXECUTE FUNCTION registry_waiver_check();
CREATE TRIGGER no_change BEFORE DELETE ON registry_waiver
    FOR EACH ROW EXECUTE FUNCTION registry_append_only();

-- A rollback says once and for all what was done; a review is added once, by another approver.
CREATE FUNCTION registry_rollback_check() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.reviewed_by_id IS NOT NULL THEN
            PERFORM registry_refuse('a rollback is reviewed afterwards');
        END IF;
        IF NOT registry_has_role(NEW.model_id, NEW.requested_by_id, 'engineer', 'approver') THEN
            PERFORM registry_refuse('an engineer or approver of the team rolls back');
        END IF;
        RETURN NEW;
    END IF;
    IF (OLD.model_id, OLD.alias, OLD.from_version_id, OLD.to_version_id, OLD.reason, OLD.requested_by_id,
        OLD.requested_at, OLD.review_due_at)
       IS DISTINCT FROM
       (NEW.model_id, NEW.alias, NEW.from_version_id, NEW.to_version_id, NEW.reason, NEW.requested_by_id,
        NEW.requested_at, NEW.review_due_at)
       OR OLD.reviewed_by_id IS NOT NULL THEN
        PERFORM registry_refuse('a rollback is never changed; it is reviewed once');
    END IF;
    IF NEW.reviewed_by_id = NEW.requested_by_id OR NOT registry_has_role(NEW.model_id, NEW.reviewed_by_id, 'approver') THEN
        PERFORM registry_refuse('another approver of the team reviews a rollback');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_rollback BEFORE INSERT OR UPDATE ON registry_rollback
    FOR EACH ROW EXECUTE FUNCTION registry_rollback_check();

-- Retirement: asked by one, approved by another, and then stamped here alone.
CREATE FUNCTION registry_retirement_check() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'requested' OR NEW.decided_by_id IS NOT NULL THEN
            PERFORM registry_refuse('a retirement starts as requested');
        END IF;
        IF NOT registry_has_role(NEW.model_id, NEW.requested_by_id, 'engineer', 'admin') THEN
            PERFORM registry_refuse('an engineer or admin of the team asks for a retirement');
        END IF;
        PERFORM FROM registry_modelversion WHERE id = NEW.version_id AND model_id <> NEW.model_id;
        IF FOUND THEN
            PERFORM registry_refuse('a retirement names a version of its own model');
        END IF;
        RETURN NEW;
    END IF;
    IF (OLD.model_id, OLD.version_id, OLD.reason, OLD.requested_by_id, OLD.requested_at)
       IS DISTINCT FROM (NEW.model_id, NEW.version_id, NEW.reason, NEW.requested_by_id, NEW.requested_at)
       OR OLD.state <> 'requested' OR NEW.state NOT IN ('approved', 'rejected', 'withdrawn') THEN
        PERFORM registry_refuse('a retirement is decided once and never changed');
    END IF;
    IF NEW.state IN ('approved', 'rejected')
       AND (NEW.decided_by_id IS NULL OR NEW.decided_by_id = NEW.requested_by_id
            OR NOT registry_has_role(NEW.model_id, NEW.decided_by_id, 'approver')) THEN
        PERFORM registry_refuse('another person with the role approver decides on a retirement');
    END IF;
    IF NEW.state = 'approved' THEN
        PERFORM FROM registry_alias WHERE version_id = NEW.version_id AND name = 'champion';
        IF FOUND THEN
            PERFORM registry_refuse('a champion is not retired; promote another version, or retire the whole model');
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_retirement BEFORE INSERT OR UPDATE ON registry_retirement
    FOR EACH ROW EXECUTE FUNCTION registry_retirement_check();
CREATE TRIGGER no_change BEFORE DELETE ON registry_retirement
    FOR EACH ROW EXECUTE FUNCTION registry_append_only();

CREATE FUNCTION registry_retire() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
BEGIN
    IF NEW.version_id IS NULL THEN
        UPDATE public.registry_registeredmodel SET retired_at = clock_timestamp() WHERE id = NEW.model_id;
    ELSE
        UPDATE public.registry_modelversion SET retired_at = clock_timestamp() WHERE id = NEW.version_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER retire AFTER UPDATE ON registry_retirement
    FOR EACH ROW WHEN (NEW.state = 'approved') EXECUTE FUNCTION registry_retire();

CREATE FUNCTION registry_retired_check() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    IF OLD.retired_at IS DISTINCT FROM NEW.retired_at AND NOT registry_as_owner(TG_RELID) THEN
        PERFORM registry_refuse('retirement is stamped by its approval alone');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_retired BEFORE UPDATE ON registry_modelversion
    FOR EACH ROW EXECUTE FUNCTION registry_retired_check();
CREATE TRIGGER check_retired BEFORE UPDATE ON registry_registeredmodel
    FOR EACH ROW EXECUTE FUNCTION registry_retired_check();

-- What is retired takes no guarded alias and is not asked for again.
CREATE FUNCTION registry_not_retired() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    IF TG_TABLE_NAME = 'registry_alias' THEN
        IF NOT registry_is_guarded(NEW.model_id, NEW.name) OR (TG_OP = 'UPDATE' AND OLD.version_id = NEW.version_id) THEN
            RETURN NEW;
        END IF;
    END IF;
    PERFORM FROM registry_modelversion v JOIN registry_registeredmodel m ON m.id = v.model_id
        WHERE v.id = NEW.version_id AND (v.retired_at IS NOT NULL OR m.retired_at IS NOT NULL);
    IF FOUND THEN
        PERFORM registry_refuse('a retired version never serves again');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_not_retired BEFORE INSERT OR UPDATE ON registry_alias
    FOR EACH ROW EXECUTE FUNCTION registry_not_retired();
CREATE TRIGGER check_not_retired BEFORE INSERT ON registry_promotion
    FOR EACH ROW EXECUTE FUNCTION registry_not_retired();

-- Re-validation by an approver who had no part in the champion; the model's date follows from it.
CREATE FUNCTION registry_latest_date(model bigint) RETURNS date
LANGUAGE sql STABLE SET search_path = pg_catalog, public AS $$
    SELECT current_date + min(revalidation_days)::int FROM registry_policies_in_force(model)
$$;

CREATE TRIGGER check_revalidation BEFORE INSERT ON registry_revalidation
    FOR EACH ROW EXECUTE FUNCTION registry_revalidation_check();
CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON registry_revalidation
    FOR EACH ROW EXECUTE FUNCTION registry_append_only();

CREATE FUNCTION registry_revalidated() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public AS $$
BEGIN
    UPDATE public.registry_registeredmodel SET revalidate_by = NEW.next_due, revalidate_why = '' WHERE id = NEW.model_id;
    RETURN NULL;
END $$;
CREATE TRIGGER revalidate AFTER INSERT ON registry_revalidation
    FOR EACH ROW EXECUTE FUNCTION registry_revalidated();

-- A governed team stays governed; which aliases it guards beside champion is for its admins to say.
CREATE FUNCTION registry_team_check() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    IF OLD.governed AND NOT NEW.governed AND NOT registry_as_owner(TG_RELID) THEN
        PERFORM registry_refuse('a governed team stays governed; the owner of the schema alone changes that');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_team BEFORE UPDATE ON registry_team FOR EACH ROW EXECUTE FUNCTION registry_team_check();

-- Criteria start as a draft and are agreed by a member who may.
CREATE FUNCTION registry_agreement_check() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    IF TG_OP = 'INSERT' AND NEW.state <> 'draft' THEN
        PERFORM registry_refuse('criteria start as a draft');
    END IF;
    IF NEW.state = 'agreed' AND NOT registry_has_role(NEW.model_id, NEW.agreed_by_id, 'product', 'approver') THEN
        PERFORM registry_refuse('a product member or approver of the team agrees on criteria');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER check_agreement BEFORE INSERT OR UPDATE OF state, agreed_by_id ON registry_criteriaset
    FOR EACH ROW EXECUTE FUNCTION registry_agreement_check();

-- Who helped to make a version is only ever added to; a comment stays as it was written.
CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON registry_modelversion_contributors
    FOR EACH ROW EXECUTE FUNCTION registry_append_only();
CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON registry_comment
    FOR EACH ROW EXECUTE FUNCTION registry_append_only();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON registry_promotionpolicy
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON registry_waiver
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON registry_rollback
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON registry_retirement
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON registry_revalidation
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON registry_modelversion_contributors
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON registry_comment
    FOR EACH STATEMENT EXECUTE FUNCTION registry_append_only();
