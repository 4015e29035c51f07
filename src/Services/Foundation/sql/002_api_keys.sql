-- API keys that open something, by the SHA-256 of the key; a revoked key has no row.
CREATE TABLE access.api_keys (
    key_hash bytea PRIMARY KEY,
    api_key_id uuid NOT NULL UNIQUE,
    tenant_id uuid NOT NULL,
    issued_by uuid NOT NULL,
    scopes text[] NOT NULL
);
