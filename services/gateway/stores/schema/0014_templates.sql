-- Templates of tasks, and quick replies: what a person keeps to write it only once.

CREATE TABLE accounts.template (
    account    text NOT NULL REFERENCES accounts.account,
    person     text NOT NULL REFERENCES accounts.person,
    template   text PRIMARY KEY,
    kind       text NOT NULL,
    content    jsonb NOT NULL,                  -- events.protocol.api.templates.TemplateRequest
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX template_by_person ON accounts.template (person, created_at);

ALTER TABLE accounts.template ENABLE ROW LEVEL SECURITY;
ALTER TABLE accounts.template FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON accounts.template USING
    (current_setting('errand.account', true) IN (account, '*'));
