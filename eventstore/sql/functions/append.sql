-- The ink: commits many units of work at once, each all or nothing, and returns the streams of those that got in, with the numbers of their agenda rows.
-- A unit is one stream's step: it expects a version, and brings a new version, facts, a memory and agenda rows. A unit whose version has
-- passed leaves no trace; its owner reloads and tries again. At most one unit a stream, sorted by stream.
CREATE OR REPLACE FUNCTION {schema}.append(
    unit_stream    uuid[],
    unit_type      varchar[],
    unit_expected  bigint[],
    unit_version   bigint[],
    unit_at        timestamptz[],
    unit_memory    jsonb[],
    unit_mark      uuid[],
    fact_stream    uuid[],
    fact_version   bigint[],
    fact_id        uuid[],
    fact_type      varchar[],
    fact_data      jsonb[],
    fact_headers   jsonb[],
    agenda_stream  uuid[],
    agenda_kind    varchar[],
    agenda_due     timestamptz[],
    agenda_type    varchar[],
    agenda_data    jsonb[],
    agenda_headers jsonb[]
) RETURNS TABLE (accepted_stream uuid, accepted_agenda bigint[]) LANGUAGE plpgsql
-- Plans are kept as long as a connection lives: none is made anew because a batch has another length, and one made while the tables were small must not read them whole when they have grown.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
BEGIN
    -- Rows are locked in one order everywhere, so two appends wait for each other but never deadlock. The lock also gives the transaction
    -- its id before it draws sequence numbers: the reader's gap proof (EventReader.cs) stands on this.
    PERFORM FROM {schema}.mt_streams s WHERE s.id = ANY (unit_stream) ORDER BY s.id FOR NO KEY UPDATE;

    RETURN QUERY
    WITH unit AS (
        SELECT *
        FROM unnest(unit_stream, unit_type, unit_expected, unit_version, unit_at, unit_memory, unit_mark) AS u (stream, type, expected, version, at, memory, mark)
    ), born AS (
        INSERT INTO {schema}.mt_streams (id, type, version, timestamp, created)
        SELECT u.stream, u.type, u.version, u.at, u.at
        FROM unit u
        WHERE u.expected = 0
        ORDER BY u.stream
        ON CONFLICT (id) DO NOTHING
        RETURNING id
    ), grown AS (
        UPDATE {schema}.mt_streams s
        SET version = u.version, timestamp = u.at
        FROM unit u
        WHERE s.id = ANY (unit_stream) AND s.id = u.stream AND s.version = u.expected AND u.expected > 0
        RETURNING s.id
    ), accepted AS (
        SELECT id FROM born UNION ALL SELECT id FROM grown
    ), facts AS (
        INSERT INTO {schema}.mt_events (seq_id, id, stream_id, version, data, type, timestamp, headers)
        SELECT nextval('{schema}.mt_events_sequence'), f.id, f.stream, f.version, f.data, f.type, f.at, f.headers
        FROM (
            SELECT f.*, u.at
            FROM unnest(fact_stream, fact_version, fact_id, fact_type, fact_data, fact_headers) WITH ORDINALITY AS f (stream, version, id, type, data, headers, n)
            JOIN accepted a ON a.id = f.stream
            JOIN unit u ON u.stream = f.stream
            ORDER BY f.n
            OFFSET 0 -- Numbers are drawn after sorting: a stream's facts are numbered in its own order.
        ) f
    ), first_memories AS (
        INSERT INTO {schema}.mt_doc_renderjob (id, data, mt_version)
        SELECT u.stream, u.memory, u.mark
        FROM unit u
        JOIN born b ON b.id = u.stream
        WHERE u.memory IS NOT NULL
        ON CONFLICT (id) DO UPDATE
        SET data = excluded.data, mt_last_modified = transaction_timestamp(), mt_version = excluded.mt_version
    ), memories AS (
        UPDATE {schema}.mt_doc_renderjob d
        SET data = u.memory, mt_last_modified = transaction_timestamp(), mt_version = u.mark
        FROM unit u
        JOIN grown g ON g.id = u.stream
        WHERE d.id = ANY (unit_stream) AND d.id = u.stream AND u.memory IS NOT NULL
    ), sendings AS (
        INSERT INTO {schema}.agenda (kind, stream_id, due, type, data, headers)
        SELECT g.kind, g.stream, g.due, g.type, g.data, g.headers
        FROM unnest(agenda_stream, agenda_kind, agenda_due, agenda_type, agenda_data, agenda_headers) WITH ORDINALITY AS g (stream, kind, due, type, data, headers, n)
        JOIN accepted a ON a.id = g.stream
        ORDER BY g.n
        RETURNING stream_id, id
    )
    SELECT a.id, n.numbers
    FROM accepted a
    LEFT JOIN (
        SELECT s.stream_id, array_agg(s.id ORDER BY s.id) AS numbers
        FROM sendings s
        GROUP BY s.stream_id
    ) n ON n.stream_id = a.id;
END
$$;
