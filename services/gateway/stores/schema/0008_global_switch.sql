-- The level of a kill switch that stops everything is called `global`; it was called `house`.
-- Row-level security holds for the owner of the table too: see every row while this runs.
SELECT set_config('errand.account', '*', true);
ALTER TABLE accounts.switch DROP CONSTRAINT switch_scope_check;
UPDATE accounts.switch SET scope = 'global' WHERE scope = 'house';
ALTER TABLE accounts.switch ADD CONSTRAINT switch_scope_check
    CHECK (scope IN ('global', 'account', 'person', 'task'));
