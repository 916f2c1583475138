-- What routes are made of tells that it changed, whoever changed it: by a row that others see when the change commits. The publisher
-- takes such rows away in the transaction that composes the model's route anew; of all models, where the row names none.
-- The argument is the column that names the model, or version_id, whose model it is.
CREATE OR REPLACE FUNCTION rollouts_routing_due() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
DECLARE
    changed jsonb := to_jsonb(CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END);
    named bigint := (changed ->> TG_ARGV[0])::bigint;
BEGIN
    IF TG_ARGV[0] = 'version_id' THEN
        named := (SELECT v.model_id FROM registry_modelversion v WHERE v.id = named);
    END IF;
    INSERT INTO rollouts_routingdue (model_id) VALUES (named);
    RETURN NULL;
END $$;

CREATE TRIGGER routing_due AFTER INSERT OR UPDATE OR DELETE ON registry_team
FOR EACH ROW EXECUTE FUNCTION rollouts_routing_due('');
CREATE TRIGGER routing_due AFTER INSERT OR UPDATE OR DELETE ON registry_registeredmodel
FOR EACH ROW EXECUTE FUNCTION rollouts_routing_due('id');
CREATE TRIGGER routing_due AFTER INSERT OR UPDATE OR DELETE ON registry_modelversion
FOR EACH ROW EXECUTE FUNCTION rollouts_routing_due('model_id');
CREATE TRIGGER routing_due AFTER INSERT OR UPDATE OR DELETE ON registry_versionreading
FOR EACH ROW EXECUTE FUNCTION rollouts_routing_due('version_id');
CREATE TRIGGER routing_due AFTER INSERT OR UPDATE OR DELETE ON registry_alias
FOR EACH ROW EXECUTE FUNCTION rollouts_routing_due('model_id');
CREATE TRIGGER routing_due AFTER INSERT OR UPDATE OR DELETE ON registry_aliasmove
FOR EACH ROW EXECUTE FUNCTION rollouts_routing_due('model_id');
CREATE TRIGGER routing_due AFTER INSERT OR UPDATE OR DELETE ON registry_promotion
FOR EACH ROW EXECUTE FUNCTION rollouts_routing_due('model_id');
CREATE TRIGGER routing_due AFTER INSERT OR UPDATE OR DELETE ON monitoring_logpolicy
FOR EACH ROW EXECUTE FUNCTION rollouts_routing_due('model_id');

-- Of a rollout, which is looked at each second, routes hold these columns alone.
CREATE TRIGGER routing_due
AFTER INSERT OR DELETE OR UPDATE OF state, champion_id, candidate_id, document, salt, weight_bp, shadow_bp ON rollouts_rollout
FOR EACH ROW EXECUTE FUNCTION rollouts_routing_due('model_id');

-- Of evidence, which is written in bulk and never changed, routes hold signatures alone.
CREATE TRIGGER routing_due AFTER INSERT ON registry_evidence
FOR EACH ROW WHEN (NEW.kind = 'signature') EXECUTE FUNCTION rollouts_routing_due('version_id');
