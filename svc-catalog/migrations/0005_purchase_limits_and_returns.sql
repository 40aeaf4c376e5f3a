-- The most of a product that one account may buy; 0: as much as it likes.
ALTER TABLE products
    ADD COLUMN purchase_limit integer NOT NULL DEFAULT 0 CHECK (purchase_limit >= 0);

-- What came back and went on sale again, each return once. With what was
-- brought in, the adjustments and the committed reservations, on_hand can be
-- computed anew: brought in + adjusted − committed + returned.
CREATE TABLE stock_returns (
    return_id   uuid        PRIMARY KEY,
    order_id    uuid        NOT NULL,
    create_time timestamptz NOT NULL
);

CREATE TABLE stock_return_lines (
    return_id  uuid   NOT NULL REFERENCES stock_returns (return_id),
    product_id uuid   NOT NULL,
    quantity   bigint NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (return_id, product_id)
);
CREATE INDEX stock_return_lines_of_product ON stock_return_lines (product_id);
