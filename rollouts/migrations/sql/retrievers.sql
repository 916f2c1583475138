-- Whether the policies in force ask for a rollout of whatever replaces the model's champion: registry.selectors.wants_rollout
-- says the same, and beside it where a plan does.
CREATE OR REPLACE FUNCTION rollouts_needed(model bigint) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, public AS $$
    SELECT coalesce((SELECT bool_or(y.rollout_required) FROM registry_policies_in_force(model) y), false) AND EXISTS (
        SELECT FROM registry_alias a JOIN registry_modelversion v ON v.id = a.version_id
        WHERE a.model_id = model AND a.name = 'champion' AND v.artifact_state = 'verified' AND v.refusal = ''
          AND v.format IN ('lightgbm', 'xgboost', 'skops', 'onnx', 'safetensors', 'retriever')
          AND v.archived_at IS NULL AND v.retired_at IS NULL
          AND jsonb_typeof(v.signature -> 'inputs') = 'array' AND jsonb_array_length(v.signature -> 'inputs') > 0)
$$;
