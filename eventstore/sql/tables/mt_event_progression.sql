-- How far each subscription has read, as Marten lays it out: every fact up to last_seq_id is done with.
CREATE TABLE {schema}.mt_event_progression (
    name         varchar     NOT NULL,
    last_seq_id  bigint      NULL,
    last_updated timestamptz NULL DEFAULT (transaction_timestamp()),
    CONSTRAINT pk_mt_event_progression PRIMARY KEY (name)
);
