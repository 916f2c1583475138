-- What routes are made of tells that it changed, whoever changed it: by a row that others see when the change commits. The publisher
-- takes such rows away in the transaction that composes the model's route anew; of all models, where the row names none.
-- The argument is the column that names the model, or version_id, whose model it is.
CREATE OR REPLACE FUNCTION rollouts_routing_due() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
DECLARE
    changed record;
    named bigint;
BEGIN
    IF TG_OP = 'DELETE' THEN changed := OLD; ELSE changed := NEW; END IF;
    CASE TG_ARGV[0]
        WHEN 'id' THEN named := changed.id;
        WHEN 'model_id' THEN named := changed.model_id;
        WHEN 'version_id' THEN named := (SELECT v.model_id FROM registry_modelversion v WHERE v.id = changed.version_id);
        ELSE NULL;
    END CASE;
    INSERT INTO rollouts_routingdue (model_id) VALUES (named);
    RETURN NULL;
END $$;

CREATE TRIGGER routing_due AFTER INSERT OR UPDATE OR DELETE ON registry_team
FOR EACH ROW EXECUTE FUNCTION rollouts_routing_due('');
CREATE TRIGGER routing_due AFTER INSERT OR UPDATE OR DELETE ON registry_modelversion
FOR EACH ROW EXECUTE FUNCTION rollouts_routing_due('model_id');
CREATE TRIGGER routing_due AFTER INSERT OR UPDATE OR DELETE ON registry_versionreading
FOR EACH ROW EXECUTE FUNCTION rollouts_routing_due('version_id');
-- Its moves, which tell the former champion, are written by its own trigger and never changed.
CREATE TRIGGER routing_due AFTER INSERT OR UPDATE OR DELETE ON registry_alias
FOR EACH ROW EXECUTE FUNCTION rollouts_routing_due('model_id');
CREATE TRIGGER routing_due AFTER INSERT OR UPDATE OR DELETE ON registry_promotion
FOR EACH ROW EXECUTE FUNCTION rollouts_routing_due('model_id');
CREATE TRIGGER routing_due AFTER INSERT OR UPDATE OR DELETE ON monitoring_logpolicy
FOR EACH ROW EXECUTE FUNCTION rollouts_routing_due('model_id');

-- Of a model, whose row each new version writes, and of a rollout, which is looked at each second, routes hold these columns alone.
CREATE TRIGGER routing_due
AFTER INSERT OR DELETE OR UPDATE OF name, task, team_id, archived_at, retired_at ON registry_registeredmodel
FOR EACH ROW EXECUTE FUNCTION rollouts_routing_due('id');
CREATE TRIGGER routing_due
AFTER INSERT OR DELETE OR UPDATE OF state, champion_id, candidate_id, document, salt, weight_bp, shadow_bp ON rollouts_rollout
FOR EACH ROW EXECUTE FUNCTION rollouts_routing_due('model_id');

-- Of evidence, which is written in bulk and never changed, routes hold signatures alone.
CREATE TRIGGER routing_due AFTER INSERT ON registry_evidence
FOR EACH ROW WHEN (NEW.kind = 'signature') EXECUTE FUNCTION rollouts_routing_due('version_id');
