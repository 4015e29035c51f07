-- Every ask and reminder paid for an index that only a gauge read, which reads the whole agenda as well.
DROP INDEX IF EXISTS {schema}.agenda_stream;
