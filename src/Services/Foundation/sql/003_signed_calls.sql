-- A program signs its calls and keeps its secret to itself. What was kept of older keys cannot check a signature: they open nothing any more.
DROP TABLE access.api_keys;

-- API keys that open something; a revoked key has no row. The secret is sealed: see Seal.cs.
CREATE TABLE access.api_keys (
    api_key_id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    issued_by uuid NOT NULL,
    scopes text[] NOT NULL,
    sealed_secret bytea NOT NULL
);

-- What was heard already, while it could be believed again: the same at every gateway.
CREATE TABLE access.nonces (
    api_key_id uuid NOT NULL,
    nonce text NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (api_key_id, nonce)
);
CREATE INDEX nonces_until ON access.nonces (until);
