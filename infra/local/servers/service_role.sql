-- The role of the services: what a managed Postgres gives its customer. Said again it changes nothing.
DO $$
DECLARE
    own text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'errand_service') THEN
        CREATE ROLE errand_service LOGIN NOSUPERUSER NOBYPASSRLS CREATEROLE;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'errand_gateway') THEN
        GRANT errand_gateway TO errand_service WITH ADMIN OPTION;  -- made by an older version
    END IF;
    EXECUTE format('ALTER DATABASE %I OWNER TO errand_service', current_database());
    FOR own IN
        SELECT format('ALTER SCHEMA %I OWNER TO errand_service', nspname) FROM pg_namespace
        WHERE nspname IN ('accounts', 'read', 'read_next', 'read_previous', 'vault')
        UNION ALL
        SELECT format('ALTER TABLE %s OWNER TO errand_service', oid::regclass) FROM pg_class
        WHERE relkind = 'r' AND relnamespace::regnamespace::text
            IN ('accounts', 'read', 'read_next', 'read_previous', 'vault')
        UNION ALL
        SELECT format('ALTER FUNCTION %s OWNER TO errand_service', oid::regprocedure) FROM pg_proc
        WHERE pronamespace::regnamespace::text = 'accounts'
    LOOP
        EXECUTE own;
    END LOOP;
END $$;
