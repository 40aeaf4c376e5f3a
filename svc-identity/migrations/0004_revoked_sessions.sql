-- Sessions that ended before their time. The row is the decision; the family
-- of refresh tokens in Redis is removed after it.
CREATE TABLE revoked_sessions (
    session_id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    revoke_time timestamptz NOT NULL,
    -- When the family was seen to be gone; null until then.
    family_end_time timestamptz
);

CREATE INDEX revoked_sessions_unfinished ON revoked_sessions (revoke_time) WHERE family_end_time IS NULL;
CREATE INDEX revoked_sessions_by_time ON revoked_sessions (revoke_time);
