-- Only the primary key begins with the account. When there were other indexes
-- that do, PostgreSQL took one of them to check that a line has its order, as
-- long as it knew nothing of the table, and read all orders of the account.
CREATE UNIQUE INDEX orders_of_request ON orders (request_id, account_id);
ALTER TABLE orders DROP CONSTRAINT orders_request;

CREATE UNIQUE INDEX orders_of_cart ON orders (cart_id, cart_version, account_id)
    WHERE cart_id IS NOT NULL;
ALTER TABLE orders DROP CONSTRAINT orders_cart;

CREATE UNIQUE INDEX order_returns_of_request ON order_returns (request_id, account_id);
ALTER TABLE order_returns DROP CONSTRAINT order_returns_request;
DROP INDEX order_returns_request_id;
