-- What the broker spends, and what may stop it. Money in millionths of a US dollar.
--
-- A purse is what one limit is kept on: a task's whole life, a person's or an account's day or
-- month. Every call of a model draws on several; what it may cost at most is reserved on each of
-- them before, and what it did cost is put in its place afterwards.

CREATE TABLE accounts.purse (
    purse             text PRIMARY KEY,         -- see services/gateway/broker/accounting/spend_limits.py
    spent_microusd    bigint NOT NULL DEFAULT 0 CHECK (spent_microusd >= 0),
    reserved_microusd bigint NOT NULL DEFAULT 0 CHECK (reserved_microusd >= 0)
);

CREATE TABLE accounts.spending_limit (          -- no row: no limit
    owner          text NOT NULL,               -- a person or an account
    per            text NOT NULL CHECK (per IN ('day', 'month')),
    limit_microusd bigint NOT NULL CHECK (limit_microusd >= 0),
    PRIMARY KEY (owner, per)
);

CREATE TABLE accounts.model_call (
    call              text PRIMARY KEY,
    gateway           text NOT NULL,            -- which process makes it
    account           text NOT NULL,
    person            text NOT NULL,
    task              text NOT NULL,
    attempt           int NOT NULL,
    model             text NOT NULL,
    is_own_key        boolean NOT NULL,         -- the account's key, not the house's
    purses            text[] NOT NULL,
    state             text NOT NULL DEFAULT 'open'
                      CHECK (state IN ('open', 'settled', 'presumed', 'released')),
    most_microusd     bigint NOT NULL,          -- what it may cost as far as is known
    most_output       bigint NOT NULL,          -- tokens
    cost_microusd     bigint NOT NULL DEFAULT 0,
    request           text NOT NULL DEFAULT '', -- the provider's id for it
    input_tokens                bigint NOT NULL DEFAULT 0,
    output_tokens               bigint NOT NULL DEFAULT 0,
    cache_creation_input_tokens bigint NOT NULL DEFAULT 0,
    cache_read_input_tokens     bigint NOT NULL DEFAULT 0,
    hourly_tokens               bigint NOT NULL DEFAULT 0, -- of the cache's, kept for an hour
    opened_at         timestamptz NOT NULL,
    closed_at         timestamptz
);
CREATE INDEX model_call_by_account ON accounts.model_call (account, opened_at);
CREATE INDEX model_call_open ON accounts.model_call (opened_at) WHERE state = 'open';
CREATE INDEX model_call_presumed ON accounts.model_call (opened_at) WHERE state = 'presumed';

CREATE TABLE accounts.gateway (                 -- processes that make calls, while they live
    gateway text PRIMARY KEY,
    seen_at timestamptz NOT NULL
);

CREATE TABLE accounts.switch (                  -- thrown: what is under it may not call a model
    scope     text NOT NULL CHECK (scope IN ('house', 'account', 'person', 'task')),
    owner     text NOT NULL,                    -- empty for the house
    reason    text NOT NULL,
    thrown_at timestamptz NOT NULL,
    PRIMARY KEY (scope, owner)
);

CREATE TABLE accounts.secret (                  -- sealed; see services/gateway/broker/sealing.py
    secret      text PRIMARY KEY,
    account     text NOT NULL REFERENCES accounts.account,
    provider    text NOT NULL,
    name        text NOT NULL,
    version     int NOT NULL,
    last4       text NOT NULL,
    sealed      bytea NOT NULL,                 -- the secret, under a key of its own
    wrapped     bytea NOT NULL,                 -- that key, under a key-encryption key
    wrapped_by  text NOT NULL,                  -- which one
    created_at  timestamptz NOT NULL,
    UNIQUE (account, provider, name)
);

-- `accounts.reserve`, with which a call begins, is made in 0007_default_limits.sql.

-- Close a call: what it cost in place of what was reserved. One that was presumed may be closed
-- once more, when more is known. Answers whether there was anything to close.
CREATE FUNCTION accounts.close_call(
    the_call text, new_state text, cost bigint, tokens bigint[], provider_request text,
    at timestamptz
) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    was accounts.model_call;
BEGIN
    SELECT * INTO was FROM accounts.model_call c WHERE c.call = the_call FOR UPDATE;
    IF was.call IS NULL OR was.state NOT IN ('open', 'presumed') THEN
        RETURN false;
    END IF;
    PERFORM FROM accounts.purse p WHERE p.purse = ANY (was.purses) ORDER BY p.purse FOR UPDATE;
    UPDATE accounts.purse p SET
        spent_microusd = p.spent_microusd + cost - was.cost_microusd,
        reserved_microusd = p.reserved_microusd
            - CASE WHEN was.state = 'open' THEN was.most_microusd ELSE 0 END
        WHERE p.purse = ANY (was.purses);
    UPDATE accounts.model_call c SET
        state = new_state, cost_microusd = cost, closed_at = at,
        request = coalesce(nullif(provider_request, ''), c.request),
        input_tokens = tokens[1], output_tokens = tokens[2],
        cache_creation_input_tokens = tokens[3], cache_read_input_tokens = tokens[4],
        hourly_tokens = tokens[5]
        WHERE c.call = the_call;
    RETURN true;
END $$;

-- Take note of what the provider says as an answer begins: its id, the prompt's tokens, and with
-- them what the call may cost at most, which is less than was reserved.
CREATE FUNCTION accounts.begin_call(
    the_call text, most bigint, tokens bigint[], provider_request text
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    was accounts.model_call;
BEGIN
    SELECT * INTO was FROM accounts.model_call c WHERE c.call = the_call FOR UPDATE;
    IF was.call IS NULL OR was.state <> 'open' THEN
        RETURN;
    END IF;
    PERFORM FROM accounts.purse p WHERE p.purse = ANY (was.purses) ORDER BY p.purse FOR UPDATE;
    UPDATE accounts.purse p SET reserved_microusd = p.reserved_microusd + most - was.most_microusd
        WHERE p.purse = ANY (was.purses);
    UPDATE accounts.model_call c SET
        most_microusd = most, request = provider_request,
        input_tokens = tokens[1], output_tokens = tokens[2],
        cache_creation_input_tokens = tokens[3], cache_read_input_tokens = tokens[4],
        hourly_tokens = tokens[5]
        WHERE c.call = the_call;
END $$;
