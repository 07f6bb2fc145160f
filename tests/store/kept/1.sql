-- A store as gamcli wrote it at version 1 of the schema; its secrets were thrown away.
PRAGMA application_id = 1734438243;
PRAGMA user_version = 1;
PRAGMA foreign_keys = OFF;
BEGIN TRANSACTION;
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
INSERT INTO "app" VALUES('9ac88e04d953847486c7bde7f56c2b32','gate','gate',X'53E0ED44CBC0800A37EB25B049D316F12CF09F8B78F0C9CFA7621DAE78092017',1795492882090622,1795492884056556,'',1,'gam_user_data',1,1,0,NULL,0,60,0,0,0,1,NULL);
INSERT INTO "app" VALUES('a299ce08175895d14b29fcba26f7862c','portal','portal',X'605684CFB61FDE8DD5FB19A0261BA113230A7AD3A409E7427A7A543EF6440445',1795492881949178,1795492881949178,'Customer portal',1,'gam_user_data+gam_user_roles',1,1,24000,NULL,1,60,0,0,1,0,NULL);
CREATE TABLE app_use (
    client_id    TEXT PRIMARY KEY REFERENCES app (client_id) ON DELETE CASCADE,
    grants       INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO "app_use" VALUES('9ac88e04d953847486c7bde7f56c2b32',2,1795492884143353);
INSERT INTO "app_use" VALUES('a299ce08175895d14b29fcba26f7862c',0,NULL);
CREATE TABLE audit (
    seq     INTEGER PRIMARY KEY,                   -- from 1 without gaps
    at      TEXT NOT NULL,                         -- RFC 3339
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,                         -- noun.verb
    target  TEXT NOT NULL,
    details TEXT NOT NULL,                         -- a JSON object, never a secret
    hash    TEXT                                   -- reserved for the chain
) STRICT;
INSERT INTO "audit" VALUES(1,'2026-11-24T04:01:21Z','tester@host','repository.init','ce38076c-cf3a-4722-922b-683512fbef5f','{"auth_types": ["apikey", "local"]}',NULL);
INSERT INTO "audit" VALUES(2,'2026-11-24T04:01:21Z','tester@host','auth_type.create','second','{"type": "APIkey", "enabled": true}',NULL);
INSERT INTO "audit" VALUES(3,'2026-11-24T04:01:21Z','tester@host','app.create','portal','{"client_id": "a299ce08175895d14b29fcba26f7862c", "scopes": ["gam_user_data", "gam_user_roles"], "api_keys": {"enabled": true, "timeout_hours": 24000, "auth_type": null, "scope_choice": true}}',NULL);
INSERT INTO "audit" VALUES(4,'2026-11-24T04:01:22Z','tester@host','app.create','gate','{"client_id": "9ac88e04d953847486c7bde7f56c2b32", "scopes": ["gam_user_data"], "api_keys": {"enabled": true, "timeout_hours": 0, "auth_type": null, "scope_choice": false}}',NULL);
INSERT INTO "audit" VALUES(5,'2026-11-24T04:01:22Z','tester@host','user.create','ana','{"guid": "6cfaaec6-5ac8-4657-acda-b2dc82d44e48"}',NULL);
INSERT INTO "audit" VALUES(6,'2026-11-24T04:01:22Z','tester@host','user.create','María José','{"guid": "13b1af6b-81a5-4091-bb28-8adb98dd6643"}',NULL);
INSERT INTO "audit" VALUES(7,'2026-11-24T04:01:23Z','tester@host','user.set_password','ana','{"password_hash": "changed"}',NULL);
INSERT INTO "audit" VALUES(8,'2026-11-24T04:01:23Z','tester@host','key.generate','joJqmCS9','{"user": "ana", "app": "portal", "scopes": ["user_email"], "expires_at": "2029-08-20T04:01:23Z", "label": "laptop", "replaces": null}',NULL);
INSERT INTO "audit" VALUES(9,'2026-11-24T04:01:23Z','tester@host','key.rotate','2SPNlnHI','{"user": "ana", "app": "portal", "scopes": ["user_email"], "expires_at": "2029-08-20T04:01:23Z", "label": "laptop", "replaces": "joJqmCS9", "overlap": "7 days, 0:00:00"}',NULL);
INSERT INTO "audit" VALUES(10,'2026-11-24T04:01:23Z','tester@host','key.generate','W3BlwV7I','{"user": "ana", "app": "gate", "scopes": ["gam_user_data"], "expires_at": null, "label": "", "replaces": null}',NULL);
INSERT INTO "audit" VALUES(11,'2026-11-24T04:01:23Z','tester@host','key.generate','lwKP27lv','{"user": "María José", "app": "portal", "scopes": ["gam_user_data", "gam_user_roles"], "expires_at": "2029-08-20T04:01:23Z", "label": "", "replaces": null}',NULL);
INSERT INTO "audit" VALUES(12,'2026-11-24T04:01:23Z','tester@host','key.revoke','lwKP27lv','{"ended_at": [null, "2026-11-24T04:01:23Z"], "end": [null, "revoked"], "reason": "leaked", "user": "María José", "app": "portal"}',NULL);
INSERT INTO "audit" VALUES(13,'2026-11-24T04:01:23Z','tester@host','user.block','María José','{"blocked": [false, true]}',NULL);
INSERT INTO "audit" VALUES(14,'2026-11-24T04:01:24Z','tester@host','app.rotate_secret','gate','{"secret_digest": "changed"}',NULL);
CREATE TABLE auth_type (
    fold        TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    type        TEXT NOT NULL CHECK (type IN ('APIkey', 'GAMLocal')),
    description TEXT NOT NULL,
    enabled     INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "auth_type" VALUES('apikey','apikey','APIkey','API keys',1,1795492881598381,1795492881598381);
INSERT INTO "auth_type" VALUES('local','local','GAMLocal','User names and passwords',0,1795492881598381,1795492881598381);
INSERT INTO "auth_type" VALUES('second','second','APIkey','',1,1795492881823274,1795492881823274);
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
INSERT INTO "key" VALUES('2SPNlnHI','6cfaaec6-5ac8-4657-acda-b2dc82d44e48','a299ce08175895d14b29fcba26f7862c','apikey','user_email',X'07BB6CC12767CEFD8AA4655FB32BED37586993D84C9FCD0D020919D5141F470D',1795492883356360,1881892883356360,'laptop',NULL,NULL,NULL,NULL,NULL,NULL,1);
INSERT INTO "key" VALUES('W3BlwV7I','6cfaaec6-5ac8-4657-acda-b2dc82d44e48','9ac88e04d953847486c7bde7f56c2b32','apikey','gam_user_data',X'45D60402FC2EC35A6615CF1200362AF1C1B5906E91DC176B6212900EF23E26EF',1795492883536774,NULL,'',1795492884141486,NULL,NULL,NULL,NULL,NULL,1);
INSERT INTO "key" VALUES('joJqmCS9','6cfaaec6-5ac8-4657-acda-b2dc82d44e48','a299ce08175895d14b29fcba26f7862c','apikey','user_email',X'2B8EFF6B5548C9A89587FCFEBEE2973695D97E026F08B1A36AC9B24C4C11AA4C',1795492883206135,1881892883206135,'laptop',NULL,1796097683356701,NULL,NULL,NULL,NULL,0);
INSERT INTO "key" VALUES('lwKP27lv','13b1af6b-81a5-4091-bb28-8adb98dd6643','a299ce08175895d14b29fcba26f7862c','apikey','gam_user_data+gam_user_roles',X'AD43E0FD6606E5EB954078DF86A17D1BBEDD5DF327E751604638FB75D63CB496',1795492883702548,1881892883702548,'',NULL,NULL,1795492883824359,'revoked','leaked',NULL,1);
CREATE TABLE migration (
    version INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL
) STRICT;
INSERT INTO "migration" VALUES(1,1795492881594932);
CREATE TABLE repository (
    only_row          INTEGER PRIMARY KEY CHECK (only_row = 1),
    guid              TEXT NOT NULL,
    default_auth_type TEXT NOT NULL REFERENCES auth_type (fold),
    created_at        INTEGER NOT NULL,
    pairwise_key      BLOB NOT NULL                -- random: user ids that no application can compute
) STRICT;
INSERT INTO "repository" VALUES(1,'ce38076c-cf3a-4722-922b-683512fbef5f','apikey',1795492881598381,X'C1D30B7346BF936B7FC123606DFB8F782A56EB83926B1A48B49E222ED5B7C11C');
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
INSERT INTO "token" VALUES(1795492884141486,X'02CA8CD42C5ECFE851FBE9BB6E2B08EA13159A3FEC53073DB9FC89E7CAA1DCEE','6cfaaec6-5ac8-4657-acda-b2dc82d44e48','9ac88e04d953847486c7bde7f56c2b32','W3BlwV7I','gam_user_data',1795492884141486,1795496484141486,NULL);
INSERT INTO "token" VALUES(1795492884143353,X'BDE8E146B57E0275483394AC88EB0E6D47C8C6E4FB307A06D2EC503AE48D3843','6cfaaec6-5ac8-4657-acda-b2dc82d44e48','9ac88e04d953847486c7bde7f56c2b32','W3BlwV7I','gam_user_data',1795492884143353,1795496484143353,NULL);
CREATE TABLE token_floor (
    client_id TEXT NOT NULL REFERENCES app (client_id) ON DELETE CASCADE,
    user_guid TEXT NOT NULL REFERENCES user (guid) ON DELETE CASCADE,
    since     INTEGER NOT NULL,
    PRIMARY KEY (client_id, user_guid)
) STRICT, WITHOUT ROWID;
INSERT INTO "token_floor" VALUES('9ac88e04d953847486c7bde7f56c2b32','6cfaaec6-5ac8-4657-acda-b2dc82d44e48',1795492884143353);
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
INSERT INTO "user" VALUES('13b1af6b-81a5-4091-bb28-8adb98dd6643','maría josé','María José',1795492882404539,1795492883940005,'mj@example.com','mj@example.com',0,'','','','','N','','','','','','','','','','','{}',1,1,NULL,NULL);
INSERT INTO "user" VALUES('6cfaaec6-5ac8-4657-acda-b2dc82d44e48','ana','ana',1795492882284997,1795492883054861,'ana@example.com','ana@example.com',0,'Ana','','','','N','','','','','','','','','','operator+admin','{"Area": "North"}',1,0,NULL,'scrypt$32768$8$3$FB1TdFv0pHT1+DD7pZr9Ww==$NmcbRLFYw3fxyRYTsMv3SeS1r9xlykzqizmLZ3pTkQo=');
CREATE TABLE user_attribute (
    id        TEXT NOT NULL,
    user_guid TEXT NOT NULL REFERENCES user (guid) ON DELETE CASCADE,
    PRIMARY KEY (user_guid, id)
) STRICT, WITHOUT ROWID;
INSERT INTO "user_attribute" VALUES('Area','6cfaaec6-5ac8-4657-acda-b2dc82d44e48');
CREATE INDEX user_attribute_by_id ON user_attribute (id);
CREATE UNIQUE INDEX key_current ON key (user_guid, client_id) WHERE current = 1;
CREATE INDEX key_by_app ON key (client_id);
CREATE INDEX key_by_user ON key (user_guid);
CREATE INDEX token_floor_by_user ON token_floor (user_guid);
COMMIT;
