-- Which provider a payment was given to, before it was first asked to take the
-- money. From then on only that one is asked about it; its refunds follow it.
ALTER TABLE payments ADD COLUMN provider text;
-- The provider's own id for the charge, once it is known.
ALTER TABLE payments ADD COLUMN provider_reference text;
-- The provider holds the amount for us and has not taken it yet.
ALTER TABLE payments ADD COLUMN authorize_time timestamptz;

-- Until now there was one provider.
UPDATE payments SET provider = 'sandbox' WHERE attempts > 0;

CREATE UNIQUE INDEX payments_provider_reference ON payments (provider, provider_reference)
    WHERE provider_reference IS NOT NULL;

ALTER TABLE payments DROP CONSTRAINT payments_next_call_check;
ALTER TABLE payments ADD CONSTRAINT payments_next_call_check
    CHECK (next_call IN ('charge', 'look_up', 'capture', 'void'));

ALTER TABLE provider_calls DROP CONSTRAINT provider_calls_call_check;
ALTER TABLE provider_calls ADD CONSTRAINT provider_calls_call_check
    CHECK (call IN ('charge', 'refund', 'look_up', 'capture', 'void'));

-- How the sandbox behaves, for drills: changed by hand, read with each call.
CREATE TABLE sandbox.conditions (
    single   boolean PRIMARY KEY DEFAULT true CHECK (single),
    mode     text    NOT NULL DEFAULT 'normal' CHECK (mode IN ('normal', 'slow', 'down')),
    delay_ms integer NOT NULL DEFAULT 0 CHECK (delay_ms >= 0)
);

INSERT INTO sandbox.conditions DEFAULT VALUES;
