-- Refunds come in parts, also for orders that are not cancelled.
ALTER TABLE orders
    ADD COLUMN refunded_minor bigint NOT NULL DEFAULT 0,
    -- Promised for returns, and not given back yet.
    ADD COLUMN owed_minor     bigint NOT NULL DEFAULT 0,
    DROP CONSTRAINT orders_cancelled_when_refunded;
UPDATE orders SET refunded_minor = total_minor WHERE refunded;
ALTER TABLE orders
    ADD CONSTRAINT orders_refunds_within_total CHECK (
        refunded_minor >= 0 AND owed_minor >= 0 AND refunded_minor + owed_minor <= total_minor
    );

ALTER TABLE order_lines
    ADD COLUMN returned_quantity integer NOT NULL DEFAULT 0,
    ADD CONSTRAINT order_lines_returned_within_quantity CHECK (
        returned_quantity BETWEEN 0 AND quantity
    );

-- Each refund that was heard of, so that it counts once.
CREATE TABLE order_refunds (
    account_id   uuid        NOT NULL,
    order_id     uuid        NOT NULL,
    refund_id    uuid        NOT NULL,
    amount_minor bigint      NOT NULL CHECK (amount_minor > 0),
    -- The return that it is for; NULL for a cancelled order, or given by staff.
    return_id    uuid,
    noted_at     timestamptz NOT NULL,
    PRIMARY KEY (account_id, order_id, refund_id),
    FOREIGN KEY (account_id, order_id) REFERENCES orders (account_id, id) ON DELETE CASCADE
);

CREATE TABLE order_returns (
    account_id          uuid        NOT NULL,
    id                  uuid        NOT NULL,
    order_id            uuid        NOT NULL,
    request_id          uuid        NOT NULL,
    -- SHA-256 over the request without its id.
    request_fingerprint bytea       NOT NULL CHECK (octet_length(request_fingerprint) = 32),
    -- In the order's currency.
    refund_minor        bigint      NOT NULL CHECK (refund_minor >= 0),
    reason              text        NOT NULL,
    created_at          timestamptz NOT NULL,
    PRIMARY KEY (account_id, id),
    CONSTRAINT order_returns_request UNIQUE (account_id, request_id),
    FOREIGN KEY (account_id, order_id) REFERENCES orders (account_id, id) ON DELETE CASCADE
);

-- Staff's request ids are looked up whosever order they are about.
CREATE INDEX order_returns_request_id ON order_returns (request_id);

CREATE TABLE order_return_lines (
    account_id uuid    NOT NULL,
    return_id  uuid    NOT NULL,
    position   integer NOT NULL,
    product_id uuid    NOT NULL,
    quantity   integer NOT NULL CHECK (quantity > 0),
    -- Goes on sale again.
    restock    boolean NOT NULL,
    PRIMARY KEY (account_id, return_id, position),
    FOREIGN KEY (account_id, return_id) REFERENCES order_returns (account_id, id) ON DELETE CASCADE
);

-- What staff did to orders. It only grows; it stays when the order goes.
CREATE TABLE audit_records (
    -- Whose order.
    account_id uuid        NOT NULL,
    id         uuid        NOT NULL,
    order_id   uuid        NOT NULL,
    -- Stable upper-snake: "ORDER_RETURNED".
    action     text        NOT NULL,
    -- The account of who did it.
    actor_id   uuid        NOT NULL,
    reason     text        NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, id)
);

CREATE INDEX audit_records_id ON audit_records (id);
CREATE INDEX audit_records_of_order ON audit_records (order_id, id);

CREATE FUNCTION audit_records_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit records are never changed';
END
$$;

CREATE TRIGGER audit_records_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_records
    FOR EACH STATEMENT EXECUTE FUNCTION audit_records_stay();
