"""Migration 1: the repository, authentication types, applications, users, keys, tokens, the audit log."""

SQL = """
-- What was done to the schema, and when.
CREATE TABLE migration (
    version INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL
) STRICT;

CREATE TABLE auth_type (
    fold        TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    type        TEXT NOT NULL CHECK (type IN ('APIkey', 'GAMLocal')),
    description TEXT NOT NULL,
    enabled     INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row: every store is one repository, whose GUID begins its access tokens.
CREATE TABLE repository (
    only_row          INTEGER PRIMARY KEY CHECK (only_row = 1),
    guid              TEXT NOT NULL,
    default_auth_type TEXT NOT NULL REFERENCES auth_type (fold),
    created_at        INTEGER NOT NULL,
    pairwise_key      BLOB NOT NULL                -- random: user ids that no application can compute
) STRICT;

CREATE TABLE app (
    client_id             TEXT PRIMARY KEY,
    fold                  TEXT NOT NULL UNIQUE,
    name                  TEXT NOT NULL,
    secret_digest         BLOB NOT NULL,           -- SHA-256
    created_at            INTEGER NOT NULL,
    updated_at            INTEGER NOT NULL,
    description           TEXT NOT NULL,
    enabled               INTEGER NOT NULL,
    scopes                TEXT NOT NULL,           -- published ones
    remote_rest           INTEGER NOT NULL,
    api_keys_enabled      INTEGER NOT NULL,
    api_key_timeout_hours INTEGER NOT NULL,        -- 0 = never
    api_key_auth_type     TEXT REFERENCES auth_type (fold), -- NULL = any
    api_key_scope_choice  INTEGER NOT NULL,
    token_timeout_minutes INTEGER NOT NULL,        -- 0 = never
    token_renewals        INTEGER NOT NULL,
    require_scope         INTEGER NOT NULL,
    share_user_ids        INTEGER NOT NULL,
    one_token_per_user    INTEGER NOT NULL,
    managed_by            TEXT
) STRICT, WITHOUT ROWID;

-- How often an application was authenticated, and when last: apart from its settings, for every grant writes it.
CREATE TABLE app_use (
    client_id    TEXT PRIMARY KEY REFERENCES app (client_id) ON DELETE CASCADE,
    grants       INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE user (
    guid           TEXT PRIMARY KEY,
    fold           TEXT NOT NULL UNIQUE,
    name           TEXT NOT NULL,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    email          TEXT NOT NULL,
    email_fold     TEXT UNIQUE,                    -- NULL = no email
    verified_email INTEGER NOT NULL,
    first_name     TEXT NOT NULL,
    last_name      TEXT NOT NULL,
    external_id    TEXT NOT NULL,
    birthday       TEXT NOT NULL,                  -- YYYY-MM-DD or empty
    gender         TEXT NOT NULL,
    url_image      TEXT NOT NULL,
    url_profile    TEXT NOT NULL,
    phone          TEXT NOT NULL,
    address        TEXT NOT NULL,
    city           TEXT NOT NULL,
    state          TEXT NOT NULL,
    post_code      TEXT NOT NULL,
    language       TEXT NOT NULL,
    timezone       TEXT NOT NULL,
    roles          TEXT NOT NULL,
    attributes     TEXT NOT NULL,                  -- JSON: id to text or list of texts
    enabled        INTEGER NOT NULL,
    blocked        INTEGER NOT NULL,
    managed_by     TEXT,
    password_hash  TEXT                            -- scrypt with its parameters, NULL = none
) STRICT, WITHOUT ROWID;

-- The attributes of users; their values are in the user's row.
CREATE TABLE user_attribute (
    id        TEXT NOT NULL,
    user_guid TEXT NOT NULL REFERENCES user (guid) ON DELETE CASCADE,
    PRIMARY KEY (user_guid, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX user_attribute_by_id ON user_attribute (id);

-- A deleted user or application takes its keys along; a key of a deleted authentication type stays, invalidated.
CREATE TABLE key (
    id           TEXT PRIMARY KEY,
    user_guid    TEXT NOT NULL REFERENCES user (guid) ON DELETE CASCADE,
    client_id    TEXT NOT NULL REFERENCES app (client_id) ON DELETE CASCADE,
    auth_type    TEXT NOT NULL,                    -- its name
    scopes       TEXT NOT NULL,                    -- as generated
    digest       BLOB NOT NULL,                    -- SHA-256
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,                          -- NULL = never
    label        TEXT NOT NULL,
    last_used_at INTEGER,
    retires_at   INTEGER,                          -- rotated: lives until then
    ended_at     INTEGER,                          -- ended for good: when, as what, why
    end_status   TEXT CHECK (end_status IN ('revoked', 'replaced', 'invalidated')),
    reason       TEXT,
    managed_by   TEXT,
    current      INTEGER NOT NULL,                 -- 1 = the pair's one current key, 0 = an earlier one
    CHECK ((ended_at IS NULL) = (end_status IS NULL))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX key_current ON key (user_guid, client_id) WHERE current = 1;
CREATE INDEX key_by_app ON key (client_id);
CREATE INDEX key_by_user ON key (user_guid);

-- Rows append: the id is the microsecond of issue, at least the last one plus one. No constraint leads to a token or
-- from it, so that a grant writes one row in one place; a token whose key, user or application is gone is dead by the
-- joins that read it.
CREATE TABLE token (
    id         INTEGER PRIMARY KEY,
    digest     BLOB NOT NULL,                      -- SHA-256 of the whole token
    user_guid  TEXT NOT NULL,
    client_id  TEXT NOT NULL,
    key        TEXT,                               -- NULL = of another grant than API key
    scopes     TEXT NOT NULL,
    issued_at  INTEGER NOT NULL,
    expires_at INTEGER,                            -- NULL = never
    revoked_at INTEGER
) STRICT;

-- For applications with one token per user: tokens with an id below `since` are superseded.
CREATE TABLE token_floor (
    client_id TEXT NOT NULL REFERENCES app (client_id) ON DELETE CASCADE,
    user_guid TEXT NOT NULL REFERENCES user (guid) ON DELETE CASCADE,
    since     INTEGER NOT NULL,
    PRIMARY KEY (client_id, user_guid)
) STRICT, WITHOUT ROWID;
CREATE INDEX token_floor_by_user ON token_floor (user_guid);

-- Who did what, when and from where: one row a change, written in its transaction.
CREATE TABLE audit (
    seq     INTEGER PRIMARY KEY,                   -- from 1 without gaps
    at      TEXT NOT NULL,                         -- RFC 3339
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,                         -- noun.verb
    target  TEXT NOT NULL,
    details TEXT NOT NULL,                         -- a JSON object, never a secret
    hash    TEXT                                   -- reserved for the chain
) STRICT;
"""
