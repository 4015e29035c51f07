-- Keys from before calls were signed open nothing any more (access/003_signed_calls.sql); the list of keys says so.
UPDATE identity.api_keys SET revoked_at = now() WHERE revoked_at IS NULL;
