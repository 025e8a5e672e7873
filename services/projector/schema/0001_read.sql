-- Everything here is a fold of the log and may be dropped at any moment.

CREATE TABLE read.checkpoint (
    projection  text        PRIMARY KEY,
    sequence    bigint      NOT NULL,           -- the last sequence applied
    log_created timestamptz NOT NULL            -- which log it counts in
);

CREATE TABLE read.task (
    task         text PRIMARY KEY,
    account      text,
    version      bigint,
    phase        text,
    waiting      text,
    repository   text,
    submitted_at timestamptz,
    updated_at   timestamptz,
    state        jsonb                          -- events.protocol.task_state.TaskState
);
CREATE INDEX task_by_account ON read.task (account, submitted_at DESC, task DESC);

CREATE TABLE read.message (
    task    text,
    version bigint,
    role    text,                               -- person, agent, question, answer
    text    text,
    at      timestamptz,
    PRIMARY KEY (task, version)
);

CREATE TABLE read.tool_call (
    task         text,
    call         text,
    version      bigint,
    tool         text,
    title        text,
    started_at   timestamptz,
    ended_at     timestamptz,
    exit_code    int,
    is_error     boolean,
    is_truncated boolean,
    interrupted  text,
    output       text,
    seconds      double precision,
    PRIMARY KEY (task, call)
);

CREATE TABLE read.usage (
    task                        text,
    version                     bigint,
    account                     text,
    model                       text,
    turn                        int,
    input_tokens                bigint,
    output_tokens               bigint,
    cache_creation_input_tokens bigint,
    cache_read_input_tokens     bigint,
    cost_microusd               bigint,
    at                          timestamptz,
    PRIMARY KEY (task, version)
);
CREATE INDEX usage_by_account ON read.usage (account, at);

CREATE TABLE read.machine (
    task           text,
    attempt        int,
    account        text,
    name           text,
    machine        text,
    region         text,
    requested_at   timestamptz,
    started_at     timestamptz,
    start_seconds  double precision,
    ended_at       timestamptz,
    outcome        text,                        -- refused:…, lost:…, destroyed
    billed_seconds double precision,
    cost_microusd  bigint,
    PRIMARY KEY (task, attempt)
);

CREATE TABLE read.pull_request (
    task       text,
    number     int,
    account    text,
    repository text,
    url        text,
    title      text,
    opened_at  timestamptz,
    PRIMARY KEY (task, number)
);

CREATE TABLE read.artifact (
    task       text,
    name       text,
    account    text,
    media_type text,
    key        text,
    size_bytes bigint,
    sha256     text,
    stored_at  timestamptz,
    PRIMARY KEY (task, name)
);
