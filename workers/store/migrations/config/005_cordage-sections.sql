-- Cordage's own section, which exists from the start as Corda's do.
INSERT INTO config (section, config, schema_version_major, schema_version_minor, version, is_deleted, update_ts, update_actor)
VALUES ('cordage.packaging', '', 1, 0, 0, false, CURRENT_TIMESTAMP AT TIME ZONE 'UTC', 'admin');
