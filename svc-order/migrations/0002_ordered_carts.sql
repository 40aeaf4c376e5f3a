-- Which state of a cart an order was made of; NULL for an order of items. One
-- state of a cart is ordered once, whoever asks how often.
ALTER TABLE orders
    ADD COLUMN cart_id      uuid,
    ADD COLUMN cart_version bigint,
    ADD CONSTRAINT orders_cart UNIQUE (account_id, cart_id, cart_version),
    ADD CONSTRAINT orders_cart_whole CHECK ((cart_id IS NULL) = (cart_version IS NULL));
