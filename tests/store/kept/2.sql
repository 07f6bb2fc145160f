-- A store as gamcli wrote it at version 2 of the schema; its secrets were thrown away.
PRAGMA application_id = 1734438243;
PRAGMA user_version = 2;
PRAGMA foreign_keys = OFF;
BEGIN TRANSACTION;
CREATE TABLE adoption (
    kind TEXT NOT NULL,                            -- a noun of the command line
    id   TEXT NOT NULL,                            -- client_id, GUID, key id; of an authentication type its fold
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
INSERT INTO "adoption" VALUES('user','f6928310-ac9f-47f9-b46a-796b88eea394');
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
, number INTEGER, retiring_digest BLOB, retiring_until INTEGER) STRICT, WITHOUT ROWID;
INSERT INTO "app" VALUES('2341febb223b66ff7907c1a81aaadb21','gate','gate',X'CE7B694FC59546536D749216E57854C7E28343F35FA34CB5278AA91AC33C4261',1795492884655322,1795492886984361,'',1,'gam_user_data',1,1,0,NULL,0,60,0,0,0,1,NULL,2,NULL,NULL);
INSERT INTO "app" VALUES('641af5c1cd714b4dd61b4e060d429884','portal','portal',X'7533716023057659B207676E26F9E7ED07178D43CD17283834B56E0CA6F8EEBB',1795492884524161,1795492886094134,'Customer portal',1,'gam_user_data+gam_user_roles',1,1,24000,NULL,1,60,0,0,1,0,NULL,1,X'5DDF76699060A6CB05EC69449E318D12C92D71351877B0E96450BBE61472A509',1795579286094134);
INSERT INTO "app" VALUES('dacc3a09ad162a106a6da842ce3ea8de','shop','shop',X'FEFFB8D4505AE06DE856C019BDCFB99CC35467702950E9FC4677F0540AB0FF2C',1795492886698291,1795492886698291,'',1,'gam_user_data',0,0,0,NULL,0,60,0,0,1,0,'m.toml',3,NULL,NULL);
CREATE TABLE app_use (
    client_id    TEXT PRIMARY KEY REFERENCES app (client_id) ON DELETE CASCADE,
    grants       INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO "app_use" VALUES('2341febb223b66ff7907c1a81aaadb21',2,1795492887081825);
INSERT INTO "app_use" VALUES('641af5c1cd714b4dd61b4e060d429884',0,NULL);
INSERT INTO "app_use" VALUES('dacc3a09ad162a106a6da842ce3ea8de',0,NULL);
CREATE TABLE audit (
    seq     INTEGER PRIMARY KEY,                   -- from 1 without gaps
    at      TEXT NOT NULL,                         -- RFC 3339
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,                         -- noun.verb
    target  TEXT NOT NULL,
    details TEXT NOT NULL,                         -- a JSON object, never a secret
    hash    TEXT                                   -- reserved for the chain
) STRICT;
INSERT INTO "audit" VALUES(1,'2026-11-24T04:01:24Z','tester@host','repository.init','06893907-8bd1-49cb-914b-07b1c505432a','{"auth_types": ["apikey", "local"]}',NULL);
INSERT INTO "audit" VALUES(2,'2026-11-24T04:01:24Z','tester@host','auth_type.create','second','{"type": "APIkey", "enabled": true}',NULL);
INSERT INTO "audit" VALUES(3,'2026-11-24T04:01:24Z','tester@host','app.create','portal','{"client_id": "641af5c1cd714b4dd61b4e060d429884", "scopes": ["gam_user_data", "gam_user_roles"], "api_keys": {"enabled": true, "timeout_hours": 24000, "auth_type": null, "scope_choice": true}}',NULL);
INSERT INTO "audit" VALUES(4,'2026-11-24T04:01:24Z','tester@host','app.create','gate','{"client_id": "2341febb223b66ff7907c1a81aaadb21", "scopes": ["gam_user_data"], "api_keys": {"enabled": true, "timeout_hours": 0, "auth_type": null, "scope_choice": false}}',NULL);
INSERT INTO "audit" VALUES(5,'2026-11-24T04:01:24Z','tester@host','user.create','ana','{"guid": "f6928310-ac9f-47f9-b46a-796b88eea394"}',NULL);
INSERT INTO "audit" VALUES(6,'2026-11-24T04:01:24Z','tester@host','user.create','María José','{"guid": "de8e09ae-1842-4fd1-b262-59457a848e8d"}',NULL);
INSERT INTO "audit" VALUES(7,'2026-11-24T04:01:25Z','tester@host','user.set_password','ana','{"password_hash": "changed"}',NULL);
INSERT INTO "audit" VALUES(8,'2026-11-24T04:01:25Z','tester@host','key.generate','AsC96HRT','{"user": "ana", "app": "portal", "scopes": ["user_email"], "expires_at": "2029-08-20T04:01:25Z", "label": "laptop", "replaces": null}',NULL);
INSERT INTO "audit" VALUES(9,'2026-11-24T04:01:25Z','tester@host','key.rotate','7ePXFJLE','{"user": "ana", "app": "portal", "scopes": ["user_email"], "expires_at": "2029-08-20T04:01:25Z", "label": "laptop", "replaces": "AsC96HRT", "overlap": "7 days, 0:00:00"}',NULL);
INSERT INTO "audit" VALUES(10,'2026-11-24T04:01:25Z','tester@host','key.generate','wb8Pu8gF','{"user": "ana", "app": "gate", "scopes": ["gam_user_data"], "expires_at": null, "label": "", "replaces": null}',NULL);
INSERT INTO "audit" VALUES(11,'2026-11-24T04:01:25Z','tester@host','key.generate','5avvQASk','{"user": "María José", "app": "portal", "scopes": ["gam_user_data", "gam_user_roles"], "expires_at": "2029-08-20T04:01:25Z", "label": "", "replaces": null}',NULL);
INSERT INTO "audit" VALUES(12,'2026-11-24T04:01:25Z','tester@host','key.revoke','5avvQASk','{"ended_at": [null, "2026-11-24T04:01:25Z"], "end": [null, "revoked"], "reason": "leaked", "user": "María José", "app": "portal"}',NULL);
INSERT INTO "audit" VALUES(13,'2026-11-24T04:01:26Z','tester@host','app.rotate_secret','portal','{"secret_digest": "changed", "retiring_digest": "changed", "retiring_until": [null, "2026-11-25T04:01:26Z"]}',NULL);
INSERT INTO "audit" VALUES(14,'2026-11-24T04:01:26Z','tester@host','key.generate','batch 1','{"lines": [2, 2], "made": 1, "renewed": 0, "beginning": "MUoo"}',NULL);
INSERT INTO "audit" VALUES(15,'2026-11-24T04:01:26Z','tester@host','user.create','eva','{"guid": "0365d5c7-fbda-4d6a-8246-56cea4311536"}',NULL);
INSERT INTO "audit" VALUES(16,'2026-11-24T04:01:26Z','tester@host','key.generate','QbbS1bQO','{"user": "eva", "app": "portal", "scopes": ["gam_user_data", "gam_user_roles"], "expires_at": "2029-08-20T04:01:26Z", "label": "", "replaces": null}',NULL);
INSERT INTO "audit" VALUES(17,'2026-11-24T04:01:26Z','tester@host','user.adopt','ana','{"managed_by": [null, "m.toml"]}',NULL);
INSERT INTO "audit" VALUES(18,'2026-11-24T04:01:26Z','tester@host','app.create','shop','{"client_id": "dacc3a09ad162a106a6da842ce3ea8de", "scopes": ["gam_user_data"], "api_keys": {"enabled": false, "timeout_hours": 0, "auth_type": null, "scope_choice": false}}',NULL);
INSERT INTO "audit" VALUES(19,'2026-11-24T04:01:26Z','tester@host','user.block','María José','{"blocked": [false, true]}',NULL);
INSERT INTO "audit" VALUES(20,'2026-11-24T04:01:26Z','tester@host','app.rotate_secret','gate','{"secret_digest": "changed"}',NULL);
INSERT INTO "audit" VALUES(21,'2026-11-24T04:01:27Z','tester@host','token.revoke','0008DqernYy9','{"ended_at": [null, "2026-11-24T04:01:27Z"], "user": "ana", "app": "gate"}',NULL);
CREATE TABLE auth_type (
    fold        TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    type        TEXT NOT NULL CHECK (type IN ('APIkey', 'GAMLocal')),
    description TEXT NOT NULL,
    enabled     INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
, managed_by TEXT) STRICT, WITHOUT ROWID;
INSERT INTO "auth_type" VALUES('apikey','apikey','APIkey','API keys',1,1795492884269016,1795492884269016,NULL);
INSERT INTO "auth_type" VALUES('local','local','GAMLocal','User names and passwords',0,1795492884269016,1795492884269016,NULL);
INSERT INTO "auth_type" VALUES('second','second','APIkey','',1,1795492884399211,1795492884399211,NULL);
CREATE TABLE batch (
    id         INTEGER PRIMARY KEY,
    digest     BLOB NOT NULL,                      -- SHA-256 of the input
    created_at INTEGER NOT NULL,
    output     TEXT NOT NULL,                      -- where the last run wrote its keys to
    run        INTEGER NOT NULL,                   -- how many have worked on it: only the last may go on
    delivered  INTEGER NOT NULL                    -- so many of its rows, in their order, have reached the output
) STRICT;
INSERT INTO "batch" VALUES(1,X'E54F68CEB02F92E7691B2B4651D893F1C899E04151E8EAFF420A3D6304D3D4F6',1795492886247550,'out.csv',1,1);
CREATE TABLE batch_part (
    batch      INTEGER NOT NULL REFERENCES batch (id),
    first      INTEGER NOT NULL,
    last       INTEGER NOT NULL,
    beginning  TEXT NOT NULL,
    created_at INTEGER NOT NULL,                   -- as that of its keys
    PRIMARY KEY (batch, first, beginning)
) STRICT, WITHOUT ROWID;
INSERT INTO "batch_part" VALUES(1,1,1,'MUoo',1795492886249221);
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
INSERT INTO "key" VALUES('5avvQASk',2,1,'apikey','gam_user_data+gam_user_roles',X'07BBBC4959E8445F682FC8F1371DD99D6C270C0AD631AE0BF05561F6474DAF6E',1795492885833268,1881892885833268,'',NULL,NULL,1795492885964049,'revoked','leaked',NULL,1);
INSERT INTO "key" VALUES('7ePXFJLE',1,1,'apikey','user_email',X'267BCB4C04CA20E46CA2A906A9206DD3A849190C78CFE3AAC4679C231DDAC37A',1795492885556349,1881892885556349,'laptop',NULL,NULL,NULL,NULL,NULL,NULL,1);
INSERT INTO "key" VALUES('AsC96HRT',1,1,'apikey','user_email',X'5C7091ED40BF5F55B474762407D4864BCCE29DBE81095B6D9A62B89F38338F6E',1795492885424758,1881892885424758,'laptop',NULL,1796097685556736,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "key" VALUES('MUooqDFb',2,2,'apikey','gam_user_data',X'75788EB629A8C7AED88D3F9337231C40204A2063EE1B8BFC7143F102CCD94497',1795492886249221,NULL,'',NULL,NULL,NULL,NULL,NULL,NULL,1);
INSERT INTO "key" VALUES('QbbS1bQO',3,1,'apikey','gam_user_data+gam_user_roles',X'32D631EEA329ED6C5EF5C1805D9F69B7C5B0B1CC31764F5B57B652C96F581C18',1795492886514667,1881892886514667,'',NULL,NULL,NULL,NULL,NULL,NULL,1);
INSERT INTO "key" VALUES('wb8Pu8gF',1,2,'apikey','gam_user_data',X'13DD6E3BBA7020F187F2E739A0AA294E7733BA70D5A833EB9D6996F3D599C977',1795492885698818,NULL,'',1795492887080076,NULL,NULL,NULL,NULL,NULL,1);
CREATE TABLE key_request (
    id    TEXT PRIMARY KEY,
    key   TEXT NOT NULL REFERENCES key (id) ON DELETE CASCADE,
    asked TEXT NOT NULL                            -- canonical JSON: what is compared
) STRICT, WITHOUT ROWID;
INSERT INTO "key_request" VALUES('r1','QbbS1bQO','{"auth_type":null,"client_id":"641af5c1cd714b4dd61b4e060d429884","expires_in":null,"label":"","overlap":null,"replace":false,"scopes":null,"user":"0365d5c7-fbda-4d6a-8246-56cea4311536"}');
CREATE TABLE migration (
    version INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL
) STRICT;
INSERT INTO "migration" VALUES(1,1795492884264880);
INSERT INTO "migration" VALUES(2,1795492884268210);
CREATE TABLE repository (
    only_row          INTEGER PRIMARY KEY CHECK (only_row = 1),
    guid              TEXT NOT NULL,
    default_auth_type TEXT NOT NULL REFERENCES auth_type (fold),
    created_at        INTEGER NOT NULL,
    pairwise_key      BLOB NOT NULL                -- random: user ids that no application can compute
) STRICT;
INSERT INTO "repository" VALUES(1,'06893907-8bd1-49cb-914b-07b1c505432a','apikey',1795492884269016,X'2E7CCCB75060849935FEF437F6CB19AE26DF43EC1F767E976DD2FDA3D812D132');
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
INSERT INTO "token" VALUES(1795492887080076,X'2FBFA823A78C8FD7C4CE1E7470CEFA5B381B0C775D1FD35431885687574AEB47','f6928310-ac9f-47f9-b46a-796b88eea394','2341febb223b66ff7907c1a81aaadb21','wb8Pu8gF','gam_user_data',1795492887080076,1795496487080076,NULL);
INSERT INTO "token" VALUES(1795492887081825,X'AAA73F5989AD2DBC0F027064C13E44FEA931D80EAA7CB6343745B2E6F6EDA233','f6928310-ac9f-47f9-b46a-796b88eea394','2341febb223b66ff7907c1a81aaadb21','wb8Pu8gF','gam_user_data',1795492887081825,1795496487081825,1795492887082439);
CREATE TABLE token_floor (
    client_id TEXT NOT NULL REFERENCES app (client_id) ON DELETE CASCADE,
    user_guid TEXT NOT NULL REFERENCES user (guid) ON DELETE CASCADE,
    since     INTEGER NOT NULL,
    PRIMARY KEY (client_id, user_guid)
) STRICT, WITHOUT ROWID;
INSERT INTO "token_floor" VALUES('2341febb223b66ff7907c1a81aaadb21','f6928310-ac9f-47f9-b46a-796b88eea394',1795492887081825);
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
, number INTEGER) STRICT, WITHOUT ROWID;
INSERT INTO "user" VALUES('0365d5c7-fbda-4d6a-8246-56cea4311536','eva','eva',1795492886380102,1795492886380102,'',NULL,0,'','','','','N','','','','','','','','','','','{}',1,0,NULL,NULL,3);
INSERT INTO "user" VALUES('de8e09ae-1842-4fd1-b262-59457a848e8d','maría josé','María José',1795492884915488,1795492886853620,'mj@example.com','mj@example.com',0,'','','','','N','','','','','','','','','','','{}',1,1,NULL,NULL,2);
INSERT INTO "user" VALUES('f6928310-ac9f-47f9-b46a-796b88eea394','ana','ana',1795492884780969,1795492885291632,'ana@example.com','ana@example.com',0,'Ana','','','','N','','','','','','','','','','operator+admin','{"Area": "North"}',1,0,'m.toml','scrypt$32768$8$3$WZAPNFZorWND2ZxEF2nzlg==$sF5T5YWHC8fP/rKE4QTPO0ASgVRtGWYT/KW/y3KM0LI=',1);
CREATE TABLE user_attribute (
    id        TEXT NOT NULL,
    user_guid TEXT NOT NULL REFERENCES user (guid) ON DELETE CASCADE,
    PRIMARY KEY (user_guid, id)
) STRICT, WITHOUT ROWID;
INSERT INTO "user_attribute" VALUES('Area','f6928310-ac9f-47f9-b46a-796b88eea394');
CREATE INDEX user_attribute_by_id ON user_attribute (id);
CREATE INDEX token_floor_by_user ON token_floor (user_guid);
CREATE UNIQUE INDEX app_by_number ON app (number);
CREATE UNIQUE INDEX user_by_number ON user (number);
CREATE UNIQUE INDEX key_by_user ON key (user_number, app_number, current);
CREATE INDEX key_by_app ON key (app_number);
CREATE INDEX key_by_creation ON key (created_at, id);
CREATE INDEX key_by_expiry ON key (expires_at, id, ended_at) WHERE ended_at IS NULL AND expires_at IS NOT NULL;
CREATE INDEX key_retiring ON key (expires_at, retires_at, ended_at) WHERE ended_at IS NULL AND retires_at IS NOT NULL;
CREATE INDEX key_ended ON key (end_status) WHERE end_status IS NOT NULL;
CREATE INDEX batch_by_digest ON batch (digest);
CREATE INDEX key_request_by_key ON key_request (key);
CREATE INDEX app_managed ON app (managed_by) WHERE managed_by IS NOT NULL;
CREATE INDEX user_managed ON user (managed_by) WHERE managed_by IS NOT NULL;
CREATE INDEX key_managed ON key (managed_by) WHERE managed_by IS NOT NULL;
COMMIT;
