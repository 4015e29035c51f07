-- What a render needs of its nodes, what it counts against, and how many of its pieces stand where.
ALTER TABLE render.jobs
    ADD COLUMN template text NOT NULL DEFAULT '',
    ADD COLUMN engine text NOT NULL DEFAULT 'skottie',
    ADD COLUMN tags text[] NOT NULL DEFAULT '{}',
    ADD COLUMN waiting int NOT NULL DEFAULT 0,
    ADD COLUMN leased int NOT NULL DEFAULT 0,
    ADD COLUMN chunks int NOT NULL DEFAULT 0,
    ADD COLUMN drawn int NOT NULL DEFAULT 0,
    ADD COLUMN drawn_frames int NOT NULL DEFAULT 0,
    ADD COLUMN checked int NOT NULL DEFAULT 0;

UPDATE render.jobs SET template = template_digest;

UPDATE render.jobs j
SET waiting = t.waiting, leased = t.leased, chunks = t.chunks, drawn = t.drawn, drawn_frames = t.drawn_frames, checked = t.checked
FROM (
    SELECT job_id,
           count(*) FILTER (WHERE state = 'waiting') AS waiting,
           count(*) FILTER (WHERE state = 'leased') AS leased,
           count(*) FILTER (WHERE kind = 'render') AS chunks,
           count(*) FILTER (WHERE kind = 'render' AND state = 'done') AS drawn,
           coalesce(sum(count) FILTER (WHERE kind = 'render' AND state = 'done'), 0) AS drawn_frames,
           count(*) FILTER (WHERE kind = 'validate' AND state = 'done') AS checked
    FROM render.tasks
    GROUP BY job_id
) t
WHERE t.job_id = j.job_id;

CREATE INDEX jobs_open ON render.jobs (priority DESC, queued_at) WHERE waiting > 0;
CREATE INDEX jobs_at_work ON render.jobs (tenant_id) WHERE leased > 0;

-- Nodes that should leave a piece to others while there are others: who drew a segment does not check it, who failed at a piece does not try it again.
ALTER TABLE render.tasks
    ADD COLUMN avoid uuid[] NOT NULL DEFAULT '{}',
    ADD COLUMN leased_at timestamptz,
    -- Leases that ended without a word from their node.
    ADD COLUMN expiries int NOT NULL DEFAULT 0;

DROP INDEX render.tasks_waiting;
DROP INDEX render.tasks_leased;
CREATE INDEX tasks_next ON render.tasks (job_id, (kind <> 'validate'), chunk) WHERE state = 'waiting';
CREATE UNIQUE INDEX tasks_lease ON render.tasks (lease_id) WHERE lease_id IS NOT NULL;
CREATE INDEX tasks_of_node ON render.tasks (node_id) WHERE state = 'leased';

-- The counts follow the pieces by themselves, so that no query goes through ten thousand of them. Every change of a piece happens under its job's lock.
CREATE FUNCTION render.count_pieces() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        UPDATE render.jobs j
        SET waiting = j.waiting + d.waiting, leased = j.leased + d.leased, chunks = j.chunks + d.chunks,
            drawn = j.drawn + d.drawn, drawn_frames = j.drawn_frames + d.drawn_frames, checked = j.checked + d.checked
        FROM (
            SELECT job_id, sum(n * (state = 'waiting')::int) AS waiting, sum(n * (state = 'leased')::int) AS leased, sum(n * (kind = 'render')::int) AS chunks,
                   sum(n * (kind = 'render' AND state = 'done')::int) AS drawn, sum(n * count * (kind = 'render' AND state = 'done')::int) AS drawn_frames,
                   sum(n * (kind = 'validate' AND state = 'done')::int) AS checked
            FROM (SELECT 1 AS n, job_id, kind, state, count FROM now_there UNION ALL SELECT -1, job_id, kind, state, count FROM was_there) t
            GROUP BY job_id
        ) d
        WHERE j.job_id = d.job_id AND (d.waiting, d.leased, d.chunks, d.drawn, d.checked) <> (0, 0, 0, 0, 0);
    ELSIF TG_OP = 'INSERT' THEN
        UPDATE render.jobs j
        SET waiting = j.waiting + d.waiting, chunks = j.chunks + d.chunks
        FROM (SELECT job_id, count(*) FILTER (WHERE state = 'waiting') AS waiting, count(*) FILTER (WHERE kind = 'render') AS chunks FROM now_there GROUP BY job_id) d
        WHERE j.job_id = d.job_id;
    ELSE
        UPDATE render.jobs j
        SET waiting = j.waiting - d.waiting, leased = j.leased - d.leased, checked = j.checked - d.checked
        FROM (
            SELECT job_id, count(*) FILTER (WHERE state = 'waiting') AS waiting, count(*) FILTER (WHERE state = 'leased') AS leased,
                   count(*) FILTER (WHERE kind = 'validate' AND state = 'done') AS checked
            FROM was_there
            GROUP BY job_id
        ) d
        WHERE j.job_id = d.job_id;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER pieces_made AFTER INSERT ON render.tasks REFERENCING NEW TABLE AS now_there FOR EACH STATEMENT EXECUTE FUNCTION render.count_pieces();
CREATE TRIGGER pieces_changed AFTER UPDATE ON render.tasks REFERENCING OLD TABLE AS was_there NEW TABLE AS now_there FOR EACH STATEMENT EXECUTE FUNCTION render.count_pieces();
CREATE TRIGGER pieces_gone AFTER DELETE ON render.tasks REFERENCING OLD TABLE AS was_there FOR EACH STATEMENT EXECUTE FUNCTION render.count_pieces();

-- Pieces that a node could not do. Who is to blame shows when another node does the piece, or when none can.
CREATE TABLE render.failures (
    job_id uuid NOT NULL REFERENCES render.jobs ON DELETE CASCADE,
    kind text NOT NULL,
    chunk int NOT NULL,
    epoch int NOT NULL,
    node_id uuid NOT NULL,
    code text NOT NULL,
    at timestamptz NOT NULL,
    verdict text CHECK (verdict IN ('node', 'template')),
    PRIMARY KEY (job_id, kind, chunk, epoch)
);

ALTER TABLE render.nodes
    DROP CONSTRAINT nodes_state_check,
    ADD CONSTRAINT nodes_state_check CHECK (state IN ('registered', 'ready', 'draining', 'quarantined', 'lost', 'left')),
    ADD COLUMN reason text NOT NULL DEFAULT '',
    ADD COLUMN crashes bigint NOT NULL DEFAULT 0,
    -- Pieces it did, and pieces it failed at that others did, lately.
    ADD COLUMN ended int NOT NULL DEFAULT 0,
    ADD COLUMN blamed int NOT NULL DEFAULT 0;

-- Slots that a tenant, or the renders of a template, may take at once. An empty key: each that has no row of its own.
CREATE TABLE render.limits (
    scope text NOT NULL CHECK (scope IN ('tenant', 'template')),
    key text NOT NULL,
    slots int NOT NULL CHECK (slots >= 0),
    set_by text NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (scope, key)
);
