-- What the agent asked leave for. No event of the kind is older than this table.

CREATE TABLE read.approval (
    task        text,
    request     text,
    account     text,
    version     bigint,
    call        text,
    tool        text,
    title       text,
    digest      text,                           -- of tool, arguments and tree
    covers      text,                           -- what an answer for the whole task allows
    command     text,
    diff        text,
    asked_at    timestamptz,
    expires_at  timestamptz,
    verdict     text,                           -- allow, deny; null while unanswered
    reason      text,
    scope       text,                           -- once, task
    answered_by text,
    answered_at timestamptz,
    PRIMARY KEY (task, request)
);
