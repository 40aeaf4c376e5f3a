-- An order that is on its way, and one of which something came back.
ALTER TABLE deliveries
    DROP CONSTRAINT deliveries_template_check,
    ADD CONSTRAINT deliveries_template_check CHECK (
        template IN ('welcome', 'order_confirmed', 'order_cancelled', 'order_shipped', 'order_returned')
    );
