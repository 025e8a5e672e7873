-- Members, refresh tokens, API keys and linked identities; and walls between the accounts.

ALTER TABLE accounts.person
    ADD COLUMN role       text NOT NULL DEFAULT 'owner' CHECK (role IN ('owner', 'member')),
    ADD COLUMN email      text,                 -- in lower case
    ADD COLUMN joined_at  timestamptz,          -- NULL while only invited
    ADD COLUMN removed_at timestamptz;
ALTER TABLE accounts.person ALTER COLUMN role DROP DEFAULT;
ALTER TABLE accounts.person DROP CONSTRAINT person_account_name_key;
UPDATE accounts.person SET joined_at = created_at;
CREATE UNIQUE INDEX person_by_name ON accounts.person (account, name) WHERE removed_at IS NULL;
CREATE UNIQUE INDEX person_by_email ON accounts.person (email, account) WHERE removed_at IS NULL;

-- A code of any kind that is traded for a session. Without a person it makes the account of `email`.
ALTER TABLE accounts.pairing
    ALTER COLUMN account DROP NOT NULL,
    ALTER COLUMN person DROP NOT NULL,
    ADD COLUMN email text,                      -- to which it was mailed
    ADD CHECK ((person IS NULL) = (account IS NULL)),
    ADD CHECK (person IS NOT NULL OR email IS NOT NULL);
CREATE INDEX pairing_by_email ON accounts.pairing (email, created_at);

-- Sessions made before had one token for ever: those devices sign in once more.
UPDATE accounts.session SET revoked_at = coalesce(revoked_at, now());
ALTER TABLE accounts.session DROP COLUMN token;

CREATE TABLE accounts.refresh_token (
    token      bytea PRIMARY KEY,               -- digest
    account    text NOT NULL REFERENCES accounts.account,
    session    text NOT NULL REFERENCES accounts.session,
    issued_at  timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz                      -- shown again after that, it ends the session
);
CREATE INDEX refresh_by_session ON accounts.refresh_token (session);

CREATE TABLE accounts.api_key (
    key        text PRIMARY KEY,
    token      bytea NOT NULL UNIQUE,           -- digest
    account    text NOT NULL REFERENCES accounts.account,
    person     text NOT NULL REFERENCES accounts.person,
    name       text NOT NULL,
    scopes     text[] NOT NULL,
    last_four  text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    used_at    timestamptz,
    revoked_at timestamptz
);
CREATE INDEX api_key_by_person ON accounts.api_key (account, person);

CREATE TABLE accounts.identity (                -- who somebody is at a forge
    provider  text NOT NULL,
    subject   text NOT NULL,                    -- their number there; logins change
    account   text NOT NULL REFERENCES accounts.account,
    person    text NOT NULL REFERENCES accounts.person,
    login     text NOT NULL,
    token     bytea NOT NULL,                   -- sealed
    linked_at timestamptz NOT NULL,
    PRIMARY KEY (provider, subject),
    UNIQUE (person, provider)
);

CREATE TABLE accounts.oauth_attempt (           -- somebody was sent to a forge to say who they are
    state      bytea PRIMARY KEY,               -- digest
    browser    bytea NOT NULL,                  -- digest of what its cookie holds
    provider   text NOT NULL,
    verifier   bytea NOT NULL,                  -- sealed
    account    text REFERENCES accounts.account, -- set when an identity is being linked
    person     text REFERENCES accounts.person,
    expires_at timestamptz NOT NULL
);

CREATE TABLE accounts.spent_ticket (            -- stream tickets that were used
    ticket     text PRIMARY KEY,
    expires_at timestamptz NOT NULL
);

-- The walls. The gateway works as a role without a log-in, subject to row-level security, and says
-- in each transaction whose rows it wants: an account, or '*' to look up by a secret's digest.
DO $$
DECLARE
    walled text;
    may_set boolean;
BEGIN
    BEGIN
        CREATE ROLE errand_gateway NOLOGIN NOSUPERUSER NOBYPASSRLS;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN  -- roles are the whole cluster's
        NULL;
    END;
    IF current_setting('server_version_num')::int >= 160000 THEN
        may_set := pg_has_role(current_user, 'errand_gateway', 'SET');
    ELSE
        may_set := pg_has_role(current_user, 'errand_gateway', 'MEMBER');
    END IF;
    IF NOT may_set THEN
        EXECUTE format('GRANT errand_gateway TO %I', current_user);
    END IF;
    FOREACH walled IN ARRAY ARRAY['account', 'person', 'pairing', 'session', 'refresh_token',
                                  'api_key', 'identity', 'oauth_attempt'] LOOP
        EXECUTE format('ALTER TABLE accounts.%I ENABLE ROW LEVEL SECURITY', walled);
        EXECUTE format('ALTER TABLE accounts.%I FORCE ROW LEVEL SECURITY', walled);
        EXECUTE format(
            'CREATE POLICY own ON accounts.%I USING '
            '(current_setting(''errand.account'', true) IN (account, ''*''))', walled);
    END LOOP;
END $$;

GRANT USAGE ON SCHEMA accounts TO errand_gateway;
GRANT SELECT, INSERT, UPDATE, DELETE ON
    accounts.account, accounts.person, accounts.pairing, accounts.session, accounts.refresh_token,
    accounts.api_key, accounts.identity, accounts.oauth_attempt, accounts.spent_ticket,
    accounts.wrong_guess
    TO errand_gateway;
ALTER DEFAULT PRIVILEGES IN SCHEMA accounts
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO errand_gateway;
