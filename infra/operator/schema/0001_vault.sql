-- The keys under which the archive seals each task's bodies. Not in the log, not in the archive:
-- a key destroyed here makes what was sealed under it unreadable wherever a copy of it lies.

CREATE TABLE vault.task_key (
    key        text PRIMARY KEY,                -- its name; archived records say it
    task       text NOT NULL,
    wrapped    bytea NOT NULL,                  -- AES-256-GCM under the key-encryption key, nonce first
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX task_key_by_task ON vault.task_key (task);
