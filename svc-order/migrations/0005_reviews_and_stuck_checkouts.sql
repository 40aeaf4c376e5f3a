-- Orders that a fraud screen doubts. Most orders have no row.
CREATE TABLE order_reviews (
    account_id uuid        NOT NULL,
    order_id   uuid        NOT NULL,
    state      text        NOT NULL CHECK (state IN ('pending', 'approved', 'rejected')),
    -- Stable upper-snake: "AMOUNT_HIGH".
    reasons    text[]      NOT NULL,
    created_at timestamptz NOT NULL,
    -- The account of who decided, when, and why.
    decided_by uuid,
    decided_at timestamptz,
    note       text,
    PRIMARY KEY (account_id, order_id),
    FOREIGN KEY (account_id, order_id) REFERENCES orders (account_id, id) ON DELETE CASCADE,
    CONSTRAINT order_reviews_decision_whole CHECK (
        (state = 'pending') = (decided_by IS NULL)
        AND (decided_by IS NULL) = (decided_at IS NULL)
        AND (decided_by IS NULL) = (note IS NULL)
    )
);

CREATE INDEX order_reviews_of_state ON order_reviews (state, order_id);

-- Why the reconciler could not resume the checkout when it last tried; no
-- personal data.
ALTER TABLE orders ADD COLUMN last_error text;
