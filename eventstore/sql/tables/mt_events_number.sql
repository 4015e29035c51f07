-- Marten draws a fact's number before the transaction that writes it: in Rich mode by a statement of its own, in Quick mode before it has locked anything. A reader may by then have
-- proven that number dead. So what comes from Marten (it names the .NET type; we do not) is numbered again here, when the transaction has an id. The first number stays a hole.
CREATE FUNCTION {schema}.mt_events_number() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_current_xact_id();
    NEW.seq_id := nextval('{schema}.mt_events_sequence');
    RETURN NEW;
END
$$;
CREATE TRIGGER mt_events_number BEFORE INSERT ON {schema}.mt_events
    FOR EACH ROW WHEN (NEW.mt_dotnet_type IS NOT NULL) EXECUTE FUNCTION {schema}.mt_events_number();
