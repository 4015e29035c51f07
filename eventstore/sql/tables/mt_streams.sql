-- One row a stream, as Marten lays it out. The row's version guards every append, and its lock orders them.
-- Rows are updated at every step: room on the page spares their index entries.
CREATE TABLE {schema}.mt_streams (
    id          uuid        NOT NULL,
    type        varchar     NULL,
    version     bigint      NULL,
    timestamp   timestamptz NOT NULL DEFAULT (now()),
    created     timestamptz NOT NULL DEFAULT (now()),
    tenant_id   varchar     NULL DEFAULT '*DEFAULT*',
    is_archived bool        NULL DEFAULT FALSE,
    CONSTRAINT pkey_mt_streams_id PRIMARY KEY (id)
) WITH (fillfactor = 70);
