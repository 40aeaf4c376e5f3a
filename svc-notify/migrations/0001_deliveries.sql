-- Whom an account's messages go to.
CREATE TABLE contacts (
    account_id   uuid        PRIMARY KEY,
    email        text        NOT NULL,
    -- One line; empty when there is no name.
    display_name text        NOT NULL,
    create_time  timestamptz NOT NULL
);

CREATE TABLE deliveries (
    -- Also the Message-ID of the mail. Later ones sort after earlier ones.
    id           uuid        PRIMARY KEY,
    account_id   uuid        NOT NULL,
    -- What happened and to what: "order_confirmed/0192…". However often it is
    -- announced, it is told once by each channel.
    event_key    text        NOT NULL,
    channel      text        NOT NULL CHECK (channel IN ('email')),
    template     text        NOT NULL CHECK (
        template IN ('welcome', 'order_confirmed', 'order_cancelled')
    ),
    order_id     uuid,
    subject      text        NOT NULL,
    -- What the template is filled with.
    notice       jsonb       NOT NULL,
    status       text        NOT NULL CHECK (status IN ('queued', 'sent', 'failed')),
    attempts     integer     NOT NULL DEFAULT 0,
    -- When it is tried next. Also the lease of whoever is sending: nobody else
    -- sends before it.
    due_time     timestamptz,
    -- A code; no personal data.
    last_error   text,
    -- The trace that the event belongs to.
    trace_parent text,
    create_time  timestamptz NOT NULL,
    sent_time    timestamptz,
    UNIQUE (event_key, channel),
    CONSTRAINT deliveries_due_when_queued CHECK ((status = 'queued') = (due_time IS NOT NULL)),
    CONSTRAINT deliveries_sent_time CHECK ((status = 'sent') = (sent_time IS NOT NULL))
);

CREATE INDEX deliveries_due ON deliveries (due_time) WHERE status = 'queued';
CREATE INDEX deliveries_account ON deliveries (account_id, id DESC);

-- Wakes the workers when the transaction commits.
CREATE FUNCTION deliveries_due() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('deliveries_due', '');
    RETURN NULL;
END
$$;

CREATE TRIGGER deliveries_wake AFTER INSERT ON deliveries
    FOR EACH STATEMENT EXECUTE FUNCTION deliveries_due();

-- Messages may have been waiting for the contact.
CREATE TRIGGER contacts_wake AFTER INSERT ON contacts
    FOR EACH STATEMENT EXECUTE FUNCTION deliveries_due();
