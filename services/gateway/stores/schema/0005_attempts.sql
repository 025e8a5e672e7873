-- What an attempt is bound to when it is claimed, from the verified history: nothing that stands in
-- the log afterwards moves it. Empty in rows of before; those are read from the history.

ALTER TABLE accounts.broker_token
    ADD COLUMN repository text NOT NULL DEFAULT '',
    ADD COLUMN person     text NOT NULL DEFAULT '',
    ADD COLUMN model      text NOT NULL DEFAULT '';
