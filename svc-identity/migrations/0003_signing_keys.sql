-- The Ed25519 keys that sign access tokens, shared by all replicas. A key is
-- published from its making, signs from activate_time until retire_time, and
-- is removed when the last token that it signed is dead.
CREATE TABLE signing_keys (
    id uuid PRIMARY KEY,
    private_key bytea NOT NULL CHECK (length(private_key) = 32),
    public_key bytea NOT NULL CHECK (length(public_key) = 32),
    create_time timestamptz NOT NULL,
    activate_time timestamptz NOT NULL,
    -- Null until there is a successor.
    retire_time timestamptz CHECK (retire_time >= activate_time)
);
