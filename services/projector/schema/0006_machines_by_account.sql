-- For an account's costs by day.

CREATE INDEX machine_by_account ON read.machine (account, requested_at);
