-- Every key carries the account, so that the tables distribute by it later.
CREATE TABLE orders (
    account_id          uuid        NOT NULL,
    id                  uuid        NOT NULL,
    request_id          uuid        NOT NULL,
    -- SHA-256 over the request without its id.
    request_fingerprint bytea       NOT NULL CHECK (octet_length(request_fingerprint) = 32),
    status              text        NOT NULL CHECK (
        status IN ('pending', 'reserved', 'confirmed', 'shipped', 'delivered', 'cancelled')
    ),
    currency            text        NOT NULL CHECK (length(currency) = 3),
    total_minor         bigint      NOT NULL CHECK (total_minor > 0),
    -- The provider's token; forgotten as soon as no payment will be requested.
    payment_token       text,
    payment_id          uuid,
    paid                boolean     NOT NULL DEFAULT false,
    refunded            boolean     NOT NULL DEFAULT false,
    shipping_address    jsonb       NOT NULL,
    cancel_reason       text,
    carrier             text,
    tracking_code       text,
    -- How often the present step was announced again, and when to look next.
    announcements       integer     NOT NULL DEFAULT 0,
    next_check_at       timestamptz NOT NULL,
    -- Grows with each change of what a customer sees.
    version             bigint      NOT NULL DEFAULT 1,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    PRIMARY KEY (account_id, id),
    CONSTRAINT orders_request UNIQUE (account_id, request_id),
    CONSTRAINT orders_paid_when_confirmed CHECK (
        status NOT IN ('confirmed', 'shipped', 'delivered') OR (paid AND payment_id IS NOT NULL)
    ),
    CONSTRAINT orders_payment_when_reserved CHECK (
        status <> 'reserved' OR (payment_id IS NOT NULL AND payment_token IS NOT NULL)
    ),
    CONSTRAINT orders_token_when_pending CHECK (status <> 'pending' OR payment_token IS NOT NULL),
    CONSTRAINT orders_reason_when_cancelled CHECK ((status = 'cancelled') = (cancel_reason IS NOT NULL)),
    CONSTRAINT orders_cancelled_when_refunded CHECK (NOT refunded OR status = 'cancelled'),
    CONSTRAINT orders_carrier_when_shipped CHECK ((status IN ('shipped', 'delivered')) = (carrier IS NOT NULL))
);

-- Events and staff know the order's id alone. Ids are unique by their making;
-- a unique index without the account would not distribute.
CREATE INDEX orders_id ON orders (id);

-- What the reconciler looks at.
CREATE INDEX orders_unfinished ON orders (next_check_at) WHERE status IN ('pending', 'reserved');

CREATE TABLE order_lines (
    account_id       uuid    NOT NULL,
    order_id         uuid    NOT NULL,
    position         integer NOT NULL,
    product_id       uuid    NOT NULL,
    title            text    NOT NULL,
    quantity         integer NOT NULL CHECK (quantity > 0),
    -- In the order's currency.
    unit_price_minor bigint  NOT NULL CHECK (unit_price_minor >= 0),
    PRIMARY KEY (account_id, order_id, position),
    FOREIGN KEY (account_id, order_id) REFERENCES orders (account_id, id) ON DELETE CASCADE
);

-- What became of an order, and when. That it was placed stands in the order.
CREATE TABLE order_changes (
    account_id uuid        NOT NULL,
    order_id   uuid        NOT NULL,
    version    bigint      NOT NULL,
    status     text        NOT NULL,
    paid       boolean     NOT NULL,
    refunded   boolean     NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, order_id, version),
    FOREIGN KEY (account_id, order_id) REFERENCES orders (account_id, id) ON DELETE CASCADE
);
