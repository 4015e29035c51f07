#!/bin/sh
# Runs once, when the database is made. Tables are made by the server itself at every start (`flatrender migrate` does the same).
set -eu
psql --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
-- An idle transaction holds up readers of facts that are at a gap.
ALTER SYSTEM SET idle_in_transaction_session_timeout = '60s';
ALTER SYSTEM SET tcp_keepalives_idle = '10s';
ALTER SYSTEM SET tcp_keepalives_interval = '5s';
ALTER SYSTEM SET tcp_keepalives_count = 3;
-- Whose commits are lost, whose facts are lost.
ALTER SYSTEM SET synchronous_commit = on;
SELECT pg_reload_conf();
SQL
