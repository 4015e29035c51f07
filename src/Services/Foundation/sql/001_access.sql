-- What every room checks tokens with. Identity writes; rooms read, also while Identity is away.
CREATE TABLE access.verification_keys (
    kid text PRIMARY KEY,
    alg text NOT NULL,
    public_key bytea NOT NULL,
    expires_at timestamptz NOT NULL
);

-- Sign-ins that have ended while tokens of theirs may still live (until).
CREATE TABLE access.ended_sessions (
    session_id uuid PRIMARY KEY,
    until timestamptz NOT NULL
);
