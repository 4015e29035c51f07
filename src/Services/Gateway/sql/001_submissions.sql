-- What was asked for with each Idempotency-Key. The render's id follows from tenant and key, so it stands for both.
CREATE TABLE gateway.submissions (
    job_id uuid PRIMARY KEY,
    asked bytea NOT NULL
);
