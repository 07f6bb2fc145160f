"""Migration 2: numbers of users and applications, bulk issue, manifest owners, retiring secrets, request ids."""

SQL = """
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
    delivered  INTEGER NOT NULL                    -- how many rows were written to the output
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

-- Requests for a key with the client's request id: repeating one returns the same key.
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
"""
