-- Three more models. They begin with the first event of the log as all others do, so the projector
-- folds it anew; what was here is a fold of the same log.

TRUNCATE read.task, read.message, read.tool_call, read.usage, read.machine, read.pull_request,
    read.artifact;
UPDATE read.checkpoint SET sequence = 0;

CREATE TABLE read.event (
    sequence bigint PRIMARY KEY,                -- the place in the whole log
    task     text,
    version  bigint,                            -- the place in the task's history
    type     text,
    at       timestamptz,                       -- the writer's clock
    by       text
);
CREATE INDEX event_by_task ON read.event (task, version);

CREATE TABLE read.question (
    task        text,
    request     text,
    account     text,
    version     bigint,
    text        text,
    options     text[],
    asked_at    timestamptz,
    answer      text,
    answered_at timestamptz,
    PRIMARY KEY (task, request)
);

CREATE TABLE read.snapshot (
    task       text,
    version    bigint,
    tree       text,
    key        text,                            -- of the pack, in the object store
    size_bytes bigint,
    sha256     text,
    files      bigint,
    insertions bigint,
    deletions  bigint,
    at         timestamptz,
    PRIMARY KEY (task, version)
);

-- Whatever number a worker writes must find room.
ALTER TABLE read.tool_call ALTER COLUMN exit_code TYPE bigint;
ALTER TABLE read.usage ALTER COLUMN turn TYPE bigint;
ALTER TABLE read.machine ALTER COLUMN attempt TYPE bigint;
ALTER TABLE read.pull_request ALTER COLUMN number TYPE bigint;
ALTER TABLE read.pull_request DROP COLUMN repository; -- it is the task's
