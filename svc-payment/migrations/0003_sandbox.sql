-- The records of the provider for development. They play an outside system:
-- only the provider's own connections touch them, never a transaction of ours.
CREATE SCHEMA sandbox;

CREATE TABLE sandbox.charges (
    -- The idempotency key.
    payment_id     uuid        PRIMARY KEY,
    currency       text        NOT NULL,
    amount_minor   bigint      NOT NULL CHECK (amount_minor > 0),
    -- Null: captured.
    decline_reason text,
    create_time    timestamptz NOT NULL
);

CREATE TABLE sandbox.refunds (
    -- The idempotency key.
    refund_id    uuid        PRIMARY KEY,
    payment_id   uuid        NOT NULL REFERENCES sandbox.charges,
    currency     text        NOT NULL,
    amount_minor bigint      NOT NULL CHECK (amount_minor > 0),
    create_time  timestamptz NOT NULL
);

CREATE INDEX refunds_payment ON sandbox.refunds (payment_id);
