-- A row for each account and each product with a purchase limit that it has
-- ordered. Who places an order of it holds the row, so that orders of one
-- account take turns. How many it has bought stands in its orders alone.
CREATE TABLE purchases (
    account_id uuid        NOT NULL,
    product_id uuid        NOT NULL,
    claimed_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, product_id)
);
