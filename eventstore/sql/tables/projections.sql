-- How each projection stands, beside its position in mt_event_progression.
CREATE TABLE {schema}.projections (
    name            varchar     NOT NULL,
    revision        int         NOT NULL,
    skipped         bigint      NOT NULL DEFAULT 0,
    -- The event it stopped at; all null while it runs.
    poison_seq      bigint      NULL,
    poison_event    uuid        NULL,
    poison_stream   uuid        NULL,
    poison_version  bigint      NULL,
    poison_type     varchar     NULL,
    poison_error    varchar     NULL,
    rebuild         varchar     NULL CHECK (rebuild IN ('requested', 'building', 'failed')),
    rebuild_skipped bigint      NOT NULL DEFAULT 0,
    rebuild_error   varchar     NULL,
    changed         timestamptz NOT NULL DEFAULT (transaction_timestamp()),
    CONSTRAINT pkey_projections_name PRIMARY KEY (name)
);
