alter table deployments drop column settings_hash;
