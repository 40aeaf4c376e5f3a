-- The comparison of a day with a provider. A row is claimed by its due time,
-- step by step, so that any replica goes on where another was cut off.
CREATE TABLE reconciliation_runs (
    date       date        NOT NULL,
    provider   text        NOT NULL,
    phase      text        NOT NULL CHECK (
        phase IN ('listing', 'records', 'charges', 'refunds', 'finished')
    ),
    -- Where the phase goes on; null at its beginning.
    cursor     text,
    -- How often the day was compared.
    number     integer     NOT NULL DEFAULT 1,
    -- Counts claims: who was overtaken writes nothing.
    step       bigint      NOT NULL DEFAULT 0,
    records    bigint      NOT NULL DEFAULT 0,
    due_time   timestamptz,
    begin_time timestamptz NOT NULL,
    end_time   timestamptz,
    PRIMARY KEY (date, provider),
    CONSTRAINT reconciliation_runs_due CHECK ((phase = 'finished') = (due_time IS NULL)),
    CONSTRAINT reconciliation_runs_ended CHECK ((phase = 'finished') = (end_time IS NOT NULL))
);

CREATE INDEX reconciliation_runs_due ON reconciliation_runs (due_time) WHERE phase <> 'finished';

-- The provider's records of a day that is being compared; deleted afterwards.
CREATE TABLE reconciliation_records (
    date         date        NOT NULL,
    provider     text        NOT NULL,
    kind         text        NOT NULL CHECK (kind IN ('charge', 'refund')),
    reference    text        NOT NULL,
    -- Our payment or refund, as the provider has it.
    id           uuid,
    currency     text        NOT NULL,
    amount_minor bigint      NOT NULL,
    state        text        NOT NULL CHECK (state IN ('succeeded', 'failed', 'pending')),
    time         timestamptz NOT NULL,
    PRIMARY KEY (date, provider, kind, reference)
);

CREATE INDEX reconciliation_records_id ON reconciliation_records (date, provider, kind, id);

-- What does not agree.
CREATE TABLE discrepancies (
    id             uuid        PRIMARY KEY,
    provider       text        NOT NULL,
    kind           text        NOT NULL CHECK (
        kind IN ('missing_here', 'missing_there', 'amount_differs', 'state_differs')
    ),
    object         text        NOT NULL CHECK (object IN ('charge', 'refund')),
    -- Our id or the provider's, whichever names it.
    identity       text        NOT NULL,
    date           date        NOT NULL,
    object_id      uuid,
    order_id       uuid,
    reference      text,
    our_currency   text,
    our_minor      bigint,
    our_state      text,
    their_currency text,
    their_minor    bigint,
    their_state    text,
    -- What somebody may do about it.
    proposal       text        NOT NULL,
    state          text        NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'resolved', 'vanished')),
    -- The number of the run that found it last.
    seen_number    integer     NOT NULL,
    create_time    timestamptz NOT NULL,
    close_time     timestamptz,
    reason         text,
    staff_id       uuid,
    UNIQUE (provider, kind, object, identity),
    CONSTRAINT discrepancies_closed CHECK ((state = 'open') = (close_time IS NULL)),
    CONSTRAINT discrepancies_resolved CHECK (
        CASE WHEN state = 'resolved'
            THEN reason IS NOT NULL AND staff_id IS NOT NULL
            ELSE reason IS NULL AND staff_id IS NULL
        END
    )
);

CREATE INDEX discrepancies_date ON discrepancies (date, id);
CREATE INDEX discrepancies_open ON discrepancies (kind, id) WHERE state = 'open';

-- What was asked of a provider on a day.
CREATE INDEX payments_asked ON payments (provider, coalesce(last_charge_time, create_time), id);
CREATE INDEX refunds_asked ON refunds (coalesce(last_refund_time, create_time), id);

-- A provider lists by time.
CREATE INDEX charges_time ON sandbox.charges (create_time, payment_id);
CREATE INDEX refunds_time ON sandbox.refunds (create_time, refund_id);
