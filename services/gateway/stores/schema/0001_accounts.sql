-- People, devices and credentials. The gateway's own; never in the log, never dropped.
-- Tokens and codes are stored as HMAC-SHA256 digests only.

CREATE TABLE accounts.account (
    account    text PRIMARY KEY,
    name       text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL
);

CREATE TABLE accounts.person (
    person     text PRIMARY KEY,
    account    text NOT NULL REFERENCES accounts.account,
    name       text NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (account, name)
);

CREATE TABLE accounts.pairing (
    code       bytea PRIMARY KEY,               -- digest
    account    text NOT NULL REFERENCES accounts.account,
    person     text NOT NULL REFERENCES accounts.person,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);

CREATE TABLE accounts.session (
    session    text PRIMARY KEY,
    token      bytea NOT NULL UNIQUE,           -- digest
    account    text NOT NULL REFERENCES accounts.account,
    person     text NOT NULL REFERENCES accounts.person,
    device     text NOT NULL,
    platform   text NOT NULL,
    created_at timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE INDEX session_by_person ON accounts.session (account, person);

CREATE TABLE accounts.wrong_guess (             -- of pairing codes, a minute
    source text NOT NULL,
    minute timestamptz NOT NULL,
    count  int NOT NULL,
    PRIMARY KEY (source, minute)
);

CREATE TABLE accounts.claim (                   -- each attempt claims its credentials once
    task       text NOT NULL,
    attempt    int NOT NULL,
    account    text NOT NULL,
    machine    text NOT NULL,
    claimed_at timestamptz NOT NULL,
    PRIMARY KEY (task, attempt)
);

CREATE TABLE accounts.broker_token (
    token      bytea PRIMARY KEY,               -- digest
    account    text NOT NULL,
    task       text NOT NULL,
    attempt    int NOT NULL,
    expires_at timestamptz NOT NULL,
    FOREIGN KEY (task, attempt) REFERENCES accounts.claim
);
