CREATE TABLE identity.tenants (
    tenant_id uuid PRIMARY KEY,
    name text NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE identity.users (
    user_id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (tenant_id),
    email text NOT NULL UNIQUE, -- in lower case
    name text NOT NULL,
    password_hash text NOT NULL,
    roles text[] NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE INDEX users_of_tenant ON identity.users (tenant_id, created_at);

-- By address, whether it has an account or not: being locked out tells nothing about that.
CREATE TABLE identity.sign_in_failures (
    email text PRIMARY KEY,
    failures int NOT NULL,
    locked_until timestamptz NULL
);

-- A sign-in and the family of refresh tokens that come from it.
CREATE TABLE identity.sessions (
    session_id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES identity.users (user_id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    ended_at timestamptz NULL
);

CREATE INDEX sessions_of_user ON identity.sessions (user_id) WHERE ended_at IS NULL;

CREATE TABLE identity.refresh_tokens (
    token_hash bytea PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES identity.sessions (session_id) ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,
    used_at timestamptz NULL
);

CREATE INDEX refresh_tokens_of_session ON identity.refresh_tokens (session_id);

CREATE TABLE identity.api_keys (
    api_key_id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES identity.tenants (tenant_id),
    name text NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz NULL
);

CREATE INDEX api_keys_of_tenant ON identity.api_keys (tenant_id, created_at);

-- The private half is sealed with a key that is not in the database.
CREATE TABLE identity.signing_keys (
    kid text PRIMARY KEY,
    sealed_key bytea NOT NULL,
    active_from timestamptz NOT NULL
);

-- Facts of changes that are committed here and still have to be appended to their streams.
CREATE TABLE identity.facts_to_tell (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream_id uuid NOT NULL,
    stream_type text NOT NULL,
    type text NOT NULL,
    data jsonb NOT NULL,
    actor text NOT NULL,
    tried bigint NULL -- the version it was last appended on, with an outcome that was not seen
);
