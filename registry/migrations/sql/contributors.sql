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
