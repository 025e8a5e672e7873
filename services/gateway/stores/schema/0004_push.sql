-- Where people's devices are reached, and what was sent to them. None of it is in the log.

CREATE TABLE accounts.device (
    device         text PRIMARY KEY,
    account        text NOT NULL REFERENCES accounts.account,
    person         text NOT NULL REFERENCES accounts.person,
    session        text NOT NULL,               -- with which it was registered last
    kind           text NOT NULL,               -- web, apns, fcm
    name           text NOT NULL,
    address        bytea,                       -- JSON; forgotten once it is dead
    address_digest bytea UNIQUE,
    created_at     timestamptz NOT NULL,
    seen_at        timestamptz NOT NULL,
    dead_at        timestamptz,
    dead_reason    text NOT NULL DEFAULT ''
);
CREATE INDEX device_by_person ON accounts.device (account, person);

CREATE TABLE accounts.push (
    push         uuid PRIMARY KEY,              -- follows from device, task, version and class
    number       bigint GENERATED ALWAYS AS IDENTITY,
    device       text NOT NULL REFERENCES accounts.device ON DELETE CASCADE,
    task         text,                          -- none for a test
    version      int NOT NULL,
    class        text NOT NULL,                 -- needs_input, done, failed, withdrawn, test
    about        text NOT NULL,                 -- the event's tag
    title        text NOT NULL,
    state        text NOT NULL DEFAULT 'waiting',
    created_at   timestamptz NOT NULL,
    due_at       timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    leased_until timestamptz NOT NULL DEFAULT '-infinity',
    ended_at     timestamptz,
    UNIQUE (device, task, version, class)
);
CREATE INDEX push_due ON accounts.push (due_at) WHERE state = 'waiting';
CREATE INDEX push_by_device ON accounts.push (device, number);
CREATE INDEX push_ended ON accounts.push (ended_at);

CREATE TABLE accounts.push_attempt (            -- begun before the push service is called
    push     uuid NOT NULL REFERENCES accounts.push ON DELETE CASCADE,
    number   int NOT NULL,
    begun_at timestamptz NOT NULL,
    status   int,                               -- none: how it ended is not known
    reason   text NOT NULL DEFAULT '',
    seconds  double precision,
    PRIMARY KEY (push, number)
);

CREATE TABLE accounts.push_position (           -- how far the log is read; one row a log
    log_created_at timestamptz PRIMARY KEY,
    sequence       bigint NOT NULL
);

ALTER TABLE accounts.device ENABLE ROW LEVEL SECURITY;
ALTER TABLE accounts.device FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON accounts.device USING
    (current_setting('errand.account', true) IN (account, '*'));
