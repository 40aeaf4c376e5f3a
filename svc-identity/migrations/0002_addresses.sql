-- The address book of an account.
CREATE TABLE addresses (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    label text NOT NULL,
    recipient text NOT NULL,
    address_lines text[] NOT NULL,
    locality text NOT NULL,
    administrative_area text NOT NULL,
    postal_code text NOT NULL,
    region_code text NOT NULL CHECK (region_code ~ '^[A-Z]{2}$'),
    is_default boolean NOT NULL,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL
);

CREATE INDEX addresses_by_account ON addresses (account_id, create_time, id);
CREATE UNIQUE INDEX addresses_one_default ON addresses (account_id) WHERE is_default;
