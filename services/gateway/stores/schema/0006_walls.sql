-- Row-level security on every table that holds an account's rows. A table without an account of its
-- own is reached by what it hangs on: a device, a person, or a task that was claimed for an account.
-- Which tables need none, and why, stands in tests/gateway/stores/test_row_level_security.py.

GRANT SELECT, INSERT, UPDATE, DELETE ON
    accounts.claim, accounts.broker_token, accounts.purse, accounts.spending_limit,
    accounts.model_call, accounts.gateway, accounts.switch, accounts.secret, accounts.device,
    accounts.push, accounts.push_attempt, accounts.push_position
    TO errand_gateway;
ALTER DEFAULT PRIVILEGES IN SCHEMA accounts
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO errand_gateway;

-- Whether a person, an account or a task belongs to the account whose rows are wanted.
CREATE FUNCTION accounts.is_wanted(owner text) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT current_setting('errand.account', true) IN (nullif(owner, ''), '*')
        OR EXISTS (SELECT FROM accounts.person p
                   WHERE p.person = owner AND p.account = current_setting('errand.account', true))
        OR EXISTS (SELECT FROM accounts.claim c
                   WHERE c.task = owner AND c.account = current_setting('errand.account', true))
$$;

CREATE TABLE accounts.blob_usage (              -- what a task keeps in the object store
    task       text PRIMARY KEY,
    account    text NOT NULL,
    blobs      bigint NOT NULL,
    size_bytes bigint NOT NULL
);

DO $$
DECLARE
    walled text;
    rule text;
BEGIN
    FOR walled, rule IN VALUES
        ('claim', 'current_setting(''errand.account'', true) IN (account, ''*'')'),
        ('broker_token', 'current_setting(''errand.account'', true) IN (account, ''*'')'),
        ('model_call', 'current_setting(''errand.account'', true) IN (account, ''*'')'),
        ('secret', 'current_setting(''errand.account'', true) IN (account, ''*'')'),
        ('blob_usage', 'current_setting(''errand.account'', true) IN (account, ''*'')'),
        ('spending_limit', 'accounts.is_wanted(owner)'),
        ('switch', 'accounts.is_wanted(owner)'),
        ('purse', 'accounts.is_wanted(split_part(purse, '':'', 2))'),
        ('push', 'current_setting(''errand.account'', true) = ''*'' OR EXISTS '
                 '(SELECT FROM accounts.device d WHERE d.device = push.device)'),
        ('push_attempt', 'current_setting(''errand.account'', true) = ''*'' OR EXISTS '
                         '(SELECT FROM accounts.push p WHERE p.push = push_attempt.push)')
    LOOP
        EXECUTE format('ALTER TABLE accounts.%I ENABLE ROW LEVEL SECURITY', walled);
        EXECUTE format('ALTER TABLE accounts.%I FORCE ROW LEVEL SECURITY', walled);
        EXECUTE format('CREATE POLICY own ON accounts.%I USING (%s)', walled, rule);
    END LOOP;
END $$;
