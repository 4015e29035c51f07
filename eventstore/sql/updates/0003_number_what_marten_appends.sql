-- Facts that Marten appends are numbered by the transaction that writes them, as ours are: see sql/tables/mt_events_number.sql.
CREATE FUNCTION {schema}.mt_events_number() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_current_xact_id();
    NEW.seq_id := nextval('{schema}.mt_events_sequence');
    RETURN NEW;
END
$$;
CREATE TRIGGER mt_events_number BEFORE INSERT ON {schema}.mt_events
    FOR EACH ROW WHEN (NEW.mt_dotnet_type IS NOT NULL) EXECUTE FUNCTION {schema}.mt_events_number();
