-- Signing in where one is: a code that is mailed beside the link, and a sign-in at GitHub that another
-- browser carries out for an installed app.
ALTER TABLE accounts.pairing ADD COLUMN typed_code bytea;  -- digest; used up together with the link
CREATE UNIQUE INDEX pairing_by_typed_code ON accounts.pairing (typed_code);

CREATE TABLE accounts.app_sign_in (
    secret       bytea PRIMARY KEY,             -- digest of what the app asks with
    code         bytea NOT NULL,                -- digest of what the app shows
    confirmation bytea UNIQUE,                  -- digest of what the browser has, back from the forge
    account      text REFERENCES accounts.account, -- of the person who came back
    person       text REFERENCES accounts.person,
    wrong_codes  integer NOT NULL DEFAULT 0,
    confirmed_at timestamptz,
    expires_at   timestamptz NOT NULL
);
ALTER TABLE accounts.app_sign_in ENABLE ROW LEVEL SECURITY;
ALTER TABLE accounts.app_sign_in FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON accounts.app_sign_in USING
    (current_setting('errand.account', true) IN (account, '*'));

ALTER TABLE accounts.oauth_attempt ADD COLUMN app bytea;   -- the sign-in of an app it is for
