-- Accounts. The e-mail address is kept in its canonical form, so that one
-- mailbox opens one account.
CREATE TABLE accounts (
    id uuid PRIMARY KEY,
    email text NOT NULL UNIQUE CHECK (email = lower(email) AND length(email) <= 254),
    -- A PHC string: algorithm, parameters, salt and hash.
    password_hash text NOT NULL,
    display_name text NOT NULL,
    roles text[] NOT NULL,
    -- The etag: grows with each change that the owner sees.
    version bigint NOT NULL DEFAULT 1,
    -- Sessions of an earlier epoch are over: grows when the password is replaced.
    session_epoch bigint NOT NULL DEFAULT 1,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL
);
