-- One row for each order that this service has heard of. Whoever changes
-- anything about an order's payment locks this row first: it puts a request
-- and a cancellation into an order, whichever comes first.
CREATE TABLE checkouts (
    order_id    uuid        PRIMARY KEY,
    -- The order was cancelled, perhaps before a payment was requested.
    cancel_time timestamptz,
    create_time timestamptz NOT NULL
);

CREATE TABLE payments (
    -- Also the provider's idempotency key.
    id               uuid        PRIMARY KEY,
    order_id         uuid        NOT NULL UNIQUE REFERENCES checkouts,
    account_id       uuid        NOT NULL,
    status           text        NOT NULL CHECK (
        status IN ('requested', 'captured', 'failed', 'cancelled', 'refunded')
    ),
    currency         text        NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    amount_minor     bigint      NOT NULL CHECK (amount_minor > 0),
    captured_minor   bigint      NOT NULL DEFAULT 0,
    refunded_minor   bigint      NOT NULL DEFAULT 0,
    failure_reason   text,
    -- The provider's token; forgotten as soon as nothing will be charged.
    payment_token    text,
    -- What the provider is asked next, and when. The time is also the lease of
    -- whoever is asking: nobody else asks before it.
    next_call        text        NOT NULL DEFAULT 'charge' CHECK (next_call IN ('charge', 'look_up')),
    due_time         timestamptz,
    attempts         integer     NOT NULL DEFAULT 0,
    last_charge_time timestamptz,
    -- The trace that the request belongs to.
    trace_parent     text,
    create_time      timestamptz NOT NULL,
    update_time      timestamptz NOT NULL,
    CONSTRAINT payments_captured_whole CHECK (captured_minor IN (0, amount_minor)),
    CONSTRAINT payments_captured_by_status CHECK (
        (status IN ('captured', 'refunded')) = (captured_minor > 0)
    ),
    CONSTRAINT payments_refunded_of_captured CHECK (refunded_minor BETWEEN 0 AND captured_minor),
    CONSTRAINT payments_refunded_by_status CHECK (
        (status = 'refunded') = (refunded_minor > 0 AND refunded_minor = captured_minor)
    ),
    CONSTRAINT payments_failed_for_a_reason CHECK ((status = 'failed') = (failure_reason IS NOT NULL)),
    CONSTRAINT payments_due_when_requested CHECK ((status = 'requested') = (due_time IS NOT NULL)),
    CONSTRAINT payments_token_when_requested CHECK (
        (status = 'requested') = (payment_token IS NOT NULL)
    )
);

CREATE INDEX payments_due ON payments (due_time) WHERE status = 'requested';

CREATE TABLE refunds (
    -- Also the provider's idempotency key.
    id           uuid        PRIMARY KEY,
    -- One refund a payment, of the whole.
    payment_id   uuid        NOT NULL UNIQUE REFERENCES payments,
    order_id     uuid        NOT NULL,
    status       text        NOT NULL CHECK (status IN ('requested', 'refunded')),
    currency     text        NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    amount_minor bigint      NOT NULL CHECK (amount_minor > 0),
    next_call    text        NOT NULL DEFAULT 'refund' CHECK (next_call IN ('refund', 'look_up')),
    due_time     timestamptz,
    attempts     integer     NOT NULL DEFAULT 0,
    trace_parent text,
    create_time  timestamptz NOT NULL,
    update_time  timestamptz NOT NULL,
    CONSTRAINT refunds_due_when_requested CHECK ((status = 'requested') = (due_time IS NOT NULL))
);

CREATE INDEX refunds_due ON refunds (due_time) WHERE status = 'requested';

-- Each call to the provider, recorded and committed before it is made.
CREATE TABLE provider_calls (
    payment_id uuid        NOT NULL REFERENCES payments,
    -- Null for calls about the charge.
    refund_id  uuid        REFERENCES refunds,
    number     integer     NOT NULL,
    call       text        NOT NULL CHECK (call IN ('charge', 'refund', 'look_up')),
    begin_time timestamptz NOT NULL,
    -- Null: nobody knows, or not yet.
    end_time   timestamptz,
    outcome    text,
    UNIQUE NULLS NOT DISTINCT (payment_id, refund_id, number)
);

-- Wakes the workers when the transaction commits.
CREATE FUNCTION payment_due() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('payment_due', '');
    RETURN NULL;
END
$$;

CREATE TRIGGER payments_wake AFTER INSERT ON payments
    FOR EACH ROW WHEN (NEW.status = 'requested') EXECUTE FUNCTION payment_due();

CREATE TRIGGER refunds_wake AFTER INSERT ON refunds
    FOR EACH ROW EXECUTE FUNCTION payment_due();
