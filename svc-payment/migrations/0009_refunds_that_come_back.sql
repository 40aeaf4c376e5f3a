-- A refund may fail after it was made: the money is back with us then, and may
-- be given again. Each time is booked once, and so is each time it came back.
ALTER TABLE ledger_transactions ADD COLUMN number integer NOT NULL DEFAULT 1 CHECK (number > 0);
ALTER TABLE ledger_transactions
    DROP CONSTRAINT ledger_transactions_kind_source_id_key,
    ADD CONSTRAINT ledger_transactions_booked_once UNIQUE (kind, source_id, number),
    DROP CONSTRAINT ledger_transactions_kind_check,
    ADD CONSTRAINT ledger_transactions_kind_check
        CHECK (kind IN ('sale', 'settlement', 'fee', 'refund', 'refund_reversal'));

-- Null: no comparison found it, we were told of it. None closes it, either.
ALTER TABLE discrepancies ALTER COLUMN seen_number DROP NOT NULL;

-- What a return was promised, where less of the payment was left.
ALTER TABLE refunds
    ADD COLUMN promised_minor bigint,
    ADD CONSTRAINT refunds_promised_more CHECK (
        promised_minor > amount_minor AND cause = 'order_returned' OR promised_minor IS NULL
    );
