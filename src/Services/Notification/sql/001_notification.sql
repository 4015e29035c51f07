-- Addresses of a tenant's own that are told of events. The secret is sealed: see Foundation/Seal.cs.
CREATE TABLE notification.webhooks (
    webhook_id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    url text NOT NULL,
    events text[] NOT NULL,
    sealed_secret bytea NOT NULL,
    created_at timestamptz NOT NULL,
    failing_since timestamptz NULL,
    disabled_at timestamptz NULL
);

CREATE INDEX webhooks_of_tenant ON notification.webhooks (tenant_id, created_at);

-- One event for one webhook. Attempts only grow, and name the attempt that is under way; tried is what of them counts since it was queued.
-- next_at is when it is due, and while an attempt is under way, when that one counts as lost.
CREATE TABLE notification.deliveries (
    delivery_id uuid PRIMARY KEY,
    webhook_id uuid NOT NULL,
    tenant_id uuid NOT NULL,
    fact_id uuid NOT NULL,
    event text NOT NULL,
    body text NOT NULL,
    state text NOT NULL,
    attempts int NOT NULL,
    tried int NOT NULL,
    queued_at timestamptz NOT NULL,
    next_at timestamptz NULL,
    UNIQUE (fact_id, webhook_id)
);

CREATE INDEX deliveries_due ON notification.deliveries (tenant_id, next_at) WHERE state = 'waiting';
CREATE INDEX deliveries_of_webhook ON notification.deliveries (webhook_id, queued_at DESC);

CREATE TABLE notification.attempts (
    delivery_id uuid NOT NULL REFERENCES notification.deliveries (delivery_id),
    attempt int NOT NULL,
    at timestamptz NOT NULL,
    seconds double precision NOT NULL,
    status int NULL,
    error text NULL,
    PRIMARY KEY (delivery_id, attempt)
);

-- What its person has seen. Notices themselves are made from facts (Notices.cs), and made anew by a rebuild; these are not.
CREATE TABLE notification.read_marks (
    user_id uuid NOT NULL,
    notice_id uuid NOT NULL,
    read_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, notice_id)
);
