drop table audit_entries, app_domains, app_access, app_env_vars, deploy_targets;
alter table app_versions drop column screenshot_narrow_hash, drop column snapshot, drop column changes;
drop index jobs_deployment_id_idx;
delete from jobs where deployment_id is not null;
alter table jobs drop column deployment_id;
drop index deployments_app_id_idx;
alter table deployments drop column kind, drop column target, drop column placed_id, drop column candidate_url, drop column user_id,
  drop column worker_bytes, drop column sent_bytes, drop column stage, drop column findings, drop column changes, drop column snapshot, drop column log,
  drop column screenshot_hash, drop column screenshot_narrow_hash, drop column started_at, drop column promoted_at;
