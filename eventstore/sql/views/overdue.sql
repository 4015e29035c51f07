-- What should have been sent by now and was not: empty while the relay is well.
CREATE OR REPLACE VIEW {schema}.overdue AS
SELECT
    a.id,
    a.kind,
    a.stream_id,
    a.due,
    now() - a.due AS late,
    a.type
FROM {schema}.agenda a
WHERE a.due < now();
