-- The memory of each render, as Marten would store the document: always the fold of the stream of the same id.
-- Rows are updated at every step: room on the page spares their index entries.
CREATE TABLE {schema}.mt_doc_renderjob (
    id               uuid        NOT NULL,
    data             jsonb       NOT NULL,
    mt_last_modified timestamptz NULL DEFAULT (transaction_timestamp()),
    mt_version       uuid        NOT NULL DEFAULT (md5(random()::text || clock_timestamp()::text)::uuid),
    mt_dotnet_type   varchar     NULL,
    CONSTRAINT pkey_mt_doc_renderjob_id PRIMARY KEY (id)
) WITH (fillfactor = 50);
