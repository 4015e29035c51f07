-- What the farm is working on: one row a render, as the pipeline ordered it.
CREATE TABLE render.jobs (
    job_id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    work_order int NOT NULL,
    stage text NOT NULL CHECK (stage IN ('rendering', 'validating', 'assembling', 'stopped')),
    template_digest text NOT NULL,
    film jsonb NOT NULL,
    priority int NOT NULL,
    held boolean NOT NULL DEFAULT false,
    -- The orders whose beginning and end have been reported; what was lost is sent again when the pipeline asks again.
    started_order int NOT NULL DEFAULT 0,
    reported_order int NOT NULL DEFAULT 0,
    spent jsonb NOT NULL DEFAULT '{}',
    queued_at timestamptz NOT NULL
);

-- Pieces of work: chunks to draw, segments to check, films to join.
CREATE TABLE render.tasks (
    job_id uuid NOT NULL REFERENCES render.jobs ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('render', 'validate', 'assemble')),
    chunk int NOT NULL,
    first int NOT NULL,
    count int NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'leased', 'done')),
    -- Grows with every lease: a result that carries an older one is refused.
    epoch int NOT NULL DEFAULT 0,
    lease_id uuid,
    node_id uuid,
    lease_until timestamptz,
    not_before timestamptz NOT NULL,
    failures int NOT NULL DEFAULT 0,
    last_failure text,
    result jsonb,
    PRIMARY KEY (job_id, kind, chunk)
);

CREATE INDEX tasks_waiting ON render.tasks (not_before) WHERE state = 'waiting';
CREATE UNIQUE INDEX tasks_leased ON render.tasks (lease_id) WHERE state = 'leased';

CREATE TABLE render.nodes (
    node_id uuid PRIMARY KEY,
    name text NOT NULL,
    url text NOT NULL,
    slots int NOT NULL,
    tags text[] NOT NULL,
    engines jsonb NOT NULL,
    version text NOT NULL,
    state text NOT NULL CHECK (state IN ('ready', 'draining', 'lost', 'left')),
    last_seen timestamptz NOT NULL
);
