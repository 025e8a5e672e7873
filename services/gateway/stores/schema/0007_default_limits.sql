-- A limit that is set for an owner stands before the one a call brings with it, which is the task's
-- own budget or this installation's default for an account's day. Databases of before have another
-- version of this function, from 0003 or from this file when it was numbered 0005: it replaces both.

-- Reserve on every purse a call draws on, or on none. The row locks, taken in one order, make calls
-- that race for a purse wait for each other. Answers with the first limit that stands against it.
CREATE OR REPLACE FUNCTION accounts.reserve(
    new accounts.model_call, owners text[], pers text[], mosts bigint[]
) RETURNS TABLE (purse text, spent bigint, reserved bigint, most bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO accounts.purse (purse) SELECT unnest(new.purses) ORDER BY 1 ON CONFLICT DO NOTHING;
    PERFORM FROM accounts.purse p WHERE p.purse = ANY (new.purses) ORDER BY p.purse FOR UPDATE;
    RETURN QUERY
        SELECT p.purse, p.spent_microusd, p.reserved_microusd, coalesce(l.limit_microusd, w.most)
        FROM unnest(new.purses, owners, pers, mosts) AS w (purse, owner, per, most)
        JOIN accounts.purse p ON p.purse = w.purse
        LEFT JOIN accounts.spending_limit l ON l.owner = w.owner AND l.per = w.per
        WHERE p.spent_microusd + p.reserved_microusd + new.most_microusd
              > coalesce(l.limit_microusd, w.most)
        ORDER BY p.spent_microusd + new.most_microusd > coalesce(l.limit_microusd, w.most) DESC,
                 p.purse DESC
        LIMIT 1;
    IF FOUND THEN
        RETURN;
    END IF;
    UPDATE accounts.purse p SET reserved_microusd = p.reserved_microusd + new.most_microusd
        WHERE p.purse = ANY (new.purses);
    INSERT INTO accounts.model_call SELECT (new).*;
END $$;
