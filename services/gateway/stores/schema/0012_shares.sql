-- Links by which people without an account may look at a task; who made them, and when.

CREATE TABLE accounts.share (
    share         text PRIMARY KEY,
    account       text NOT NULL REFERENCES accounts.account,
    task          text NOT NULL,
    person        text NOT NULL,
    digest        bytea NOT NULL UNIQUE,        -- of the secret; the secret is never stored
    parts         jsonb NOT NULL,               -- events.protocol.api.shares.SharedParts
    up_to_version bigint,                       -- none: it goes on with the task
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz,
    revoked_at    timestamptz,
    revoked_by    text,
    views         bigint NOT NULL DEFAULT 0,
    viewed_at     timestamptz
);
CREATE INDEX share_by_account ON accounts.share (account, created_at DESC);

ALTER TABLE accounts.share ENABLE ROW LEVEL SECURITY;
ALTER TABLE accounts.share FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON accounts.share USING
    (current_setting('errand.account', true) IN (account, '*'));
