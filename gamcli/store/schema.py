"""
The schema, as the steps that built it: step N takes a store from version N-1 to N and never changes once released.

History
    1  the repository, authentication types, applications, users, keys, tokens, the audit trail
    2  keys named by short numbers, made in batches; who manages what: manifests and their objects;
       client secrets that retire; requests for keys that may be repeated

Times are integers, microseconds since 1970 in UTC; they count up as ids of tokens do. Booleans are 0 and 1. Scopes and
roles are joined by `+`. A `fold` is a name as `model.fold` writes it: names are unique without regard to case.
"""

APPLICATION_ID = 0x67616D63
"""Marks the file as a store of gamcli ("gamc"), see PRAGMA application_id."""

STEPS = (
    """
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

-- Who carries which attribute; the values lie in the user's row.
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
""",
    """
-- Short numbers of applications and users: a key is found by them in indexes of a sixth of the size, so that a million
-- keys are made and found in bounded memory. A number may be used again once its owner and so all its keys are gone.
ALTER TABLE app ADD COLUMN number INTEGER;
UPDATE app SET number = counted.number
    FROM (SELECT client_id, row_number() OVER (ORDER BY created_at, client_id) AS number FROM app) AS counted
    WHERE counted.client_id = app.client_id;
CREATE UNIQUE INDEX app_by_number ON app (number);
ALTER TABLE user ADD COLUMN number INTEGER;
UPDATE user SET number = counted.number
    FROM (SELECT guid, row_number() OVER (ORDER BY created_at, guid) AS number FROM user) AS counted
    WHERE counted.guid = user.guid;
CREATE UNIQUE INDEX user_by_number ON user (number);

-- The keys as before, with the numbers of their users and applications; the row of the past keeps its name meanwhile.
ALTER TABLE key RENAME TO key_before;
CREATE TABLE key (
    id           TEXT PRIMARY KEY,
    user_number  INTEGER NOT NULL REFERENCES user (number) ON DELETE CASCADE,
    app_number   INTEGER NOT NULL REFERENCES app (number) ON DELETE CASCADE,
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
    current      INTEGER CHECK (current = 1),      -- 1 = the pair's one current key, NULL = an earlier one
    CHECK ((ended_at IS NULL) = (end_status IS NULL))
) STRICT, WITHOUT ROWID;
INSERT INTO key
    SELECT key_before.id, user.number, app.number, auth_type, key_before.scopes, digest, key_before.created_at,
    expires_at, label, last_used_at, retires_at, ended_at, end_status, reason, key_before.managed_by,
    nullif(current, 0)
    FROM key_before JOIN user ON user.guid = user_guid JOIN app ON app.client_id = key_before.client_id
    ORDER BY key_before.id;
DROP TABLE key_before;
-- NULLs differ from each other: a pair has one current key, and earlier ones in any number.
CREATE UNIQUE INDEX key_by_user ON key (user_number, app_number, current);
CREATE INDEX key_by_app ON key (app_number);
CREATE INDEX key_by_creation ON key (created_at, id);
CREATE INDEX key_by_expiry ON key (expires_at, id, ended_at) WHERE ended_at IS NULL AND expires_at IS NOT NULL;
-- Few rows each, beside the keys in all: with them keys are counted by status and by expiry without reading any.
CREATE INDEX key_retiring ON key (expires_at, retires_at, ended_at) WHERE ended_at IS NULL AND retires_at IS NOT NULL;
CREATE INDEX key_ended ON key (end_status) WHERE end_status IS NOT NULL;

-- An input of `key generate --from`, and how far its keys have come.
CREATE TABLE batch (
    id         INTEGER PRIMARY KEY,
    digest     BLOB NOT NULL,                      -- SHA-256 of the input
    created_at INTEGER NOT NULL,
    output     TEXT NOT NULL,                      -- where the last run wrote its keys to
    run        INTEGER NOT NULL,                   -- how many have worked on it: only the last may go on
    delivered  INTEGER NOT NULL                    -- so many of its rows, in their order, have reached the output
) STRICT;
CREATE INDEX batch_by_digest ON batch (digest);

-- Keys of a batch that were made at once: the rows from `first` to `last` of the input. Their ids have one beginning.
CREATE TABLE batch_part (
    batch      INTEGER NOT NULL REFERENCES batch (id),
    first      INTEGER NOT NULL,
    last       INTEGER NOT NULL,
    beginning  TEXT NOT NULL,
    created_at INTEGER NOT NULL,                   -- as that of its keys
    PRIMARY KEY (batch, first, beginning)
) STRICT, WITHOUT ROWID;

-- The client secret before the present one, good until then beside it; NULL = there is none.
ALTER TABLE app ADD COLUMN retiring_digest BLOB;
ALTER TABLE app ADD COLUMN retiring_until INTEGER;

-- Requests for a key under an id of the caller's own: whoever repeats one gets the same key.
CREATE TABLE key_request (
    id    TEXT PRIMARY KEY,
    key   TEXT NOT NULL REFERENCES key (id) ON DELETE CASCADE,
    asked TEXT NOT NULL                            -- canonical JSON: what is compared
) STRICT, WITHOUT ROWID;
CREATE INDEX key_request_by_key ON key_request (key);

-- The manifest that manages an authentication type, as for applications, users and keys.
ALTER TABLE auth_type ADD COLUMN managed_by TEXT;

-- What a manifest took over instead of making it: never deleted for being named no more, only let go.
CREATE TABLE adoption (
    kind TEXT NOT NULL,                            -- a noun of the command line
    id   TEXT NOT NULL,                            -- client_id, GUID, key id; of an authentication type its fold
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX app_managed ON app (managed_by) WHERE managed_by IS NOT NULL;
CREATE INDEX user_managed ON user (managed_by) WHERE managed_by IS NOT NULL;
CREATE INDEX key_managed ON key (managed_by) WHERE managed_by IS NOT NULL;
""",
)
