-- For the question "was something like this asked before?". A worker may write covers of any length
-- up to a line's; an index entry holds 2,704 bytes, so its hash stands there.

CREATE INDEX approval_by_kind ON read.approval (account, md5(covers), asked_at DESC);
