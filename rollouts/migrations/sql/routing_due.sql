-- What routes are made of tells that it changed, whoever changed it: by a row that others see when the change commits. The publisher
-- takes such rows away in the transaction that composes the routes anew.
CREATE OR REPLACE FUNCTION rollouts_routing_due() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    INSERT INTO rollouts_routingdue (changed) VALUES (TG_TABLE_NAME);
    RETURN NULL;
END $$;

DO $$
DECLARE source text;
BEGIN
    FOREACH source IN ARRAY ARRAY[
        'registry_team', 'registry_registeredmodel', 'registry_modelversion', 'registry_versionreading', 'registry_alias',
        'registry_aliasmove', 'registry_promotion', 'monitoring_logpolicy'
    ] LOOP
        EXECUTE format(
            'CREATE TRIGGER routing_due AFTER INSERT OR UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION rollouts_routing_due()', source
        );
    END LOOP;
END $$;

-- Of a rollout, which is looked at each second, routes hold these columns alone.
CREATE TRIGGER routing_due
AFTER INSERT OR DELETE OR UPDATE OF state, champion_id, candidate_id, document, salt, weight_bp, shadow_bp ON rollouts_rollout
FOR EACH ROW EXECUTE FUNCTION rollouts_routing_due();

-- Of evidence, which is written in bulk and never changed, routes hold signatures alone.
CREATE TRIGGER routing_due AFTER INSERT ON registry_evidence
FOR EACH ROW WHEN (NEW.kind = 'signature') EXECUTE FUNCTION rollouts_routing_due();
