"""
The schema on PostgreSQL, under the version numbers of `store.schema`.

A new store is created at version BASE with all tables as they are then; later versions are migrations, as on SQLite.
Types are written as SQLite has them and translated by `dialect`: INTEGER is bigint, TEXT sorts by code point (COLLATE
"C"), so that prefixes of IDs and names are ranges. Times are microseconds since 1970 in UTC.

There are three differences from SQLite. Counters have a row for each node, so that no node waits for another one's
commit. `change_lock` has one row that everything that writes the audit log locks first. Access tokens and sessions have
no constraints, as on SQLite.
"""

BASE = 5
"""The version that SQL creates."""

SQL = """
-- What was done to the schema, and when.
CREATE TABLE migration (
    version INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL
);

-- The row that every change locks before it reads anything: the audit log has one writer at a time.
CREATE TABLE change_lock (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1)
);
INSERT INTO change_lock VALUES (1);

CREATE TABLE auth_type (
    fold        TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    type        TEXT NOT NULL CHECK (type IN ('APIkey', 'GAMLocal')),
    description TEXT NOT NULL,
    enabled     BOOLEAN NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    managed_by  TEXT
);

-- One row: every store is one repository, whose GUID begins its access tokens.
CREATE TABLE repository (
    only_row          INTEGER PRIMARY KEY CHECK (only_row = 1),
    guid              TEXT NOT NULL,
    default_auth_type TEXT NOT NULL REFERENCES auth_type (fold),
    created_at        INTEGER NOT NULL,
    pairwise_key      BLOB NOT NULL
);

CREATE TABLE app (
    client_id             TEXT PRIMARY KEY,
    fold                  TEXT NOT NULL CONSTRAINT app_fold_key UNIQUE,
    name                  TEXT NOT NULL,
    secret_digest         BLOB NOT NULL,           -- SHA-256
    created_at            INTEGER NOT NULL,
    updated_at            INTEGER NOT NULL,
    description           TEXT NOT NULL,
    enabled               BOOLEAN NOT NULL,
    scopes                TEXT NOT NULL,           -- published ones
    remote_rest           BOOLEAN NOT NULL,
    api_keys_enabled      BOOLEAN NOT NULL,
    api_key_timeout_hours INTEGER NOT NULL,        -- 0 = never
    api_key_auth_type     TEXT REFERENCES auth_type (fold), -- NULL = any
    api_key_scope_choice  BOOLEAN NOT NULL,
    token_timeout_minutes INTEGER NOT NULL,        -- 0 = never
    token_renewals        INTEGER NOT NULL,
    require_scope         BOOLEAN NOT NULL,
    share_user_ids        BOOLEAN NOT NULL,
    one_token_per_user    BOOLEAN NOT NULL,
    managed_by            TEXT,
    number                INTEGER CONSTRAINT app_by_number UNIQUE,
    retiring_digest       BLOB,                    -- the previous client secret, NULL = none
    retiring_until        INTEGER
);
CREATE INDEX app_managed ON app (managed_by) WHERE managed_by IS NOT NULL;

-- How often an application was authenticated, and when last: a row for each node, summed when read.
CREATE TABLE app_use (
    client_id    TEXT NOT NULL REFERENCES app (client_id) ON DELETE CASCADE,
    node         INTEGER NOT NULL DEFAULT 0,
    grants       INTEGER NOT NULL,
    last_used_at INTEGER,
    PRIMARY KEY (client_id, node)
) WITH (fillfactor = 50);

CREATE TABLE user (
    guid                 TEXT PRIMARY KEY,
    fold                 TEXT NOT NULL CONSTRAINT user_fold_key UNIQUE,
    name                 TEXT NOT NULL,
    created_at           INTEGER NOT NULL,
    updated_at           INTEGER NOT NULL,
    email                TEXT NOT NULL,
    email_fold           TEXT CONSTRAINT user_email_fold_key UNIQUE, -- NULL = no email
    verified_email       BOOLEAN NOT NULL,
    first_name           TEXT NOT NULL,
    last_name            TEXT NOT NULL,
    external_id          TEXT NOT NULL,
    birthday             TEXT NOT NULL,            -- YYYY-MM-DD or empty
    gender               TEXT NOT NULL,
    url_image            TEXT NOT NULL,
    url_profile          TEXT NOT NULL,
    phone                TEXT NOT NULL,
    address              TEXT NOT NULL,
    city                 TEXT NOT NULL,
    state                TEXT NOT NULL,
    post_code            TEXT NOT NULL,
    language             TEXT NOT NULL,
    timezone             TEXT NOT NULL,
    roles                TEXT NOT NULL,
    attributes           TEXT NOT NULL,            -- JSON: id to text or list of texts
    enabled              BOOLEAN NOT NULL,
    blocked              BOOLEAN NOT NULL,
    managed_by           TEXT,
    password_hash        TEXT,                     -- scrypt with its parameters, NULL = none
    number               INTEGER CONSTRAINT user_by_number UNIQUE,
    password_set_at      INTEGER,
    password_must_change BOOLEAN NOT NULL DEFAULT FALSE,
    password_expires_at  INTEGER,
    custom_info          TEXT NOT NULL DEFAULT ''
);
CREATE INDEX user_managed ON user (managed_by) WHERE managed_by IS NOT NULL;

-- The attributes of users; their values are in the user's row.
CREATE TABLE user_attribute (
    id        TEXT NOT NULL,
    user_guid TEXT NOT NULL REFERENCES user (guid) ON DELETE CASCADE,
    PRIMARY KEY (user_guid, id)
);
CREATE INDEX user_attribute_by_id ON user_attribute (id);

-- A deleted user or application takes its keys along.
CREATE TABLE key (
    id           TEXT PRIMARY KEY,
    user_number  INTEGER NOT NULL REFERENCES user (number) ON DELETE CASCADE,
    app_number   INTEGER NOT NULL REFERENCES app (number) ON DELETE CASCADE,
    scopes       TEXT NOT NULL,                    -- as generated
    digest       BLOB NOT NULL,                    -- SHA-256
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,                          -- NULL = never
    label        TEXT NOT NULL,
    last_used_at INTEGER,
    retires_at   INTEGER,                          -- rotated: valid until then
    ended_at     INTEGER,                          -- ended permanently: when, as what, why
    end_status   TEXT CHECK (end_status IN ('revoked', 'replaced', 'invalidated')),
    reason       TEXT,
    managed_by   TEXT,
    current      INTEGER CHECK (current = 1),      -- 1 = the current key of its pair, NULL = an earlier one
    disabled_at  INTEGER,                          -- refused until it is enabled again; NULL = enabled
    replaces     TEXT,                             -- the key that this one succeeded; NULL = none
    grants         INTEGER NOT NULL DEFAULT 0,     -- how many access tokens were issued for it
    last_used_from TEXT,                           -- the client address of its last use, as the server records it
    CHECK ((ended_at IS NULL) = (end_status IS NULL))
);
CREATE UNIQUE INDEX key_by_user ON key (user_number, app_number, current);
CREATE INDEX key_by_app ON key (app_number);
CREATE INDEX key_by_creation ON key (created_at NULLS FIRST, id);
CREATE INDEX key_by_expiry ON key (expires_at NULLS FIRST, id, ended_at)
    WHERE ended_at IS NULL AND expires_at IS NOT NULL;
CREATE INDEX key_retiring ON key (expires_at, retires_at, ended_at) WHERE ended_at IS NULL AND retires_at IS NOT NULL;
CREATE INDEX key_ended ON key (end_status) WHERE end_status IS NOT NULL;
CREATE INDEX key_managed ON key (managed_by) WHERE managed_by IS NOT NULL;
CREATE INDEX key_disabled ON key (disabled_at) WHERE disabled_at IS NOT NULL;

-- The id is about the microsecond of issue, unique by its remainder, which belongs to one connection at a time.
CREATE TABLE token (
    id         INTEGER PRIMARY KEY,
    digest     BLOB NOT NULL,                      -- SHA-256 of the whole token
    user_guid  TEXT NOT NULL,
    client_id  TEXT NOT NULL,
    key        TEXT,                               -- NULL = not issued for an API key
    scopes     TEXT NOT NULL,
    issued_at  INTEGER NOT NULL,
    expires_at INTEGER,                            -- NULL = never
    revoked_at INTEGER,
    session    INTEGER                             -- NULL = no session
);
CREATE INDEX token_by_session ON token (session) WHERE session IS NOT NULL;

-- For applications with one token per user: tokens with an id below `since` are superseded.
CREATE TABLE token_floor (
    client_id TEXT NOT NULL REFERENCES app (client_id) ON DELETE CASCADE,
    user_guid TEXT NOT NULL REFERENCES user (guid) ON DELETE CASCADE,
    since     INTEGER NOT NULL,
    PRIMARY KEY (client_id, user_guid)
);
CREATE INDEX token_floor_by_user ON token_floor (user_guid);

-- What a login begins (GAM: GAMSession): the properties that came with it, and the tokens that are renewed from it.
CREATE TABLE session (
    id                 INTEGER PRIMARY KEY,        -- that of its first access token
    user_guid          TEXT NOT NULL,
    client_id          TEXT NOT NULL,
    auth_type          TEXT NOT NULL,              -- its name
    key                TEXT,                       -- NULL = it began with a password
    scopes             TEXT NOT NULL,
    initial_properties TEXT NOT NULL,              -- JSON: a list of {"Id", "Value"}
    revoked_at         INTEGER
);
CREATE INDEX session_by_user ON session (user_guid);
CREATE INDEX session_by_app ON session (client_id);

-- One use each: a second use revokes the session (RFC 9700, section 4.14.2).
CREATE TABLE refresh_token (
    session    INTEGER NOT NULL,
    counter    INTEGER NOT NULL,                   -- the renewal that it buys, from 1
    token      INTEGER NOT NULL,                   -- the access token that it was issued with
    digest     BLOB NOT NULL,                      -- SHA-256 of the whole refresh token
    expires_at INTEGER NOT NULL,
    used_at    INTEGER,
    PRIMARY KEY (session, counter)
);

-- Who did what, when and from where: one row for each change, written in its transaction.
CREATE TABLE audit (
    seq     INTEGER PRIMARY KEY,                   -- from 1 without gaps
    at      TEXT NOT NULL,                         -- RFC 3339
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,                         -- noun.verb
    target  TEXT NOT NULL,
    details TEXT NOT NULL,                         -- a JSON object, never a secret
    hash    TEXT                                   -- see store.hash_chain
);

-- An input of `key generate --from`, and how far its keys have come.
CREATE TABLE batch (
    id         INTEGER PRIMARY KEY,
    digest     BLOB NOT NULL,                      -- SHA-256 of the input
    created_at INTEGER NOT NULL,
    output     TEXT NOT NULL,                      -- where the last run wrote its keys to
    run        INTEGER NOT NULL,                   -- how many have worked on it: only the last may go on
    delivered  INTEGER NOT NULL                    -- how many rows were written to the output
);
CREATE INDEX batch_by_digest ON batch (digest);

-- Keys of a batch that were made at once: the rows from `first` to `last` of the input.
CREATE TABLE batch_part (
    batch      INTEGER NOT NULL REFERENCES batch (id),
    first      INTEGER NOT NULL,
    last       INTEGER NOT NULL,
    beginning  TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (batch, first, beginning)
);

-- Requests for a key with the client's request ID: repeating one returns the same key.
CREATE TABLE key_request (
    id    TEXT PRIMARY KEY,
    key   TEXT NOT NULL REFERENCES key (id) ON DELETE CASCADE,
    asked TEXT NOT NULL                            -- canonical JSON
);
CREATE INDEX key_request_by_key ON key_request (key);

-- What a manifest took over instead of creating it.
CREATE TABLE adoption (
    kind TEXT NOT NULL,
    id   TEXT NOT NULL,
    PRIMARY KEY (kind, id)
);

-- How many granted requests named no authentication type, by day (days since 1970 in UTC) and node.
CREATE TABLE default_type_use (
    day      INTEGER NOT NULL,
    node     INTEGER NOT NULL DEFAULT 0,
    requests INTEGER NOT NULL,
    PRIMARY KEY (day, node)
);
"""

MIGRATIONS: dict[int, str] = {}
"""The SQL of each version after BASE."""
