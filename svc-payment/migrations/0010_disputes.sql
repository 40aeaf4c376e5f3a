-- An event may tell that a customer disputes a charge.
ALTER TABLE webhook_events DROP CONSTRAINT webhook_events_state_check;
ALTER TABLE webhook_events ADD CONSTRAINT webhook_events_state_check CHECK (
    state IN ('received', 'processed', 'ignored', 'unmatched', 'unreadable', 'disputed')
);
