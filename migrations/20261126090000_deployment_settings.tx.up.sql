-- Which secrets and which access rule a deployment carries: a keyed hash, to see whether they have changed since. Empty
-- where nothing travels with a deployment.
alter table deployments add column settings_hash text not null default '';
