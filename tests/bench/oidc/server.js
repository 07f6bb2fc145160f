// oidc-provider with its tokens in SQLite, each on disk before it is told (WAL, synchronous=FULL), as ours are.
// node server.js FILE CLIENT_ID CLIENT_SECRET: prints {"port", "token"} once it listens; the token is one for /me.
import { createServer } from 'node:http';
import Database from 'better-sqlite3';
import { Provider } from 'oidc-provider';

const [file, clientId, clientSecret] = process.argv.slice(2);
const store = new Database(file);
store.pragma('journal_mode = WAL');
store.pragma('synchronous = FULL');
store.exec(`CREATE TABLE record (id TEXT PRIMARY KEY, grant_id TEXT, payload TEXT NOT NULL, expires_at INTEGER) WITHOUT ROWID;
            CREATE INDEX record_grant ON record (grant_id) WHERE grant_id IS NOT NULL`);
const keep = store.prepare('INSERT OR REPLACE INTO record (id, grant_id, payload, expires_at) VALUES (?, ?, ?, ?)');
const find = store.prepare('SELECT payload FROM record WHERE id = ?');
const drop = store.prepare('DELETE FROM record WHERE id = ?');
const dropGrant = store.prepare('DELETE FROM record WHERE grant_id = ?');

class Adapter {
  constructor(kind) {
    this.kind = kind;
  }

  async upsert(id, payload, seconds) {
    const until = seconds ? Math.floor(Date.now() / 1000) + seconds : null;
    keep.run(`${this.kind}:${id}`, payload.grantId ?? null, JSON.stringify(payload), until);
  }

  async find(id) {
    const row = find.get(`${this.kind}:${id}`);
    return row && JSON.parse(row.payload);
  }

  async destroy(id) {
    drop.run(`${this.kind}:${id}`);
  }

  async revokeByGrantId(grantId) {
    dropGrant.run(grantId);
  }
}

const account = { sub: '1', name: 'Ana', given_name: 'Ana', email: 'ana@example.org' };
const provider = new Provider('http://127.0.0.1', {
  adapter: Adapter,
  clients: [{
    client_id: clientId,
    client_secret: clientSecret,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: 'client_secret_post',
  }],
  claims: { openid: ['sub'], profile: ['name', 'given_name'], email: ['email'] },
  features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
  findAccount: (_, id) => ({ accountId: id, claims: () => account }),
  ttl: { AccessToken: 3600, ClientCredentials: 3600, Grant: 3600 },
});

const scope = 'openid profile email';
const grant = new provider.Grant({ accountId: account.sub, clientId });
grant.addOIDCScope(scope);
const grantId = await grant.save();
const client = await provider.Client.find(clientId);
const token = await new provider.AccessToken({ accountId: account.sub, client, grantId, scope }).save();

const server = createServer(provider.callback()).listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ port: server.address().port, token })}\n`);
});
