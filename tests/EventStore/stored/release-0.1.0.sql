-- What release 0.1.0 left: three renders. {schema} is the schema's name. Never edited.
CREATE SCHEMA {schema};
CREATE FUNCTION {schema}.append(unit_stream uuid[], unit_type character varying[], unit_expected bigint[], unit_version bigint[], unit_at timestamp with time zone[], unit_memory jsonb[], fact_stream uuid[], fact_version bigint[], fact_id uuid[], fact_type character varying[], fact_data jsonb[], fact_headers jsonb[], agenda_stream uuid[], agenda_kind character varying[], agenda_due timestamp with time zone[], agenda_type character varying[], agenda_data jsonb[], agenda_headers jsonb[]) RETURNS SETOF uuid
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    AS $$
BEGIN
    -- Rows are locked in one order everywhere, so two appends wait for each other but never deadlock. The lock also gives the transaction
    -- its id before it draws sequence numbers: the reader's gap proof (EventReader.cs) stands on this.
    PERFORM FROM {schema}.mt_streams s WHERE s.id = ANY (unit_stream) ORDER BY s.id FOR NO KEY UPDATE;
    RETURN QUERY
    WITH unit AS (
        SELECT *
        FROM unnest(unit_stream, unit_type, unit_expected, unit_version, unit_at, unit_memory) AS u (stream, type, expected, version, at, memory)
    ), born AS (
        INSERT INTO {schema}.mt_streams (id, type, version, timestamp, created)
        SELECT stream, type, version, at, at
        FROM unit
        WHERE expected = 0
        ORDER BY stream
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
    ), memories AS (
        INSERT INTO {schema}.mt_doc_renderjob (id, data)
        SELECT u.stream, u.memory
        FROM unit u
        JOIN accepted a ON a.id = u.stream
        WHERE u.memory IS NOT NULL
        ON CONFLICT (id) DO UPDATE
        SET data = excluded.data, mt_last_modified = transaction_timestamp(), mt_version = gen_random_uuid()
    ), sendings AS (
        INSERT INTO {schema}.agenda (kind, stream_id, due, type, data, headers)
        SELECT g.kind, g.stream, g.due, g.type, g.data, g.headers
        FROM unnest(agenda_stream, agenda_kind, agenda_due, agenda_type, agenda_data, agenda_headers) WITH ORDINALITY AS g (stream, kind, due, type, data, headers, n)
        JOIN accepted a ON a.id = g.stream
        ORDER BY g.n
    )
    SELECT id FROM accepted;
END
$$;
CREATE TABLE {schema}.agenda (
    id bigint NOT NULL,
    kind character varying NOT NULL,
    stream_id uuid NOT NULL,
    due timestamp with time zone NOT NULL,
    type character varying NOT NULL,
    data jsonb NOT NULL,
    headers jsonb NOT NULL,
    CONSTRAINT agenda_kind_check CHECK (((kind)::text = ANY ((ARRAY['ask'::character varying, 'remind'::character varying])::text[])))
);
ALTER TABLE {schema}.agenda ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME {schema}.agenda_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE {schema}.mt_doc_renderjob (
    id uuid NOT NULL,
    data jsonb NOT NULL,
    mt_last_modified timestamp with time zone DEFAULT transaction_timestamp(),
    mt_version uuid DEFAULT (md5(((random())::text || (clock_timestamp())::text)))::uuid NOT NULL,
    mt_dotnet_type character varying
);
CREATE TABLE {schema}.mt_event_progression (
    name character varying NOT NULL,
    last_seq_id bigint,
    last_updated timestamp with time zone DEFAULT transaction_timestamp()
);
CREATE TABLE {schema}.mt_events (
    seq_id bigint NOT NULL,
    id uuid NOT NULL,
    stream_id uuid,
    version bigint NOT NULL,
    data jsonb NOT NULL,
    bdata bytea,
    type character varying(500) NOT NULL,
    "timestamp" timestamp with time zone DEFAULT now() NOT NULL,
    tenant_id character varying DEFAULT '*DEFAULT*'::character varying,
    mt_dotnet_type character varying,
    headers jsonb,
    is_archived boolean DEFAULT false
);
CREATE SEQUENCE {schema}.mt_events_sequence
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE {schema}.mt_events_sequence OWNED BY {schema}.mt_events.seq_id;
CREATE TABLE {schema}.mt_streams (
    id uuid NOT NULL,
    type character varying,
    version bigint,
    "timestamp" timestamp with time zone DEFAULT now() NOT NULL,
    created timestamp with time zone DEFAULT now() NOT NULL,
    tenant_id character varying DEFAULT '*DEFAULT*'::character varying,
    is_archived boolean DEFAULT false
);
CREATE VIEW {schema}.overdue AS
 SELECT a.id,
    a.kind,
    a.stream_id,
    a.due,
    (now() - a.due) AS late,
    a.type
   FROM {schema}.agenda a
  WHERE (a.due < now());
CREATE TABLE {schema}.projections (
    name character varying NOT NULL,
    revision integer NOT NULL,
    skipped bigint DEFAULT 0 NOT NULL,
    poison_seq bigint,
    poison_event uuid,
    poison_stream uuid,
    poison_version bigint,
    poison_type character varying,
    poison_error character varying,
    rebuild character varying,
    rebuild_skipped bigint DEFAULT 0 NOT NULL,
    rebuild_error character varying,
    changed timestamp with time zone DEFAULT transaction_timestamp() NOT NULL,
    CONSTRAINT projections_rebuild_check CHECK (((rebuild)::text = ANY ((ARRAY['requested'::character varying, 'building'::character varying, 'failed'::character varying])::text[])))
);
CREATE TABLE {schema}.schema_updates (
    number integer NOT NULL,
    name character varying NOT NULL,
    applied timestamp with time zone DEFAULT now() NOT NULL
);
INSERT INTO {schema}.agenda OVERRIDING SYSTEM VALUE VALUES
	(1, 'ask', '2b3bd016-347a-4f9d-87c7-c27afa887ea7', '2026-11-21 13:33:13.732483+00', 'ask.plan_frames', '{"film": {"fit": {"x": 0, "y": 0, "width": 1920, "height": 1080}, "width": 1920, "frames": 300, "height": 1080, "seconds": 10, "rate_den": 1, "rate_num": 30, "background": "#ffffff", "frame_step": "1/1"}, "order": 1, "job_id": "2b3bd016-347a-4f9d-87c7-c27afa887ea7", "priority": 50, "tenant_id": "6c8ee1b8-49d9-4842-a1f3-317514ef6b03", "template_digest": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}', '{"actor": "system", "message_id": "994b0000-2664-8ae7-505e-08df47d3fdcf"}'),
	(2, 'remind', '2b3bd016-347a-4f9d-87c7-c27afa887ea7', '2026-11-21 13:43:13.732483+00', 'remind.queue_overdue', '{"due": "2026-11-21T13:43:13.732483+00:00", "order": 1, "job_id": "2b3bd016-347a-4f9d-87c7-c27afa887ea7"}', '{"actor": "system", "message_id": "994b0000-2664-8ae7-505e-08df47d3fdcf"}'),
	(3, 'ask', 'a2cc1c0c-aa64-4de4-ae0f-d91da3ac5772', '2026-11-21 13:33:16.338619+00', 'ask.plan_frames', '{"film": {"fit": {"x": 0, "y": 0, "width": 1920, "height": 1080}, "width": 1920, "frames": 300, "height": 1080, "seconds": 10, "rate_den": 1, "rate_num": 30, "background": "#ffffff", "frame_step": "1/1"}, "order": 1, "job_id": "a2cc1c0c-aa64-4de4-ae0f-d91da3ac5772", "priority": 50, "tenant_id": "08f772c4-f733-44b8-bac4-823fa4ebbe3b", "template_digest": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}', '{"actor": "system", "message_id": "994b0000-2664-8ae7-6a71-08df47d3ffae"}'),
	(4, 'remind', 'a2cc1c0c-aa64-4de4-ae0f-d91da3ac5772', '2026-11-21 13:43:16.338619+00', 'remind.queue_overdue', '{"due": "2026-11-21T13:43:16.338619+00:00", "order": 1, "job_id": "a2cc1c0c-aa64-4de4-ae0f-d91da3ac5772"}', '{"actor": "system", "message_id": "994b0000-2664-8ae7-6a71-08df47d3ffae"}'),
	(5, 'ask', 'a2cc1c0c-aa64-4de4-ae0f-d91da3ac5772', '2026-11-21 13:33:16.647222+00', 'ask.stop_work', '{"order": 1, "job_id": "a2cc1c0c-aa64-4de4-ae0f-d91da3ac5772", "reason": "no more"}', '{"actor": "system", "message_id": "994b0000-2664-8ae7-f52a-08df47d3ffbe"}'),
	(6, 'ask', 'a2cc1c0c-aa64-4de4-ae0f-d91da3ac5772', '2026-11-21 13:33:16.647222+00', 'ask.refund_credits', '{"order": 1, "job_id": "a2cc1c0c-aa64-4de4-ae0f-d91da3ac5772", "reason": "no more", "tenant_id": "08f772c4-f733-44b8-bac4-823fa4ebbe3b"}', '{"actor": "system", "message_id": "994b0000-2664-8ae7-f52a-08df47d3ffbe"}'),
	(7, 'ask', '79570dd4-e168-4187-abd5-cad308b6d847', '2026-11-21 13:33:16.770734+00', 'ask.plan_frames', '{"film": {"fit": {"x": 0, "y": 0, "width": 1920, "height": 1080}, "width": 1920, "frames": 300, "height": 1080, "seconds": 10, "rate_den": 1, "rate_num": 30, "background": "#ffffff", "frame_step": "1/1"}, "order": 1, "job_id": "79570dd4-e168-4187-abd5-cad308b6d847", "priority": 50, "tenant_id": "cfb859a5-011d-43db-bc7c-87f26223c70c", "template_digest": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}', '{"actor": "system", "message_id": "994b0000-2664-8ae7-4604-08df47d3fff3"}'),
	(8, 'remind', '79570dd4-e168-4187-abd5-cad308b6d847', '2026-11-21 13:43:16.770734+00', 'remind.queue_overdue', '{"due": "2026-11-21T13:43:16.770734+00:00", "order": 1, "job_id": "79570dd4-e168-4187-abd5-cad308b6d847"}', '{"actor": "system", "message_id": "994b0000-2664-8ae7-4604-08df47d3fff3"}'),
	(9, 'remind', '79570dd4-e168-4187-abd5-cad308b6d847', '2026-11-21 13:43:16.854176+00', 'remind.rendering_stalled', '{"due": "2026-11-21T13:43:16.854176+00:00", "order": 1, "job_id": "79570dd4-e168-4187-abd5-cad308b6d847"}', '{"actor": "system", "message_id": "994b0000-2664-8ae7-3023-08df47d3fffa"}'),
	(10, 'ask', '79570dd4-e168-4187-abd5-cad308b6d847', '2026-11-21 13:33:17.022242+00', 'ask.validate_frames', '{"order": 2, "job_id": "79570dd4-e168-4187-abd5-cad308b6d847"}', '{"actor": "system", "message_id": "994b0000-2664-8ae7-3f1c-08df47d40017"}'),
	(11, 'remind', '79570dd4-e168-4187-abd5-cad308b6d847', '2026-11-21 13:38:17.022242+00', 'remind.validation_overdue', '{"due": "2026-11-21T13:38:17.022242+00:00", "order": 2, "job_id": "79570dd4-e168-4187-abd5-cad308b6d847"}', '{"actor": "system", "message_id": "994b0000-2664-8ae7-3f1c-08df47d40017"}');
INSERT INTO {schema}.mt_doc_renderjob VALUES
	('2b3bd016-347a-4f9d-87c7-c27afa887ea7', '{"id": "2b3bd016-347a-4f9d-87c7-c27afa887ea7", "film": {"fit": {"x": 0, "y": 0, "width": 1920, "height": 1080}, "width": 1920, "frames": 300, "height": 1080, "seconds": 10, "rate_den": 1, "rate_num": 30, "background": "#ffffff", "frame_step": "1/1"}, "held": false, "order": 1, "state": "Queued", "title": "Film 0 – نمایش 🎬", "reason": "submitted", "stalls": 0, "repairs": 0, "owner_id": "9067ea43-1f65-49a4-a80a-73a2aad811ab", "priority": 50, "tenant_id": "6c8ee1b8-49d9-4842-a1f3-317514ef6b03", "assembling": false, "corrupt_frames": [], "missing_frames": [], "compute_seconds": 0, "template_digest": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}', '2026-11-21 13:33:16.201052+00', 'd848b9a7-18f2-d48c-92b1-050a9ef623d3', NULL),
	('a2cc1c0c-aa64-4de4-ae0f-d91da3ac5772', '{"id": "a2cc1c0c-aa64-4de4-ae0f-d91da3ac5772", "film": {"fit": {"x": 0, "y": 0, "width": 1920, "height": 1080}, "width": 1920, "frames": 300, "height": 1080, "seconds": 10, "rate_den": 1, "rate_num": 30, "background": "#ffffff", "frame_step": "1/1"}, "held": false, "order": 1, "state": "Cancelled", "title": "Film 1 – نمایش 🎬", "reason": "no more", "stalls": 0, "repairs": 0, "owner_id": "b5d7ec0a-667f-443a-b2c0-45d5f9511abf", "priority": 50, "tenant_id": "08f772c4-f733-44b8-bac4-823fa4ebbe3b", "assembling": false, "corrupt_frames": [], "missing_frames": [], "compute_seconds": 0, "template_digest": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}', '2026-11-21 13:33:16.758357+00', '78c7d306-0f48-4ce0-9560-16c9a1a4e8eb', NULL),
	('79570dd4-e168-4187-abd5-cad308b6d847', '{"id": "79570dd4-e168-4187-abd5-cad308b6d847", "film": {"fit": {"x": 0, "y": 0, "width": 1920, "height": 1080}, "width": 1920, "frames": 300, "height": 1080, "seconds": 10, "rate_den": 1, "rate_num": 30, "background": "#ffffff", "frame_step": "1/1"}, "held": false, "order": 2, "state": "Validating", "title": "Film 2 – نمایش 🎬", "reason": "all chunks are in", "stalls": 0, "repairs": 0, "owner_id": "db6a7728-00ac-4025-8424-48d7d1d87f31", "priority": 50, "tenant_id": "cfb859a5-011d-43db-bc7c-87f26223c70c", "assembling": false, "started_at": "2026-11-21T13:33:16.854176+00:00", "corrupt_frames": [], "missing_frames": [], "compute_seconds": 3.5, "template_digest": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}', '2026-11-21 13:33:17.069575+00', 'f7b78747-57e5-45f0-afd0-e825e6ff3576', NULL);
INSERT INTO {schema}.mt_events VALUES
	(1, '0eaf60b7-60a9-4d9c-9788-876474eb38ef', '2b3bd016-347a-4f9d-87c7-c27afa887ea7', 1, '{"film": {"fit": {"x": 0, "y": 0, "width": 1920, "height": 1080}, "width": 1920, "frames": 300, "height": 1080, "seconds": 10, "rate_den": 1, "rate_num": 30, "background": "#ffffff", "frame_step": "1/1"}, "order": 1, "title": "Film 0 – نمایش 🎬", "job_id": "2b3bd016-347a-4f9d-87c7-c27afa887ea7", "reason": "submitted", "owner_id": "9067ea43-1f65-49a4-a80a-73a2aad811ab", "priority": 50, "warnings": [], "tenant_id": "6c8ee1b8-49d9-4842-a1f3-317514ef6b03", "template_digest": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}', NULL, 'render.job.queued.v1', '2026-11-21 13:33:13.732483+00', '*DEFAULT*', NULL, '{"hash": "f2c896e4000c2f561fdab79eb1c1f34a0a70d4cc4d4393900c1bd535506edb5c", "actor": "system", "message_id": "994b0000-2664-8ae7-505e-08df47d3fdcf"}', false),
	(2, '96db0f42-bd4f-445d-96cf-3aed4600076a', 'a2cc1c0c-aa64-4de4-ae0f-d91da3ac5772', 1, '{"film": {"fit": {"x": 0, "y": 0, "width": 1920, "height": 1080}, "width": 1920, "frames": 300, "height": 1080, "seconds": 10, "rate_den": 1, "rate_num": 30, "background": "#ffffff", "frame_step": "1/1"}, "order": 1, "title": "Film 1 – نمایش 🎬", "job_id": "a2cc1c0c-aa64-4de4-ae0f-d91da3ac5772", "reason": "submitted", "owner_id": "b5d7ec0a-667f-443a-b2c0-45d5f9511abf", "priority": 50, "warnings": [], "tenant_id": "08f772c4-f733-44b8-bac4-823fa4ebbe3b", "template_digest": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}', NULL, 'render.job.queued.v1', '2026-11-21 13:33:16.338619+00', '*DEFAULT*', NULL, '{"hash": "7d57f7395bdebe31f5640204bc8841c683959e2edec5b40b6f93e253f74836f0", "actor": "system", "message_id": "994b0000-2664-8ae7-6a71-08df47d3ffae"}', false),
	(3, 'dcd42090-b7f1-486a-815d-8bc388f4c3c9', 'a2cc1c0c-aa64-4de4-ae0f-d91da3ac5772', 2, '{"by": "me", "job_id": "a2cc1c0c-aa64-4de4-ae0f-d91da3ac5772", "reason": "no more", "cancelled_at": "2026-11-21T13:33:16.647222+00:00", "progress_when_cancelled": 0}', NULL, 'render.job.cancelled.v1', '2026-11-21 13:33:16.647222+00', '*DEFAULT*', NULL, '{"hash": "b1c7f80171e026fe126527ea201eab51eb6c368c6dda2a2591b188e9f12b147a", "actor": "system", "message_id": "994b0000-2664-8ae7-f52a-08df47d3ffbe"}', false),
	(4, 'f355233f-ef63-4e2a-8ee9-c26019a0d44c', '79570dd4-e168-4187-abd5-cad308b6d847', 1, '{"film": {"fit": {"x": 0, "y": 0, "width": 1920, "height": 1080}, "width": 1920, "frames": 300, "height": 1080, "seconds": 10, "rate_den": 1, "rate_num": 30, "background": "#ffffff", "frame_step": "1/1"}, "order": 1, "title": "Film 2 – نمایش 🎬", "job_id": "79570dd4-e168-4187-abd5-cad308b6d847", "reason": "submitted", "owner_id": "db6a7728-00ac-4025-8424-48d7d1d87f31", "priority": 50, "warnings": [], "tenant_id": "cfb859a5-011d-43db-bc7c-87f26223c70c", "template_digest": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}', NULL, 'render.job.queued.v1', '2026-11-21 13:33:16.770734+00', '*DEFAULT*', NULL, '{"hash": "5d26f56192bd176b08a7b8b1d58dea2973c9cd46e5f2815b3430773473713e91", "actor": "system", "message_id": "994b0000-2664-8ae7-4604-08df47d3fff3"}', false),
	(5, 'c85e6f65-dc34-4af5-9ae8-8ec27e5cd372', '79570dd4-e168-4187-abd5-cad308b6d847', 2, '{"order": 1, "job_id": "79570dd4-e168-4187-abd5-cad308b6d847", "reason": "a node took the first chunk", "stalls": 0, "node_id": "a49733ab-f116-40f1-9814-634d1e565e13", "started_at": "2026-11-21T13:33:16.854176+00:00"}', NULL, 'render.job.rendering.v1', '2026-11-21 13:33:16.854176+00', '*DEFAULT*', NULL, '{"hash": "6167b13ca0debcef79a3ec350b12fb6b2fa1ccd6fe2d69235e1d5f337073f4cf", "actor": "system", "message_id": "994b0000-2664-8ae7-3023-08df47d3fffa"}', false),
	(6, 'b4270da0-7f0e-404d-b1d9-852d0d26401e', '79570dd4-e168-4187-abd5-cad308b6d847', 3, '{"order": 2, "job_id": "79570dd4-e168-4187-abd5-cad308b6d847", "reason": "all chunks are in", "stalls": 0, "compute_seconds": 3.5}', NULL, 'render.job.validating.v1', '2026-11-21 13:33:17.022242+00', '*DEFAULT*', NULL, '{"hash": "39b36490514761f77ec3b224d22c40c172071c52d8401567b6cc47f34f753a53", "actor": "system", "message_id": "994b0000-2664-8ae7-3f1c-08df47d40017"}', false);
INSERT INTO {schema}.mt_streams VALUES
	('2b3bd016-347a-4f9d-87c7-c27afa887ea7', 'render_job', 1, '2026-11-21 13:33:13.732483+00', '2026-11-21 13:33:13.732483+00', '*DEFAULT*', false),
	('a2cc1c0c-aa64-4de4-ae0f-d91da3ac5772', 'render_job', 2, '2026-11-21 13:33:16.647222+00', '2026-11-21 13:33:16.338619+00', '*DEFAULT*', false),
	('79570dd4-e168-4187-abd5-cad308b6d847', 'render_job', 3, '2026-11-21 13:33:17.022242+00', '2026-11-21 13:33:16.770734+00', '*DEFAULT*', false);
SELECT pg_catalog.setval('{schema}.agenda_id_seq', 11, true);
SELECT pg_catalog.setval('{schema}.mt_events_sequence', 6, true);
ALTER TABLE ONLY {schema}.mt_event_progression
    ADD CONSTRAINT pk_mt_event_progression PRIMARY KEY (name);
ALTER TABLE ONLY {schema}.agenda
    ADD CONSTRAINT pkey_agenda_id PRIMARY KEY (id);
ALTER TABLE ONLY {schema}.mt_doc_renderjob
    ADD CONSTRAINT pkey_mt_doc_renderjob_id PRIMARY KEY (id);
ALTER TABLE ONLY {schema}.mt_events
    ADD CONSTRAINT pkey_mt_events_seq_id PRIMARY KEY (seq_id);
ALTER TABLE ONLY {schema}.mt_streams
    ADD CONSTRAINT pkey_mt_streams_id PRIMARY KEY (id);
ALTER TABLE ONLY {schema}.projections
    ADD CONSTRAINT pkey_projections_name PRIMARY KEY (name);
ALTER TABLE ONLY {schema}.schema_updates
    ADD CONSTRAINT pkey_schema_updates_number PRIMARY KEY (number);
CREATE INDEX agenda_due ON {schema}.agenda USING btree (due, id);
CREATE INDEX agenda_stream ON {schema}.agenda USING btree (stream_id);
CREATE UNIQUE INDEX pk_mt_events_stream_and_version ON {schema}.mt_events USING btree (stream_id, version);
ALTER TABLE ONLY {schema}.mt_events
    ADD CONSTRAINT fkey_mt_events_stream_id FOREIGN KEY (stream_id) REFERENCES {schema}.mt_streams(id) ON DELETE CASCADE;
