drop index app_versions_app_id_created_at_idx;
drop table build_days;
drop table ai_usage_days;
alter table teams drop column time_zone;
alter table model_requests drop column saved_micros;
