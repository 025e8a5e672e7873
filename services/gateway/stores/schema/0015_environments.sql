-- How repositories are set up: what an account says of one, what the newest task found in it, and
-- the packs of what set-ups added. A repository is named by its address.

CREATE TABLE accounts.environment (
    account    text NOT NULL,
    repository text NOT NULL,
    settings   jsonb,                           -- events.protocol.api.environments.EnvironmentSettings
    found      jsonb,                           -- events.protocol.api.environments.FoundEnvironment
    PRIMARY KEY (account, repository)
);

CREATE TABLE accounts.environment_pack (
    account    text NOT NULL,
    repository text NOT NULL,
    key        text NOT NULL,
    prefix     text NOT NULL,                   -- of its objects' keys
    parts      jsonb NOT NULL,                  -- events.protocol.broker_environment.PackPart, in order
    size_bytes bigint NOT NULL,
    task       text NOT NULL,
    created_at timestamptz NOT NULL,
    used_at    timestamptz NOT NULL,
    uses       bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (account, repository, key)
);
CREATE INDEX environment_pack_by_use ON accounts.environment_pack (account, used_at);

DO $$
DECLARE
    walled text;
BEGIN
    FOREACH walled IN ARRAY ARRAY['environment', 'environment_pack'] LOOP
        EXECUTE format('ALTER TABLE accounts.%I ENABLE ROW LEVEL SECURITY', walled);
        EXECUTE format('ALTER TABLE accounts.%I FORCE ROW LEVEL SECURITY', walled);
        EXECUTE format('CREATE POLICY own ON accounts.%I USING '
            '(current_setting(''errand.account'', true) IN (account, ''*''))', walled);
    END LOOP;
END $$;
