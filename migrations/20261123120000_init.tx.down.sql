drop table events, deployments, jobs, version_tool_calls, version_stages, messages, app_version_files cascade;
alter table apps drop constraint apps_head_version_id_fkey;
drop table app_versions, blobs, apps, sign_in_failures, kept_prompts, api_tokens, sessions, memberships, teams, users cascade;
