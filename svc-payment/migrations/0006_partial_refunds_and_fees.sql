-- A payment may have several refunds, of parts of it.
ALTER TABLE refunds DROP CONSTRAINT refunds_payment_id_key;
CREATE INDEX refunds_of_payment ON refunds (payment_id, id);

ALTER TABLE refunds
    -- Who or what wants the money back.
    ADD COLUMN cause text NOT NULL DEFAULT 'order_cancelled'
        CHECK (cause IN ('order_cancelled', 'order_returned', 'staff')),
    -- The return of the order that it is for; each is paid back once.
    ADD COLUMN return_id uuid UNIQUE,
    -- The request of staff that it is for; each is done once.
    ADD COLUMN request_id uuid UNIQUE,
    -- What staff noted, and who it was.
    ADD COLUMN reason text,
    ADD COLUMN staff_id uuid,
    -- When the provider was last asked to give the money back.
    ADD COLUMN last_refund_time timestamptz;

ALTER TABLE refunds DROP CONSTRAINT refunds_status_check;
ALTER TABLE refunds
    ADD CONSTRAINT refunds_status_check CHECK (status IN ('requested', 'refunded', 'refused')),
    ADD CONSTRAINT refunds_return_by_cause CHECK (
        (cause = 'order_returned') = (return_id IS NOT NULL)
    ),
    ADD CONSTRAINT refunds_staff_by_cause CHECK (
        CASE WHEN cause = 'staff'
            THEN request_id IS NOT NULL AND reason IS NOT NULL AND staff_id IS NOT NULL
            ELSE request_id IS NULL AND reason IS NULL AND staff_id IS NULL
        END
    );

CREATE INDEX refunds_status ON refunds (status, id);

UPDATE refunds SET last_refund_time = create_time WHERE attempts > 0;

-- A refund that is asked for again wakes the workers as a new one does.
CREATE TRIGGER refunds_wake_again AFTER UPDATE OF status ON refunds
    FOR EACH ROW WHEN (NEW.status = 'requested' AND OLD.status <> 'requested')
    EXECUTE FUNCTION payment_due();

-- All refunds of a payment together, whatever became of them.
ALTER TABLE payments ADD COLUMN refund_requested_minor bigint NOT NULL DEFAULT 0;
UPDATE payments SET refund_requested_minor = requested.minor
FROM (SELECT payment_id, sum(amount_minor) AS minor FROM refunds GROUP BY payment_id) AS requested
WHERE requested.payment_id = payments.id;

-- Counted by the database itself, so that no refund can be written beside it.
CREATE FUNCTION count_refund() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE payments SET refund_requested_minor = refund_requested_minor + NEW.amount_minor
    WHERE id = NEW.payment_id AND currency = NEW.currency;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'refund % is of another currency than its payment', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refunds_currency';
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER refunds_counted AFTER INSERT ON refunds
    FOR EACH ROW EXECUTE FUNCTION count_refund();

CREATE FUNCTION refund_is_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'refund % is never deleted, and its amount never changes', OLD.id
        USING ERRCODE = 'restrict_violation', CONSTRAINT = 'refunds_fixed';
END
$$;

CREATE TRIGGER refunds_amount_fixed BEFORE UPDATE OF payment_id, currency, amount_minor ON refunds
    FOR EACH ROW EXECUTE FUNCTION refund_is_fixed();

CREATE TRIGGER refunds_never_deleted BEFORE DELETE ON refunds
    FOR EACH ROW EXECUTE FUNCTION refund_is_fixed();

ALTER TABLE payments DROP CONSTRAINT payments_status_check;
ALTER TABLE payments DROP CONSTRAINT payments_captured_by_status;
ALTER TABLE payments DROP CONSTRAINT payments_refunded_of_captured;
ALTER TABLE payments DROP CONSTRAINT payments_refunded_by_status;
ALTER TABLE payments
    ADD CONSTRAINT payments_status_check CHECK (
        status IN ('requested', 'captured', 'failed', 'cancelled', 'partially_refunded', 'refunded')
    ),
    ADD CONSTRAINT payments_captured_by_status CHECK (
        (status IN ('captured', 'partially_refunded', 'refunded')) = (captured_minor > 0)
    ),
    ADD CONSTRAINT payments_refunded_of_requested CHECK (
        refunded_minor BETWEEN 0 AND refund_requested_minor
    ),
    ADD CONSTRAINT payments_refund_requested_of_captured CHECK (
        refund_requested_minor BETWEEN 0 AND captured_minor
    ),
    ADD CONSTRAINT payments_refunded_by_status CHECK (
        (status = 'refunded') = (refunded_minor > 0 AND refunded_minor = captured_minor)
    ),
    ADD CONSTRAINT payments_partially_refunded_by_status CHECK (
        (status = 'partially_refunded') = (refunded_minor > 0 AND refunded_minor < captured_minor)
    );

-- What the provider keeps for a charge.
ALTER TABLE ledger_transactions DROP CONSTRAINT ledger_transactions_kind_check;
ALTER TABLE ledger_transactions ADD CONSTRAINT ledger_transactions_kind_check
    CHECK (kind IN ('sale', 'settlement', 'fee', 'refund'));

ALTER TABLE ledger_entries DROP CONSTRAINT ledger_entries_account_check;
ALTER TABLE ledger_entries ADD CONSTRAINT ledger_entries_account_check
    CHECK (account IN ('customer_receivable', 'cash_at_provider', 'fees', 'revenue', 'refunds'));

ALTER TABLE sandbox.charges ADD COLUMN fee_minor bigint NOT NULL DEFAULT 0 CHECK (fee_minor >= 0);
