"""Migration 5: how often and from where each key is used."""

SQL = """
-- How many access tokens were issued for this key.
ALTER TABLE key ADD COLUMN grants INTEGER NOT NULL DEFAULT 0;
-- The client address of its last use, full, masked or NULL as the server is set to record it.
ALTER TABLE key ADD COLUMN last_used_from TEXT;
"""
