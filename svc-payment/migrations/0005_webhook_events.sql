-- What providers tell us, as it came: stored and committed before they are
-- thanked. It is a hint only; what it is about is asked of the provider.
CREATE TABLE webhook_events (
    provider      text        NOT NULL,
    -- The provider's id; of what cannot be read, the digest of its bytes.
    event_id      text        NOT NULL,
    -- Null when it cannot be read.
    type          text,
    payload       bytea       NOT NULL,
    state         text        NOT NULL CHECK (
        state IN ('received', 'processed', 'ignored', 'unmatched', 'unreadable')
    ),
    attempts      integer     NOT NULL DEFAULT 0,
    -- When it is looked into; also the lease of whoever does.
    due_time      timestamptz,
    receive_time  timestamptz NOT NULL,
    conclude_time timestamptz,
    PRIMARY KEY (provider, event_id),
    CONSTRAINT webhook_events_due_when_received CHECK ((state = 'received') = (due_time IS NOT NULL)),
    CONSTRAINT webhook_events_concluded CHECK ((state = 'received') = (conclude_time IS NULL))
);

CREATE INDEX webhook_events_due ON webhook_events (due_time) WHERE state = 'received';
CREATE INDEX webhook_events_old ON webhook_events (conclude_time) WHERE state <> 'received';

CREATE TRIGGER webhook_events_wake AFTER INSERT ON webhook_events
    FOR EACH ROW WHEN (NEW.state = 'received') EXECUTE FUNCTION payment_due();
