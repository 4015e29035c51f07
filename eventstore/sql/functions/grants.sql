-- What the application may do: add facts and read them, never change or remove one.
-- The role is made where the migrating user may make roles; elsewhere an administrator makes it and grants the same.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'flatrender_app') THEN
        BEGIN
            CREATE ROLE flatrender_app NOLOGIN;
        EXCEPTION
            WHEN insufficient_privilege THEN RETURN;
            WHEN duplicate_object OR unique_violation THEN NULL; -- Another schema's migration was faster: roles belong to the whole cluster.
        END;
    END IF;
    GRANT USAGE ON SCHEMA {schema} TO flatrender_app;
    GRANT SELECT, INSERT ON {schema}.mt_events TO flatrender_app;
    GRANT SELECT, INSERT, UPDATE ON {schema}.mt_streams, {schema}.mt_doc_renderjob, {schema}.mt_event_progression, {schema}.projections TO flatrender_app;
    GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.agenda TO flatrender_app;
    GRANT SELECT ON {schema}.schema_updates, {schema}.overdue TO flatrender_app;
    GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO flatrender_app;
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} TO flatrender_app;
END
$$;
