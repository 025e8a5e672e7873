-- How far each person has looked at each task, on whichever device. Ids and numbers, no content.

CREATE TABLE accounts.seen (
    account text NOT NULL REFERENCES accounts.account,
    person  text NOT NULL REFERENCES accounts.person,
    task    text NOT NULL,
    version bigint NOT NULL,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (person, task)
);
CREATE INDEX seen_newest ON accounts.seen (person, seen_at);
CREATE INDEX seen_by_task ON accounts.seen (task);

ALTER TABLE accounts.seen ENABLE ROW LEVEL SECURITY;
ALTER TABLE accounts.seen FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON accounts.seen USING
    (current_setting('errand.account', true) IN (account, '*'));
