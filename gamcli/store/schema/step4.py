"""Migration 4: the custom information of users; disabled keys, and no authentication type of keys."""

SQL = """
-- GAM: GAMUser.CustomInfo, returned with gam_user_data.
ALTER TABLE user ADD COLUMN custom_info TEXT NOT NULL DEFAULT '';
-- A key is not bound to an authentication type: a request may name any type that the application allows (GAM:
-- GenerateApplicationAPIkey has no such argument).
ALTER TABLE key DROP COLUMN auth_type;
-- How many granted requests named no authentication type, by day (days since 1970 in UTC).
CREATE TABLE default_type_use (
    day      INTEGER PRIMARY KEY,
    requests INTEGER NOT NULL
) STRICT;
-- Sessions end with their application, and none outlasts it when its client ID is used again.
CREATE INDEX session_by_app ON session (client_id);

-- A disabled key is refused until it is enabled again; NULL = enabled.
ALTER TABLE key ADD COLUMN disabled_at INTEGER;
-- The key that this one succeeded; NULL = none.
ALTER TABLE key ADD COLUMN replaces TEXT;
CREATE INDEX key_disabled ON key (disabled_at) WHERE disabled_at IS NOT NULL;
"""
