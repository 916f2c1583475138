-- What the application's role may do; run after every migration, safe to repeat. %(app)s is that role, quoted.
GRANT USAGE ON SCHEMA public TO %(app)s;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO %(app)s;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO %(app)s;
REVOKE INSERT, UPDATE, DELETE ON django_migrations, registry_audithead, registry_aliasmove FROM %(app)s;
REVOKE UPDATE, DELETE ON registry_auditevent, registry_approval, registry_evidence, registry_criterionreview FROM %(app)s;
REVOKE UPDATE, DELETE ON monitoring_retrainingpolicy FROM %(app)s;
REVOKE DELETE ON monitoring_retraining FROM %(app)s;
REVOKE UPDATE, DELETE ON registry_alertevent FROM %(app)s;
REVOKE DELETE ON registry_silence, registry_standingapproval FROM %(app)s;
REVOKE UPDATE, DELETE ON monitoring_logpolicy, registry_promotionpolicy, registry_revalidation, registry_comment,
    registry_modelversion_contributors FROM %(app)s;
REVOKE UPDATE, DELETE ON experiments_datacontract, experiments_contractcheck FROM %(app)s;
REVOKE DELETE ON registry_promotion, registry_rollback, registry_waiver, registry_retirement, registry_alert FROM %(app)s;
REVOKE UPDATE, DELETE ON rollouts_rolloutplan, rollouts_rolloutact FROM %(app)s;
REVOKE DELETE ON rollouts_rollout, rollouts_rolloutverdict FROM %(app)s;
-- Runs, metrics and traces are MLflow's own: it keeps and migrates its tables itself, in a schema of their own.
CREATE SCHEMA IF NOT EXISTS mlflow;
GRANT USAGE, CREATE ON SCHEMA mlflow TO %(app)s;
