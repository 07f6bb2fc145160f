-- A store as gamcli wrote it at version 4 of the schema; its secrets were thrown away.
PRAGMA application_id = 1734438243;
PRAGMA user_version = 4;
PRAGMA foreign_keys = OFF;
BEGIN TRANSACTION;
CREATE TABLE adoption (
    kind TEXT NOT NULL,                            -- a noun of the command line
    id   TEXT NOT NULL,                            -- client_id, GUID, key id; of an authentication type its fold
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
INSERT INTO "adoption" VALUES('user','5ecbf833-4be7-4380-a4c9-57a6667be465');
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
INSERT INTO "app" VALUES('1cb5f8cef933a61fd0f50d1b4eec24ea','gate','gate',X'6E29A92A158BEAC8EEE548C25F94FF77B2B1A76C46E2A46CEE5A3A487CFD0F31',1795885625759687,1795885625759687,'Gate',1,'',1,1,0,NULL,0,60,0,0,1,0,'m.toml',3,NULL,NULL);
INSERT INTO "app" VALUES('47d6653dc6866b9aaab947c8e67001b2','shop','shop',X'68B9697B629C3EA801AC3E1C23E2D58E76796796B8D2DBE5E1628371A8DFF18A',1795885596882742,1795885596882742,'',1,'fullcontrol',1,1,0,NULL,0,60,0,0,1,1,NULL,2,NULL,NULL);
INSERT INTO "app" VALUES('e707ac219a00cced8df813cbd1beb51b','portal','portal',X'C2A63F571FD9124977612398C4FF9044F8348B2B77D5356B9EA69F84E65639B4',1795885595030449,1795885598460680,'',1,'gam_user_data+gam_user_roles',1,1,2160,NULL,1,60,3,0,1,0,NULL,1,X'E33CDF9C7F7120B98E8C78408953E07F2ECD183006B5606DF349B4C212ACF43E',1795971998460680);
CREATE TABLE app_use (
    client_id    TEXT PRIMARY KEY REFERENCES app (client_id) ON DELETE CASCADE,
    grants       INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO "app_use" VALUES('1cb5f8cef933a61fd0f50d1b4eec24ea',0,NULL);
INSERT INTO "app_use" VALUES('47d6653dc6866b9aaab947c8e67001b2',2,1795886522650628);
INSERT INTO "app_use" VALUES('e707ac219a00cced8df813cbd1beb51b',3,1795886522519321);
CREATE TABLE audit (
    seq     INTEGER PRIMARY KEY,                   -- from 1 without gaps
    at      TEXT NOT NULL,                         -- RFC 3339
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,                         -- noun.verb
    target  TEXT NOT NULL,
    details TEXT NOT NULL,                         -- a JSON object, never a secret
    hash    TEXT                                   -- reserved for the chain
) STRICT;
INSERT INTO "audit" VALUES(1,'2026-11-28T17:06:33Z','root@vm','repository.init','f3715cdb-9411-4f0b-a5f6-a902e3e5aeee','{"auth_types":["apikey","local"]}','9f227711819ab201d8f4c352f8576729bf5be485dcb9d77f322657669722e3e9');
INSERT INTO "audit" VALUES(2,'2026-11-28T17:06:35Z','root@vm','app.create','portal','{"client_id":"e707ac219a00cced8df813cbd1beb51b","scopes":["gam_user_data","gam_user_roles"],"api_keys":{"enabled":true,"timeout_hours":2160,"auth_type":null,"scope_choice":true}}','259ca0d91a991634f504d72e13faba07ab12142a1094e80567383d96801da109');
INSERT INTO "audit" VALUES(3,'2026-11-28T17:06:36Z','root@vm','app.create','shop','{"client_id":"47d6653dc6866b9aaab947c8e67001b2","scopes":["fullcontrol"],"api_keys":{"enabled":true,"timeout_hours":0,"auth_type":null,"scope_choice":false}}','e2cc9ce666737d7b5981c5935ca882992cdfb43bafcf08f00b714e7baf234c52');
INSERT INTO "audit" VALUES(4,'2026-11-28T17:06:38Z','root@vm','app.rotate_secret','portal','{"secret_digest":"changed","retiring_digest":"changed","retiring_until":[null,"2026-11-29T17:06:38Z"]}','5405d1b9dbee0c2d74ec718ce09610e914a13966fc6a607567024341faacb203');
INSERT INTO "audit" VALUES(5,'2026-11-28T17:06:40Z','root@vm','user.create','ana','{"guid":"3d0edf0f-4825-4010-92ce-739bd3a7ddba"}','bee9010d55d493c790a191a753613a923df9eacb85a9b216cf2afe2d63b57b56');
INSERT INTO "audit" VALUES(6,'2026-11-28T17:06:45Z','root@vm','user.set_password','ana','{"password_hash":"changed","password_set_at":[null,"2026-11-28T17:06:45Z"]}','aba4dbe989597101e1391b68f069981d4990fe76bc8827b9c78bd4a3450fbd0f');
INSERT INTO "audit" VALUES(7,'2026-11-28T17:06:46Z','root@vm','user.create','berta','{"guid":"5ecbf833-4be7-4380-a4c9-57a6667be465"}','8bad5356d482aaf56c899a36cd86f5248cd4adf4adf88f7d4b6b16415ca888ec');
INSERT INTO "audit" VALUES(8,'2026-11-28T17:06:48Z','root@vm','user.create','carl','{"guid":"a84b06ca-7b5f-415c-8b21-9da13fb6eae7"}','b84e87c11cbb2d1377e21428b6470cc86414adaccc10c292bafe2117f447419d');
INSERT INTO "audit" VALUES(9,'2026-11-28T17:06:50Z','root@vm','key.generate','n8pTEnWt','{"user":"ana","app":"portal","scopes":["gam_user_data"],"expires_at":"2027-02-26T17:06:50Z","label":"first","replaces":null}','a6ca155a148210ed1f60d49d34ac3c69c3bef4451d8c4461dbfba0dc96a6a4c5');
INSERT INTO "audit" VALUES(10,'2026-11-28T17:06:53Z','root@vm','key.rotate','UCUFY1zK','{"user":"ana","app":"portal","scopes":["gam_user_data"],"expires_at":"2027-02-26T17:06:53Z","label":"first","replaces":"n8pTEnWt","overlap":"7d"}','1936f3570f2b240801137438f91cadf5c0250816076de5d0e830ecbd81341a96');
INSERT INTO "audit" VALUES(11,'2026-11-28T17:06:55Z','root@vm','key.generate','08seyKS3','{"user":"ana","app":"shop","scopes":["fullcontrol"],"expires_at":null,"label":"","replaces":null}','be1502d6cbffd7dfa4dca899694f451634aabcc4cf40331dd8066e6016d41103');
INSERT INTO "audit" VALUES(12,'2026-11-28T17:06:56Z','root@vm','key.generate','VmAVIfYn','{"user":"berta","app":"shop","scopes":["fullcontrol"],"expires_at":null,"label":"","replaces":null}','165767197566d6434d793d20ac9e4b871ffc257a1a5e81ec70dab91c4ae9fd46');
INSERT INTO "audit" VALUES(13,'2026-11-28T17:06:58Z','root@vm','key.disable','VmAVIfYn','{"reason":"asked by berta","disabled_at":[null,"2026-11-28T17:06:58Z"],"user":"berta","app":"shop"}','638775522a4ad1973611e99b0f36449183bca9155b3537ee389ede1f95484d07');
INSERT INTO "audit" VALUES(14,'2026-11-28T17:07:00Z','root@vm','key.generate','Jns5GV89','{"user":"berta","app":"portal","scopes":["gam_user_data","gam_user_roles"],"expires_at":"2027-02-26T17:07:00Z","label":"","replaces":null}','bfaf0a36f5a4b11d5fa5a2a47261d06080dc06f5722b384fca24236301619cf6');
INSERT INTO "audit" VALUES(15,'2026-11-28T17:07:01Z','root@vm','key.revoke','Jns5GV89','{"ended_at":[null,"2026-11-28T17:07:01Z"],"end":[null,"revoked"],"reason":"laptop lost","user":"berta","app":"portal","tokens":0}','7402df94ab56c38f994f3176fe42f47237a7c4ee0c79200e1892fe6c32c49b1c');
INSERT INTO "audit" VALUES(16,'2026-11-28T17:07:03Z','root@vm','key.generate','batch 1','{"lines":[2,2],"made":1,"renewed":0,"beginning":"UlZT","keys":{"portal":{"UlZTlASM":"berta"}},"reissued":{}}','9679c47889a54c0467146adc47a923cae8ab61ac62f608ba14ded9dca485ac30');
INSERT INTO "audit" VALUES(17,'2026-11-28T17:07:05Z','root@vm','user.adopt','berta','{"managed_by":[null,"m.toml"]}','f61af176ffd605dccf23af8fdb5c20190350affc75c6ce2c703a560af7f7320b');
INSERT INTO "audit" VALUES(18,'2026-11-28T17:07:05Z','root@vm','app.create','gate','{"client_id":"1cb5f8cef933a61fd0f50d1b4eec24ea","scopes":[],"api_keys":{"enabled":true,"timeout_hours":0,"auth_type":null,"scope_choice":false}}','7129e2fdc54b0942e706256dfef6018f85cd0b27318ec3e9343def64f934146d');
INSERT INTO "audit" VALUES(19,'2026-11-28T17:07:05Z','root@vm','user.create','dora','{"guid":"cc4954f7-8d78-4ef7-9d59-a52f84d88f61"}','253f08918b2aeff9d936db3397f1d4935dda2cb6764a5d2434943fed8dbace51');
INSERT INTO "audit" VALUES(20,'2026-11-28T17:12:07Z','root@vm','endpoint.refuse','-','{"refused":{"grant_type_unknown":4},"since":"2026-11-28T17:07:07Z","until":"2026-11-28T17:12:07Z"}','4fecd4779ca7ef0210c64392b6fa0f506911edb0165163cf784a7e2300a3d97e');
INSERT INTO "audit" VALUES(21,'2026-11-28T17:12:07Z','root@vm','endpoint.refuse','portal','{"client_id":"e707ac219a00cced8df813cbd1beb51b","refused":{"auth_type_unavailable":1},"since":"2026-11-28T17:07:07Z","until":"2026-11-28T17:12:07Z"}','9045f4e3f96af686cfe04f2f8c21b8ebbd0f6eb9fe1b0ab2a5acda22acb7179d');
INSERT INTO "audit" VALUES(22,'2026-11-28T17:16:55Z','root@vm','endpoint.refuse','-','{"refused":{"grant_type_unknown":4},"since":"2026-11-28T17:12:07Z","until":"2026-11-28T17:16:55Z"}','67a707bc2be4f74d510f8197ab9ad367c6c11d06795addf3f3b96b0ca0d917bf');
INSERT INTO "audit" VALUES(23,'2026-11-28T17:16:55Z','root@vm','endpoint.refuse','portal','{"client_id":"e707ac219a00cced8df813cbd1beb51b","refused":{"auth_type_unavailable":1},"since":"2026-11-28T17:12:07Z","until":"2026-11-28T17:16:55Z"}','ff9a3928c469a7f95681ad3893d8657eb6366697333eec7d0701b2e49075bdfb');
INSERT INTO "audit" VALUES(24,'2026-11-28T17:17:35Z','root@vm','auth_type.update','local','{"enabled":[false,true]}','b5d814cd0f598ac2b4717614010d72076a5560064e3144c9ea99fac90ecb2ef7');
INSERT INTO "audit" VALUES(25,'2026-11-28T17:17:45Z','root@vm','endpoint.refuse','-','{"refused":{"grant_type_missing":4},"since":"2026-11-28T17:17:38Z","until":"2026-11-28T17:17:45Z"}','47a975750e6d6ea4908ddd7719b92d797b11ba61d3a8130259869eba3498ea0d');
INSERT INTO "audit" VALUES(26,'2026-11-28T17:17:52Z','root@vm','token.revoke','0008DxaFxZ32','{"ended_at":[null,"2026-11-28T17:17:52Z"],"user":"ana","app":"portal"}','0e1fe16565ad910fdf2cf4c5f5a66deb47a6a2ec20db62b6efdd73387d488eae');
INSERT INTO "audit" VALUES(27,'2026-11-28T17:22:04Z','root@vm','endpoint.refuse','shop','{"client_id":"47d6653dc6866b9aaab947c8e67001b2","refused":{"auth_type_missing":1},"since":"2026-11-28T17:21:57Z","until":"2026-11-28T17:22:04Z"}','83d2b4b0a3959097d1ff9639907799ed29b69ff39013943cc596b897107b5b4a');
CREATE TABLE auth_type (
    fold        TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    type        TEXT NOT NULL CHECK (type IN ('APIkey', 'GAMLocal')),
    description TEXT NOT NULL,
    enabled     INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
, managed_by TEXT) STRICT, WITHOUT ROWID;
INSERT INTO "auth_type" VALUES('apikey','apikey','APIkey','API keys',1,1795885593208848,1795885593208848,NULL);
INSERT INTO "auth_type" VALUES('local','local','GAMLocal','User names and passwords',1,1795885593208848,1795886255327618,NULL);
CREATE TABLE batch (
    id         INTEGER PRIMARY KEY,
    digest     BLOB NOT NULL,                      -- SHA-256 of the input
    created_at INTEGER NOT NULL,
    output     TEXT NOT NULL,                      -- where the last run wrote its keys to
    run        INTEGER NOT NULL,                   -- how many have worked on it: only the last may go on
    delivered  INTEGER NOT NULL                    -- how many rows were written to the output
) STRICT;
INSERT INTO "batch" VALUES(1,X'863B2179477C7C0D914CDB9BEECAE31DF70FBA3630B8799F9497DB1B8AC66C24',1795885623531578,'/srv/gam/out.csv',1,1);
CREATE TABLE batch_part (
    batch      INTEGER NOT NULL REFERENCES batch (id),
    first      INTEGER NOT NULL,
    last       INTEGER NOT NULL,
    beginning  TEXT NOT NULL,
    created_at INTEGER NOT NULL,                   -- as that of its keys
    PRIMARY KEY (batch, first, beginning)
) STRICT, WITHOUT ROWID;
INSERT INTO "batch_part" VALUES(1,1,1,'UlZT',1795885623567587);
CREATE TABLE default_type_use (
    day      INTEGER PRIMARY KEY,
    requests INTEGER NOT NULL
) STRICT;
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
    retires_at   INTEGER,                          -- rotated: lives until then
    ended_at     INTEGER,                          -- ended for good: when, as what, why
    end_status   TEXT CHECK (end_status IN ('revoked', 'replaced', 'invalidated')),
    reason       TEXT,
    managed_by   TEXT,
    current      INTEGER CHECK (current = 1), disabled_at INTEGER, replaces TEXT,      -- 1 = the pair's one current key, NULL = an earlier one
    CHECK ((ended_at IS NULL) = (end_status IS NULL))
) STRICT, WITHOUT ROWID;
INSERT INTO "key" VALUES('08seyKS3',1,2,'fullcontrol',X'A00E0D83FE219D114071664BFE8F27E9E8C19E6B60B9BDA8A3803E4E2FC43250',1795885615382996,NULL,'',1795886522615435,NULL,NULL,NULL,NULL,NULL,1,NULL,NULL);
INSERT INTO "key" VALUES('Jns5GV89',2,1,'gam_user_data+gam_user_roles',X'F3B3F30E4B0A2F57E9E4B20F305E725EC591E5431D65EB0596F98F7811C3276A',1795885620481063,1803661620481063,'',NULL,NULL,1795885621788803,'revoked','laptop lost',NULL,NULL,NULL,NULL);
INSERT INTO "key" VALUES('UCUFY1zK',1,1,'gam_user_data',X'25DADD471B10C5140C1A46E49345A3B8B7C256FF88DF92D043A6295E4659181D',1795885613854103,1803661613854103,'first',1795886522519321,NULL,NULL,NULL,NULL,NULL,1,NULL,'n8pTEnWt');
INSERT INTO "key" VALUES('UlZTlASM',2,1,'gam_user_data+gam_user_roles',X'01D7BE4D45DF73AD402DF4E880F1FB0F87B3CB3C4F7FCDF4B05067AFE7040BC9',1795885623567587,1803661623567587,'',NULL,NULL,NULL,NULL,NULL,NULL,1,NULL,NULL);
INSERT INTO "key" VALUES('VmAVIfYn',2,2,'fullcontrol',X'6450D4C99D272FE492C5C43DE090464EFA307FFB4EC694284B89299E0105D440',1795885616900718,NULL,'',NULL,NULL,NULL,NULL,'asked by berta',NULL,1,1795885618763712,NULL);
INSERT INTO "key" VALUES('n8pTEnWt',1,1,'gam_user_data',X'05FD1C4132732DEEA4845F3EE9CF3E1BA9D8476A9E41A10EB016D2C782D7B3A5',1795885610589994,1803661610589994,'first',NULL,1796490413855544,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE key_request (
    id    TEXT PRIMARY KEY,
    key   TEXT NOT NULL REFERENCES key (id) ON DELETE CASCADE,
    asked TEXT NOT NULL                            -- canonical JSON: what is compared
) STRICT, WITHOUT ROWID;
INSERT INTO "key_request" VALUES('r1','n8pTEnWt','{"client_id":"e707ac219a00cced8df813cbd1beb51b","expires_in":null,"label":"first","overlap":null,"replace":false,"scopes":["gam_user_data"],"user":"3d0edf0f-4825-4010-92ce-739bd3a7ddba"}');
CREATE TABLE migration (
    version INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL
) STRICT;
INSERT INTO "migration" VALUES(1,1795885593071422);
INSERT INTO "migration" VALUES(2,1795885593136192);
INSERT INTO "migration" VALUES(3,1795885593152424);
INSERT INTO "migration" VALUES(4,1795885593181171);
CREATE TABLE refresh_token (
    session    INTEGER NOT NULL,
    counter    INTEGER NOT NULL,                   -- the renewal that it buys, from 1
    token      INTEGER NOT NULL,                   -- the access token that it was issued with
    digest     BLOB NOT NULL,                      -- SHA-256 of the whole refresh token
    expires_at INTEGER NOT NULL,
    used_at    INTEGER,
    PRIMARY KEY (session, counter)
) STRICT, WITHOUT ROWID;
INSERT INTO "refresh_token" VALUES(1795886265082400,1,1795886265082400,X'987CD24CB038733D55D331396046E8C25E01FDC92AB3B9FF2CF9358FEB7B6362',1798478265082400,1795886265143398);
INSERT INTO "refresh_token" VALUES(1795886265082400,2,1795886265143398,X'703163BF2AFD38386A3A396B90C1C5AD8C2ED096A583FEAAA8F6DF51775F7532',1798478265143398,NULL);
INSERT INTO "refresh_token" VALUES(1795886522519321,1,1795886522519321,X'2676BB9A46AD0D1818441B94738207620324FB177FFC5AA038BB191947464C24',1798478522519321,NULL);
CREATE TABLE repository (
    only_row          INTEGER PRIMARY KEY CHECK (only_row = 1),
    guid              TEXT NOT NULL,
    default_auth_type TEXT NOT NULL REFERENCES auth_type (fold),
    created_at        INTEGER NOT NULL,
    pairwise_key      BLOB NOT NULL                -- random: user ids that no application can compute
) STRICT;
INSERT INTO "repository" VALUES(1,'f3715cdb-9411-4f0b-a5f6-a902e3e5aeee','local',1795885593208848,X'BB2036252FF44F80EE73B743428E02ADB2AAB09DACEF117CBFA0589A467B9496');
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
INSERT INTO "session" VALUES(1795886265082400,'3d0edf0f-4825-4010-92ce-739bd3a7ddba','e707ac219a00cced8df813cbd1beb51b','local',NULL,'gam_user_data+gam_user_roles','[]',1795886272343081);
INSERT INTO "session" VALUES(1795886522519321,'3d0edf0f-4825-4010-92ce-739bd3a7ddba','e707ac219a00cced8df813cbd1beb51b','apikey','UCUFY1zK','gam_user_data','[]',NULL);
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
, session INTEGER) STRICT;
INSERT INTO "token" VALUES(1795886265082400,X'8FCA04DF5398044D62122939DFA5F5FDD864B1272F7C416EC0A545FA6862827C','3d0edf0f-4825-4010-92ce-739bd3a7ddba','e707ac219a00cced8df813cbd1beb51b',NULL,'gam_user_data+gam_user_roles',1795886265082400,1795889865082400,1795886272343081,1795886265082400);
INSERT INTO "token" VALUES(1795886265143398,X'A4D59CB275858B669B7A945A34DBB270E99664D4A504649B19FDA6907D227F51','3d0edf0f-4825-4010-92ce-739bd3a7ddba','e707ac219a00cced8df813cbd1beb51b',NULL,'gam_user_data+gam_user_roles',1795886265143398,1795889865143398,NULL,1795886265082400);
INSERT INTO "token" VALUES(1795886522519321,X'FCD6D7A0A0EB4BA8734DBD21DE39BAC0553312E829ADEE913EAB677E58A91E78','3d0edf0f-4825-4010-92ce-739bd3a7ddba','e707ac219a00cced8df813cbd1beb51b','UCUFY1zK','gam_user_data',1795886522519321,1795890122519321,NULL,1795886522519321);
INSERT INTO "token" VALUES(1795886522615435,X'0B69A108A01B2F848B7EBD076D31A8CBFE4E0675B6FEA4A44B8621E6AC3CCFD6','3d0edf0f-4825-4010-92ce-739bd3a7ddba','47d6653dc6866b9aaab947c8e67001b2','08seyKS3','fullcontrol',1795886522615435,1795890122615435,NULL,NULL);
INSERT INTO "token" VALUES(1795886522650628,X'2490D4A02C4A609E41BBF3B2097C7D6B489F8684F21734C13AAF1FD86B08D49E','3d0edf0f-4825-4010-92ce-739bd3a7ddba','47d6653dc6866b9aaab947c8e67001b2','08seyKS3','fullcontrol',1795886522650628,1795890122650628,NULL,NULL);
CREATE TABLE token_floor (
    client_id TEXT NOT NULL REFERENCES app (client_id) ON DELETE CASCADE,
    user_guid TEXT NOT NULL REFERENCES user (guid) ON DELETE CASCADE,
    since     INTEGER NOT NULL,
    PRIMARY KEY (client_id, user_guid)
) STRICT, WITHOUT ROWID;
INSERT INTO "token_floor" VALUES('47d6653dc6866b9aaab947c8e67001b2','3d0edf0f-4825-4010-92ce-739bd3a7ddba',1795886522650628);
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
, number INTEGER, password_set_at INTEGER, password_must_change INTEGER NOT NULL DEFAULT 0, password_expires_at INTEGER, custom_info TEXT NOT NULL DEFAULT '') STRICT, WITHOUT ROWID;
INSERT INTO "user" VALUES('3d0edf0f-4825-4010-92ce-739bd3a7ddba','ana','ana',1795885600547621,1795885605089902,'ana@example.com','ana@example.com',0,'Ana','','','','N','','','','','','','','','','operator','{"CompanyID": "42", "Langs": "[\"es\",\"en\"]"}',1,0,NULL,'scrypt$32768$8$3$d+De1+i7DXqaNMGyVf3f9A==$+X/WPHdEJWWmkvpQ3c+ggJLsqvZRybalg6HwGR7yeG4=',1,1795885605089902,0,NULL,'');
INSERT INTO "user" VALUES('5ecbf833-4be7-4380-a4c9-57a6667be465','berta','berta',1795885606586946,1795885606586946,'berta@example.com','berta@example.com',0,'','','','','N','','','','','','','','','','','{}',1,0,'m.toml',NULL,2,NULL,0,NULL,'');
INSERT INTO "user" VALUES('a84b06ca-7b5f-415c-8b21-9da13fb6eae7','carl','carl',1795885608036007,1795885608036007,'carl@example.com','carl@example.com',0,'','','','','N','','','','','','','','','','','{}',1,0,NULL,NULL,3,NULL,0,NULL,'');
INSERT INTO "user" VALUES('cc4954f7-8d78-4ef7-9d59-a52f84d88f61','dora','dora',1795885625759687,1795885625759687,'dora@example.com','dora@example.com',0,'','','','','N','','','','','','','','','','','{}',1,0,'m.toml',NULL,4,NULL,0,NULL,'');
CREATE TABLE user_attribute (
    id        TEXT NOT NULL,
    user_guid TEXT NOT NULL REFERENCES user (guid) ON DELETE CASCADE,
    PRIMARY KEY (user_guid, id)
) STRICT, WITHOUT ROWID;
INSERT INTO "user_attribute" VALUES('CompanyID','3d0edf0f-4825-4010-92ce-739bd3a7ddba');
INSERT INTO "user_attribute" VALUES('Langs','3d0edf0f-4825-4010-92ce-739bd3a7ddba');
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
CREATE INDEX session_by_user ON session (user_guid);
CREATE INDEX token_by_session ON token (session) WHERE session IS NOT NULL;
CREATE INDEX session_by_app ON session (client_id);
CREATE INDEX key_disabled ON key (disabled_at) WHERE disabled_at IS NOT NULL;
COMMIT;
