-- The ledger. It holds balanced transactions only, and nothing in it is ever
-- changed or deleted: a mistake is mended by a further transaction.
CREATE TABLE ledger_transactions (
    id          uuid        PRIMARY KEY,
    order_id    uuid        NOT NULL,
    kind        text        NOT NULL CHECK (kind IN ('sale', 'settlement', 'refund')),
    -- The payment or refund that it books; each is booked once.
    source_id   uuid        NOT NULL,
    create_time timestamptz NOT NULL,
    UNIQUE (kind, source_id),
    UNIQUE (id, order_id)
);

CREATE TABLE ledger_entries (
    transaction_id uuid    NOT NULL,
    position       integer NOT NULL,
    order_id       uuid    NOT NULL,
    account        text    NOT NULL CHECK (
        account IN ('customer_receivable', 'cash_at_provider', 'revenue', 'refunds')
    ),
    currency       text    NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    -- Debits are positive, credits negative.
    amount_minor   bigint  NOT NULL CHECK (amount_minor <> 0),
    PRIMARY KEY (transaction_id, position),
    FOREIGN KEY (transaction_id, order_id) REFERENCES ledger_transactions (id, order_id)
);

CREATE INDEX ledger_entries_order ON ledger_entries (order_id);

-- Looks at a transaction when it is about to be committed.
CREATE FUNCTION ledger_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    checked uuid;
BEGIN
    IF TG_TABLE_NAME = 'ledger_transactions' THEN
        checked := NEW.id;
        IF NOT EXISTS (SELECT FROM ledger_entries WHERE transaction_id = checked) THEN
            RAISE EXCEPTION 'ledger transaction % has no entries', checked
                USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_balanced';
        END IF;
    ELSE
        checked := NEW.transaction_id;
    END IF;
    IF EXISTS (
        SELECT FROM ledger_entries WHERE transaction_id = checked
        GROUP BY currency HAVING sum(amount_minor) <> 0
    ) THEN
        RAISE EXCEPTION 'ledger transaction % does not balance', checked
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_balanced';
    END IF;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER ledger_transactions_balanced AFTER INSERT ON ledger_transactions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_balanced();

CREATE CONSTRAINT TRIGGER ledger_entries_balanced AFTER INSERT ON ledger_entries
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_balanced();

CREATE FUNCTION ledger_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', CONSTRAINT = 'ledger_append_only';
END
$$;

CREATE TRIGGER ledger_transactions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transactions
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_append_only();

CREATE TRIGGER ledger_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_append_only();
