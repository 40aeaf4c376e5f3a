-- Announces events within a statement that makes the rows they tell of, so that
-- both are one round trip. Only events of `aggregates` are taken: the statement
-- names those that it has really made. Returns how many were announced.
CREATE FUNCTION outbox_put(
    ids uuid[], subjects text[], types text[], aggregate_ids text[], payloads bytea[],
    trace_parents text[], create_times timestamptz[], aggregates text[]
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    announced bigint;
BEGIN
    INSERT INTO outbox (id, subject, type, aggregate_id, payload, trace_parent, create_time)
    SELECT *
    FROM unnest(ids, subjects, types, aggregate_ids, payloads, trace_parents, create_times)
         AS new (id, subject, type, aggregate_id, payload, trace_parent, create_time)
    WHERE new.aggregate_id = ANY (aggregates);
    GET DIAGNOSTICS announced = ROW_COUNT;
    RETURN announced;
END
$$;
