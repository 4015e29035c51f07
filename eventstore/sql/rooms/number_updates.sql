-- Release 0.1.0 noted the updates of a room's schema by their resource's name alone; from then on they are numbered, as the store's are.
ALTER TABLE {schema}.schema_updates RENAME COLUMN applied_at TO applied;
ALTER TABLE {schema}.schema_updates DROP CONSTRAINT schema_updates_pkey;
ALTER TABLE {schema}.schema_updates ADD COLUMN number int;
ALTER TABLE {schema}.schema_updates ALTER COLUMN name TYPE varchar;
UPDATE {schema}.schema_updates SET name = regexp_replace(name, '^.*\.(\d+_\w+)\.sql$', '\1');
UPDATE {schema}.schema_updates SET number = substring(name FROM '^\d+')::int;
ALTER TABLE {schema}.schema_updates ADD CONSTRAINT pkey_schema_updates_number PRIMARY KEY (number);
