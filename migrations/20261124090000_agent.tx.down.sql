drop table app_file_locks;
alter table apps drop column model;
alter table teams drop column default_model;
drop table model_tests, model_connections;
alter table app_versions drop column ai_cost_micros, drop column ai_absorbed_micros, drop column ai_unpriced;
drop table model_requests, turn_messages;
