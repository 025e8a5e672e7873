-- When the newest access token was issued that a session was seen to use: its renewal arrived.
-- Sessions from before are taken to have received theirs.

ALTER TABLE accounts.session ADD COLUMN received_at timestamptz DEFAULT now();
ALTER TABLE accounts.session ALTER COLUMN received_at DROP DEFAULT;
