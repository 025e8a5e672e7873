-- Row-level security. The gateway reads as the role `errand_gateway` and says in each transaction
-- whose rows it wants. The owner, which is the projector, is not held to it: Postgres copies no rows
-- into a table whose owner is. In a rebuild these statements are for schema read_next.

DO $$
DECLARE
    place text := (SELECT relnamespace::regnamespace FROM pg_class
                   WHERE oid = 'read.task'::regclass);
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'errand_gateway') THEN
        BEGIN
            CREATE ROLE errand_gateway NOLOGIN NOSUPERUSER NOBYPASSRLS;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA %s TO errand_gateway', place);
END $$;

GRANT SELECT ON read.checkpoint,
    read.task,
    read.usage,
    read.machine,
    read.pull_request,
    read.artifact,
    read.question,
    read.approval,
    read.message,
    read.tool_call,
    read.event,
    read.snapshot
    TO errand_gateway;

ALTER TABLE read.task ENABLE ROW LEVEL SECURITY;
ALTER TABLE read.usage ENABLE ROW LEVEL SECURITY;
ALTER TABLE read.machine ENABLE ROW LEVEL SECURITY;
ALTER TABLE read.pull_request ENABLE ROW LEVEL SECURITY;
ALTER TABLE read.artifact ENABLE ROW LEVEL SECURITY;
ALTER TABLE read.question ENABLE ROW LEVEL SECURITY;
ALTER TABLE read.approval ENABLE ROW LEVEL SECURITY;
ALTER TABLE read.message ENABLE ROW LEVEL SECURITY;
ALTER TABLE read.tool_call ENABLE ROW LEVEL SECURITY;
ALTER TABLE read.event ENABLE ROW LEVEL SECURITY;
ALTER TABLE read.snapshot ENABLE ROW LEVEL SECURITY;

CREATE POLICY own ON read.task USING
    (current_setting('errand.account', true) IN (account, '*'));
CREATE POLICY own ON read.usage USING
    (current_setting('errand.account', true) IN (account, '*'));
CREATE POLICY own ON read.machine USING
    (current_setting('errand.account', true) IN (account, '*'));
CREATE POLICY own ON read.pull_request USING
    (current_setting('errand.account', true) IN (account, '*'));
CREATE POLICY own ON read.artifact USING
    (current_setting('errand.account', true) IN (account, '*'));
CREATE POLICY own ON read.question USING
    (current_setting('errand.account', true) IN (account, '*'));
CREATE POLICY own ON read.approval USING
    (current_setting('errand.account', true) IN (account, '*'));
-- These have no account; they are whose their task is.
CREATE POLICY own ON read.message USING
    (current_setting('errand.account', true) = '*'
     OR EXISTS (SELECT FROM read.task AS t WHERE t.task = message.task));
CREATE POLICY own ON read.tool_call USING
    (current_setting('errand.account', true) = '*'
     OR EXISTS (SELECT FROM read.task AS t WHERE t.task = tool_call.task));
CREATE POLICY own ON read.event USING
    (current_setting('errand.account', true) = '*'
     OR EXISTS (SELECT FROM read.task AS t WHERE t.task = event.task));
CREATE POLICY own ON read.snapshot USING
    (current_setting('errand.account', true) = '*'
     OR EXISTS (SELECT FROM read.task AS t WHERE t.task = snapshot.task));
