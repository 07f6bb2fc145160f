"""Migration 3: sessions with refresh tokens, passwords that must change or expire, the hash chain of the audit log."""

import json
from typing import TYPE_CHECKING, Any

from gamcli.store.hash_chain import hash_entry

if TYPE_CHECKING:
    from gamcli.store.engine import Transaction

SQL = """
-- What a login begins (GAM: GAMSession): the properties that came with it, and the tokens that are renewed from it.
-- Every password login has one; an API key has one where its application allows renewals. No constraint leads from it,
-- as for tokens; it is deleted with its user and its application, and its tokens are dead without it.
CREATE TABLE session (
    id                 INTEGER PRIMARY KEY,        -- about that of its first access token
    user_guid          TEXT NOT NULL,
    client_id          TEXT NOT NULL,
    auth_type          TEXT NOT NULL,              -- its name
    key                TEXT,                       -- NULL = it began with a password
    scopes             TEXT NOT NULL,
    initial_properties TEXT NOT NULL,              -- JSON: a list of {"Id", "Value"}
    revoked_at         INTEGER
) STRICT;
CREATE INDEX session_by_user ON session (user_guid);
-- NULL = no session.
ALTER TABLE token ADD COLUMN session INTEGER;
CREATE INDEX token_by_session ON token (session) WHERE session IS NOT NULL;

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

-- When a password was set (NULL = there is none); those for a first login, and those that end (NULL = never).
ALTER TABLE user ADD COLUMN password_set_at INTEGER;
UPDATE user SET password_set_at = updated_at WHERE password_hash IS NOT NULL;
ALTER TABLE user ADD COLUMN password_must_change INTEGER NOT NULL DEFAULT 0;
ALTER TABLE user ADD COLUMN password_expires_at INTEGER;
"""


CHUNK = 1000


def hash_existing_entries(tx: "Transaction") -> None:
    """Add the hashes to the entries of earlier versions, and remove whitespace from their details."""
    last, before = 0, ""
    while True:
        rows: list[Any] = list(
            tx.each(
                "SELECT seq, at, actor, action, target, details FROM audit WHERE seq > ? ORDER BY seq LIMIT ?",
                [last, CHUNK],
            )
        )
        if not rows:
            return
        updates: list[tuple[str, str, int]] = []
        for row in rows:
            last, details = row[0], _compact_json(row[5])
            before = hash_entry(before, (*row[:5], details))
            updates.append((details, before, last))
        tx.run_many("UPDATE audit SET details = ?, hash = ? WHERE seq = ?", updates)


def _compact_json(details: str) -> str:
    """Return JSON without whitespace; text that is not JSON is returned unchanged."""
    try:
        return json.dumps(json.loads(details), ensure_ascii=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        return details
