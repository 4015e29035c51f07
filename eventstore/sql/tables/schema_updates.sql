-- Which numbered files of sql/updates this schema has seen. A new schema has seen them all.
CREATE TABLE {schema}.schema_updates (
    number  int         NOT NULL,
    name    varchar     NOT NULL,
    applied timestamptz NOT NULL DEFAULT (now()),
    CONSTRAINT pkey_schema_updates_number PRIMARY KEY (number)
);
