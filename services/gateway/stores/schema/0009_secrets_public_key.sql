-- The public key under which the gateway encrypts accounts' secrets; only the broker has its other
-- half. `digest` is made with a secret of this installation: a key that others put here is not used.
CREATE TABLE accounts.secrets_public_key (
    is_only    boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    name       text NOT NULL,                   -- of the key-encryption key whose half it is
    public_key bytea NOT NULL,
    digest     bytea NOT NULL
);
