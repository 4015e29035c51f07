-- What is to be sent: asks as soon as may be, reminders when due. A row goes when the broker has confirmed its message.
CREATE TABLE {schema}.agenda (
    id        bigint      GENERATED ALWAYS AS IDENTITY,
    kind      varchar     NOT NULL CHECK (kind IN ('ask', 'remind')),
    stream_id uuid        NOT NULL,
    due       timestamptz NOT NULL,
    type      varchar     NOT NULL,
    data      jsonb       NOT NULL,
    headers   jsonb       NOT NULL,
    CONSTRAINT pkey_agenda_id PRIMARY KEY (id)
);
CREATE INDEX agenda_due ON {schema}.agenda (due, id);
