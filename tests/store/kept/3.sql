-- A store as gamcli wrote it at version 3 of the schema; its secrets were thrown away.
PRAGMA application_id = 1734438243;
PRAGMA user_version = 3;
PRAGMA foreign_keys = OFF;
BEGIN TRANSACTION;
CREATE TABLE adoption (
    kind TEXT NOT NULL,                            -- a noun of the command line
    id   TEXT NOT NULL,                            -- client_id, GUID, key id; of an authentication type its fold
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
INSERT INTO "adoption" VALUES('user','b754d280-a756-4c45-922a-9bbc29556482');
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
INSERT INTO "app" VALUES('448c3e495ea2343bb359426df4cb5908','gate','gate',X'D46E3CE2CCC877E86FB301B118238E62556AB9C2008E831DC941ADF254999A7A',1795871999922987,1795871999922987,'Gate',1,'gam_user_data',1,0,0,NULL,0,60,0,0,1,0,'m.toml',3,NULL,NULL);
INSERT INTO "app" VALUES('4a06f71ea9e5f90c7a29dae921f5cdaf','portal','portal',X'5A312761C8D9D90C34BF22191F2E7FA56F6DD61E841516A3EC6549D6C0162D84',1795871995513848,1795871995966730,'',1,'gam_user_data+gam_user_roles',1,1,2160,NULL,1,60,3,0,1,0,NULL,1,X'F1868E2E2B944CEEED71AB497EC3E376E236FBC118DE782DF0A2F97A897B6885',1795958395966730);
INSERT INTO "app" VALUES('9825603d542ec577ebda97b225123f31','shop','shop',X'9B8AEE0A94DB3A9CE62C601E1A0BE636832196FF1A2EDF21BF8CE202B30B58D5',1795871995748905,1795871995748905,'',1,'fullcontrol',1,1,0,NULL,0,60,0,0,0,1,NULL,2,NULL,NULL);
CREATE TABLE app_use (
    client_id    TEXT PRIMARY KEY REFERENCES app (client_id) ON DELETE CASCADE,
    grants       INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO "app_use" VALUES('448c3e495ea2343bb359426df4cb5908',0,NULL);
INSERT INTO "app_use" VALUES('4a06f71ea9e5f90c7a29dae921f5cdaf',3,1795872001627351);
INSERT INTO "app_use" VALUES('9825603d542ec577ebda97b225123f31',2,1795872001183289);
CREATE TABLE audit (
    seq     INTEGER PRIMARY KEY,                   -- from 1 without gaps
    at      TEXT NOT NULL,                         -- RFC 3339
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,                         -- noun.verb
    target  TEXT NOT NULL,
    details TEXT NOT NULL,                         -- a JSON object, never a secret
    hash    TEXT                                   -- reserved for the chain
) STRICT;
INSERT INTO "audit" VALUES(1,'2026-11-28T13:19:55Z','root@vm','repository.init','0181367e-bea2-45f4-ac7b-0dddb64a04c0','{"auth_types":["apikey","local"]}','21d300050b94158b208739ae2f80a99f10cd041bb3b67d5656afdbece363cdcd');
INSERT INTO "audit" VALUES(2,'2026-11-28T13:19:55Z','root@vm','auth_type.update','local','{"enabled":[false,true]}','9ccb7e7931cdab6e742e084073be8d43ef07ea6395e67e89d053a6501c4c8524');
INSERT INTO "audit" VALUES(3,'2026-11-28T13:19:55Z','root@vm','app.create','portal','{"client_id":"4a06f71ea9e5f90c7a29dae921f5cdaf","scopes":["gam_user_data","gam_user_roles"],"api_keys":{"enabled":true,"timeout_hours":2160,"auth_type":null,"scope_choice":true}}','ad7ec0c6dd56fecfd7bd3a423c99e45c1e0ca318d44a8172540251be167af801');
INSERT INTO "audit" VALUES(4,'2026-11-28T13:19:55Z','root@vm','app.create','shop','{"client_id":"9825603d542ec577ebda97b225123f31","scopes":["fullcontrol"],"api_keys":{"enabled":true,"timeout_hours":0,"auth_type":null,"scope_choice":false}}','9eb36ae4ba912064e5e42c12b3c0acd358e845676b9b8a852ed35b3216a20a1f');
INSERT INTO "audit" VALUES(5,'2026-11-28T13:19:55Z','root@vm','app.rotate_secret','portal','{"secret_digest":"changed","retiring_digest":"changed","retiring_until":[null,"2026-11-29T13:19:55Z"]}','505f527b13aa130f7b35881f5877c3c438883bcdb139d625d54779fb77617fe0');
INSERT INTO "audit" VALUES(6,'2026-11-28T13:19:56Z','root@vm','user.create','ana','{"guid":"791e38ff-028f-4523-b0a6-505ba0cfaee2"}','19323112f25c5e36c0f5c2e88227b67de5cede749ada4b30fee5ce19ff317b13');
INSERT INTO "audit" VALUES(7,'2026-11-28T13:19:56Z','root@vm','user.create','berta','{"guid":"b754d280-a756-4c45-922a-9bbc29556482"}','81f8c9309b6758984a0aa7c28766916ba912eb2f96f7d7cc28afbd946addb291');
INSERT INTO "audit" VALUES(8,'2026-11-28T13:19:56Z','root@vm','user.set_password','ana','{"password_hash":"changed","password_set_at":[null,"2026-11-28T13:19:56Z"]}','d0b6e8ba14e53c17d5b9e55ccee19444906704270792c8e2711e03dabf9bae68');
INSERT INTO "audit" VALUES(9,'2026-11-28T13:19:57Z','root@vm','key.generate','5siyPIJF','{"user":"ana","app":"portal","scopes":["user_email","user_first_name"],"expires_at":"2027-02-26T13:19:57Z","label":"first","replaces":null}','69a3c9a2f3d435909d3ed013e90593bd0720b586675cf7df4e87723de26c6820');
INSERT INTO "audit" VALUES(10,'2026-11-28T13:19:57Z','root@vm','key.rotate','mauwwWNx','{"user":"ana","app":"portal","scopes":["user_email","user_first_name"],"expires_at":"2027-02-26T13:19:57Z","label":"first","replaces":"5siyPIJF","overlap":"7 days, 0:00:00"}','96f86e069d81e861ed04763892e3e9cb2a35aa6e1847a5d224d29705ade0ff85');
INSERT INTO "audit" VALUES(11,'2026-11-28T13:19:57Z','root@vm','key.generate','587vzz5T','{"user":"ana","app":"shop","scopes":["fullcontrol"],"expires_at":null,"label":"","replaces":null}','4b15fd32e76c9a648f9e18afa0f196a04e5e2ddfc728abbf864dd5793def4b90');
INSERT INTO "audit" VALUES(12,'2026-11-28T13:19:58Z','root@vm','key.generate','OkszblMT','{"user":"berta","app":"shop","scopes":["fullcontrol"],"expires_at":null,"label":"","replaces":null}','aaad5a08a09aa6c72fc109cb73cd8fd25a49e9f36bbad4188364c96476f69a93');
INSERT INTO "audit" VALUES(13,'2026-11-28T13:19:58Z','root@vm','key.generate','LLR2IxKe','{"user":"berta","app":"portal","scopes":["gam_user_data","gam_user_roles"],"expires_at":"2027-02-26T13:19:58Z","label":"","replaces":null}','34e80d398d9a6abf440ffa0b3b879e83f10213d65a5fd2a04457dd2c1ced692f');
INSERT INTO "audit" VALUES(14,'2026-11-28T13:19:58Z','root@vm','key.revoke','LLR2IxKe','{"ended_at":[null,"2026-11-28T13:19:58Z"],"end":[null,"revoked"],"reason":"leaked","user":"berta","app":"portal"}','e1f8d99b8a08847079ff2b10bd09ff353af222c4e8bc106a9bca0cdf3241d66f');
INSERT INTO "audit" VALUES(15,'2026-11-28T13:19:59Z','root@vm','key.generate','batch 1','{"lines":[2,2],"made":1,"renewed":0,"beginning":"OSp5"}','dd85e48f92dd20053d9d27a76ae5a9e6f15efb335fcef44734c65744ffc96f27');
INSERT INTO "audit" VALUES(16,'2026-11-28T13:19:59Z','root@vm','app.create','gate','{"client_id":"448c3e495ea2343bb359426df4cb5908","scopes":["gam_user_data"],"api_keys":{"enabled":false,"timeout_hours":0,"auth_type":null,"scope_choice":false}}','318ccf219f081f9d6e7dc004727e3ede8b2ceda40ccd2e3148553ad2419dd41e');
INSERT INTO "audit" VALUES(17,'2026-11-28T13:19:59Z','root@vm','user.create','carl','{"guid":"92afbac6-d0f4-4f2e-a669-b23b7da5593d"}','d87205cf30406cf553ae85ab1b9c5e89273496a9c0d3d33fbe855246e33c40d4');
INSERT INTO "audit" VALUES(18,'2026-11-28T13:20:00Z','root@vm','user.adopt','berta','{"managed_by":[null,"n.toml"]}','0ffb45ad6143a2826c618cec773ae167cc19e22bf95037ddd9a3a78c99f7dd29');
INSERT INTO "audit" VALUES(19,'2026-11-28T13:20:02Z','root@vm','token.revoke','0008DxKgdeQB','{"ended_at":[null,"2026-11-28T13:20:02Z"],"user":"ana","app":"portal"}','08ec6cba04e6d6c2028aaf1e0957f0a5eb419ce53bca18710650846d35735901');
CREATE TABLE auth_type (
    fold        TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    type        TEXT NOT NULL CHECK (type IN ('APIkey', 'GAMLocal')),
    description TEXT NOT NULL,
    enabled     INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
, managed_by TEXT) STRICT, WITHOUT ROWID;
INSERT INTO "auth_type" VALUES('apikey','apikey','APIkey','API keys',1,1795871995095081,1795871995095081,NULL);
INSERT INTO "auth_type" VALUES('local','local','GAMLocal','User names and passwords',1,1795871995095081,1795871995276282,NULL);
CREATE TABLE batch (
    id         INTEGER PRIMARY KEY,
    digest     BLOB NOT NULL,                      -- SHA-256 of the input
    created_at INTEGER NOT NULL,
    output     TEXT NOT NULL,                      -- where the last run wrote its keys to
    run        INTEGER NOT NULL,                   -- how many have worked on it: only the last may go on
    delivered  INTEGER NOT NULL                    -- how many rows were written to the output
) STRICT;
INSERT INTO "batch" VALUES(1,X'863B2179477C7C0D914CDB9BEECAE31DF70FBA3630B8799F9497DB1B8AC66C24',1795871999215825,'/srv/gam/out.csv',1,1);
CREATE TABLE batch_part (
    batch      INTEGER NOT NULL REFERENCES batch (id),
    first      INTEGER NOT NULL,
    last       INTEGER NOT NULL,
    beginning  TEXT NOT NULL,
    created_at INTEGER NOT NULL,                   -- as that of its keys
    PRIMARY KEY (batch, first, beginning)
) STRICT, WITHOUT ROWID;
INSERT INTO "batch_part" VALUES(1,1,1,'OSp5',1795871999219795);
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
INSERT INTO "key" VALUES('587vzz5T',1,2,'apikey','fullcontrol',X'F434CA390E611BD869DF42E174025CA572B2E58080720A826033EF30789C7F8B',1795871997840342,NULL,'',1795872001183289,NULL,NULL,NULL,NULL,NULL,1);
INSERT INTO "key" VALUES('5siyPIJF',1,1,'apikey','user_email+user_first_name',X'AB1555B408959A21A59D856BC83A0674613C34CAB547A5F5E3CAE2AFA53EBF8B',1795871997207573,1803647997207573,'first',NULL,1796476797625419,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "key" VALUES('LLR2IxKe',2,1,'apikey','gam_user_data+gam_user_roles',X'B3E79DAB51B97E90D34DA617B0B30EAFD58F99C1622BCCD670EADB0DD079FB24',1795871998650906,1803647998650906,'',NULL,NULL,1795871998942332,'revoked','leaked',NULL,NULL);
INSERT INTO "key" VALUES('OSp5p1uQ',2,1,'apikey','gam_user_data+gam_user_roles',X'1F171F1B805EAB030A7493AFB1E7707E2CEC4EEC265DE10D506EAD280177837E',1795871999219795,1803647999219795,'',NULL,NULL,NULL,NULL,NULL,NULL,1);
INSERT INTO "key" VALUES('OkszblMT',2,2,'apikey','fullcontrol',X'599D70FC4964A296C95328981DEA6C74374E23A2635B9B24FD6A2EF9EDC219FB',1795871998094034,NULL,'',NULL,NULL,NULL,NULL,NULL,NULL,1);
INSERT INTO "key" VALUES('mauwwWNx',1,1,'apikey','user_email+user_first_name',X'4A420AAA842497147884BD270E086CCEF7C72BE47E6A1011F0E14A96180462CB',1795871997624545,1803647997624545,'first',1795872001172255,NULL,NULL,NULL,NULL,NULL,1);
CREATE TABLE key_request (
    id    TEXT PRIMARY KEY,
    key   TEXT NOT NULL REFERENCES key (id) ON DELETE CASCADE,
    asked TEXT NOT NULL                            -- canonical JSON: what is compared
) STRICT, WITHOUT ROWID;
INSERT INTO "key_request" VALUES('r1','5siyPIJF','{"auth_type":null,"client_id":"4a06f71ea9e5f90c7a29dae921f5cdaf","expires_in":null,"label":"first","overlap":null,"replace":false,"scopes":["user_email","user_first_name"],"user":"791e38ff-028f-4523-b0a6-505ba0cfaee2"}');
CREATE TABLE migration (
    version INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL
) STRICT;
INSERT INTO "migration" VALUES(1,1795871995081597);
INSERT INTO "migration" VALUES(2,1795871995088978);
INSERT INTO "migration" VALUES(3,1795871995092502);
CREATE TABLE refresh_token (
    session    INTEGER NOT NULL,
    counter    INTEGER NOT NULL,                   -- the renewal that it buys, from 1
    token      INTEGER NOT NULL,                   -- the access token that it was issued with
    digest     BLOB NOT NULL,                      -- SHA-256 of the whole refresh token
    expires_at INTEGER NOT NULL,
    used_at    INTEGER,
    PRIMARY KEY (session, counter)
) STRICT, WITHOUT ROWID;
INSERT INTO "refresh_token" VALUES(1795872001172255,1,1795872001172255,X'6304659DBE3F8356B56EFDCD657BF31C487F6B21EB4D8D9E3CAD16CA1A50802F',1798464001172255,NULL);
INSERT INTO "refresh_token" VALUES(1795872001620561,1,1795872001620561,X'B5B7281961C00F63B6D182C6DEEC69CF45336835F28B1B953EA023BEDA7BB0D0',1798464001620561,1795872001627351);
INSERT INTO "refresh_token" VALUES(1795872001620561,2,1795872001627351,X'FB4583394B169CB662DFB24CFDEC9539D4D8358F49D5890B56DD5556253AFA2D',1798464001627351,NULL);
CREATE TABLE repository (
    only_row          INTEGER PRIMARY KEY CHECK (only_row = 1),
    guid              TEXT NOT NULL,
    default_auth_type TEXT NOT NULL REFERENCES auth_type (fold),
    created_at        INTEGER NOT NULL,
    pairwise_key      BLOB NOT NULL                -- random: user ids that no application can compute
) STRICT;
INSERT INTO "repository" VALUES(1,'0181367e-bea2-45f4-ac7b-0dddb64a04c0','apikey',1795871995095081,X'A89F9D6ED81159439F4724422F8546CADE55660676A13D759D1D83808276B302');
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
INSERT INTO "session" VALUES(1795872001172255,'791e38ff-028f-4523-b0a6-505ba0cfaee2','4a06f71ea9e5f90c7a29dae921f5cdaf','apikey','mauwwWNx','user_email+user_first_name','[]',1795872002049818);
INSERT INTO "session" VALUES(1795872001620561,'791e38ff-028f-4523-b0a6-505ba0cfaee2','4a06f71ea9e5f90c7a29dae921f5cdaf','local',NULL,'gam_user_data+gam_user_roles','[{"Id": "Company", "Value": "x"}]',NULL);
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
INSERT INTO "token" VALUES(1795872001172255,X'4EAEEA4F74194700C7AF4A8FF954D228931DAF00A7AD6D584AA683EBEB28D96A','791e38ff-028f-4523-b0a6-505ba0cfaee2','4a06f71ea9e5f90c7a29dae921f5cdaf','mauwwWNx','user_email+user_first_name',1795872001172255,1795875601172255,1795872002049818,1795872001172255);
INSERT INTO "token" VALUES(1795872001179441,X'18C99CF1EB6337E693F000DF4A2964985F641EA2BC848A22C14457056E9676F1','791e38ff-028f-4523-b0a6-505ba0cfaee2','9825603d542ec577ebda97b225123f31','587vzz5T','fullcontrol',1795872001179441,1795875601179441,NULL,NULL);
INSERT INTO "token" VALUES(1795872001183289,X'D4A17B79BA52DDEB0C05A81B8ECC4E35919AB4D80F8C6BD429CD7F57B279A793','791e38ff-028f-4523-b0a6-505ba0cfaee2','9825603d542ec577ebda97b225123f31','587vzz5T','fullcontrol',1795872001183289,1795875601183289,NULL,NULL);
INSERT INTO "token" VALUES(1795872001620561,X'4DBFDC5ECF943D99F7EFD5CBA22FCAC542AFD177C5A0EAF1CA57F9BDCB36423E','791e38ff-028f-4523-b0a6-505ba0cfaee2','4a06f71ea9e5f90c7a29dae921f5cdaf',NULL,'gam_user_data+gam_user_roles',1795872001620561,1795875601620561,NULL,1795872001620561);
INSERT INTO "token" VALUES(1795872001627351,X'756BC266493FAA8D8D435439BB6CFA878A6FC6CDB17AE9E4E816D138F2FB7C8B','791e38ff-028f-4523-b0a6-505ba0cfaee2','4a06f71ea9e5f90c7a29dae921f5cdaf',NULL,'gam_user_data+gam_user_roles',1795872001627351,1795875601627351,NULL,1795872001620561);
CREATE TABLE token_floor (
    client_id TEXT NOT NULL REFERENCES app (client_id) ON DELETE CASCADE,
    user_guid TEXT NOT NULL REFERENCES user (guid) ON DELETE CASCADE,
    since     INTEGER NOT NULL,
    PRIMARY KEY (client_id, user_guid)
) STRICT, WITHOUT ROWID;
INSERT INTO "token_floor" VALUES('9825603d542ec577ebda97b225123f31','791e38ff-028f-4523-b0a6-505ba0cfaee2',1795872001183289);
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
, number INTEGER, password_set_at INTEGER, password_must_change INTEGER NOT NULL DEFAULT 0, password_expires_at INTEGER) STRICT, WITHOUT ROWID;
INSERT INTO "user" VALUES('791e38ff-028f-4523-b0a6-505ba0cfaee2','ana','ana',1795871996194823,1795871996970816,'ana@example.com','ana@example.com',0,'Ana','','','','N','','','','','','','','','','admin+operator','{"CompanyID": "GX", "Langs": "[\"es\",\"en\"]"}',1,0,NULL,'scrypt$32768$8$3$goF/RcP9GRDuHgKGyR+Jyw==$ckBRVzwSZcHpJq+2p5DWiHdSqRG9aWwSclxwZwFhea8=',1,1795871996970816,0,NULL);
INSERT INTO "user" VALUES('92afbac6-d0f4-4f2e-a669-b23b7da5593d','carl','carl',1795871999922987,1795871999922987,'carl@example.com','carl@example.com',0,'','','','','N','','','','','','','','','','','{}',1,0,'m.toml',NULL,3,NULL,0,NULL);
INSERT INTO "user" VALUES('b754d280-a756-4c45-922a-9bbc29556482','berta','berta',1795871996422467,1795871996422467,'berta@example.com','berta@example.com',0,'','','77','','N','','','','','','','','','','','{}',1,0,'n.toml',NULL,2,NULL,0,NULL);
CREATE TABLE user_attribute (
    id        TEXT NOT NULL,
    user_guid TEXT NOT NULL REFERENCES user (guid) ON DELETE CASCADE,
    PRIMARY KEY (user_guid, id)
) STRICT, WITHOUT ROWID;
INSERT INTO "user_attribute" VALUES('CompanyID','791e38ff-028f-4523-b0a6-505ba0cfaee2');
INSERT INTO "user_attribute" VALUES('Langs','791e38ff-028f-4523-b0a6-505ba0cfaee2');
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
COMMIT;
