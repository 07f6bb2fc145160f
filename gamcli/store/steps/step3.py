"""Step 3: sessions with their refresh tokens, passwords that must be changed or expire."""

SQL = """
-- What a login begins (GAM: GAMSession): the properties that came with it, and the tokens that are renewed from it.
-- Every password login has one; an API key has one where its application allows renewals. No constraint leads from it,
-- as for tokens: the joins that read it know whether its user, application and key are still there.
CREATE TABLE session (
    id                 INTEGER PRIMARY KEY,        -- that of its first access token
    user_guid          TEXT NOT NULL,
    client_id          TEXT NOT NULL,
    auth_type          TEXT NOT NULL,              -- the fold of its name
    key                TEXT,                       -- NULL = it began with a password
    scopes             TEXT NOT NULL,
    initial_properties TEXT NOT NULL,              -- JSON: a list of {"Id", "Value"}
    revoked_at         INTEGER
) STRICT;
CREATE INDEX session_by_user ON session (user_guid);
-- NULL = no session.
ALTER TABLE token ADD COLUMN session INTEGER;

-- One use each: a second use revokes the session (RFC 9700, section 4.14.2).
CREATE TABLE refresh_token (
    session    INTEGER NOT NULL,
    counter    INTEGER NOT NULL,                   -- the renewal that it buys, from 1
    token      INTEGER NOT NULL,                   -- the access token that it was issued with
    digest     BLOB NOT NULL,                      -- SHA-256 of the whole refresh token
    expires_at INTEGER NOT NULL,
    used_at    INTEGER,
    PRIMARY KEY (session, counter)
) STRICT, WITHOUT ROWID;

-- Passwords for a first login, and those that end; NULL = never.
ALTER TABLE user ADD COLUMN password_must_change INTEGER NOT NULL DEFAULT 0;
ALTER TABLE user ADD COLUMN password_expires_at INTEGER;
"""
