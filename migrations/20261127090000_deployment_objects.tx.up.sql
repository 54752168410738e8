-- What of a deployment lies in a bucket, by key, so that what no deployment needs any more can be removed. Null where
-- nobody wrote it down.
alter table deployments add column bucket_keys text[];
