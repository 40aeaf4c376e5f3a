-- What a service has to announce. A row is written in the transaction of the
-- change it tells of, and deleted when JetStream has it.
CREATE TABLE outbox (
    id           uuid        PRIMARY KEY,
    seq          bigserial   NOT NULL UNIQUE,
    subject      text        NOT NULL,
    type         text        NOT NULL,
    aggregate_id text        NOT NULL,
    payload      bytea       NOT NULL,
    trace_parent text,
    create_time  timestamptz NOT NULL
);

-- A queue: rows live for milliseconds, so dead ones have to go at once.
ALTER TABLE outbox SET (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_insert_threshold = -1
);

-- Wakes the relay when the transaction commits, if it sleeps. While it is
-- awake it holds this advisory lock ("soukwake" in ASCII) and looks by itself:
-- transactions that notify commit one after the other, which costs more than
-- half of the throughput under load.
CREATE FUNCTION outbox_wake() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_try_advisory_lock_shared(x'736f756b77616b65'::bigint) THEN
        PERFORM pg_advisory_unlock_shared(x'736f756b77616b65'::bigint);
        PERFORM pg_notify('outbox', '');
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER outbox_wake AFTER INSERT ON outbox
    FOR EACH STATEMENT EXECUTE FUNCTION outbox_wake();

-- What a consumer has handled: a second delivery finds its row.
CREATE TABLE inbox (
    consumer    text        NOT NULL,
    event_id    uuid        NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, event_id)
);

-- Rows come in the order of time, which is what a block range index is for.
CREATE INDEX inbox_create_time ON inbox USING brin (create_time);

-- How often a consumer's handler has failed on an event. Kept here and not in
-- JetStream, which also counts deliveries that never reached the handler.
CREATE TABLE inbox_attempts (
    consumer    text        NOT NULL,
    event_id    uuid        NOT NULL,
    attempts    integer     NOT NULL,
    update_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, event_id)
);
