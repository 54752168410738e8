alter table deployments drop column bucket_keys;
