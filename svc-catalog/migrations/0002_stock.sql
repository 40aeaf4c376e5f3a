-- What there is, what of it is promised to orders, and to which.
CREATE TABLE stock (
    product_id uuid PRIMARY KEY REFERENCES products (id),
    on_hand    bigint NOT NULL,
    reserved   bigint NOT NULL DEFAULT 0,
    CONSTRAINT stock_reserved_within_on_hand CHECK (reserved >= 0 AND reserved <= on_hand)
);

CREATE TABLE stock_adjustments (
    request_id     uuid PRIMARY KEY,
    product_id     uuid NOT NULL REFERENCES products (id),
    delta          bigint NOT NULL,
    reason         text NOT NULL,
    -- The answer that was given, for a repeat.
    on_hand_after  bigint NOT NULL,
    reserved_after bigint NOT NULL,
    create_time    timestamptz NOT NULL
);
CREATE INDEX stock_adjustments_of_product ON stock_adjustments (product_id, create_time);

-- One row an order, whatever became of it:
--   held      the lines are part of stock.reserved
--   committed the lines have left stock.on_hand
--   released  the order was cancelled (also before anything was reserved)
--   expired   held for too long
--   rejected  there was not enough
CREATE TABLE reservations (
    order_id    uuid PRIMARY KEY,
    status      text NOT NULL
        CHECK (status IN ('held', 'committed', 'released', 'expired', 'rejected')),
    expire_time timestamptz NOT NULL,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL
);
CREATE INDEX reservations_held ON reservations (expire_time) WHERE status = 'held';

CREATE TABLE reservation_lines (
    order_id   uuid NOT NULL REFERENCES reservations (order_id),
    product_id uuid NOT NULL,
    quantity   bigint NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (order_id, product_id)
);
CREATE INDEX reservation_lines_of_product ON reservation_lines (product_id);
