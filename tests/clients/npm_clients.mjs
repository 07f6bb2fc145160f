// The flows of a JavaScript library: `node npm_clients.mjs NAME`; the credentials are JSON on stdin.
import { readFileSync } from "node:fs";

const held = JSON.parse(readFileSync(0, "utf8"));
const key = { api_key: held.api_key, authentication_type_name: "apikey" };
const login = { username: held.username, password: held.password, authentication_type_name: "local" };
const server = { issuer: held.url, token_endpoint: held.token_url, userinfo_endpoint: held.claims_url };

async function refused(promise, code) {
  try {
    await promise;
  } catch (error) {
    return await code(error);
  }
  return "granted";
}

// An application that allows no renewals issues no refresh token: `refresh` shows that too.
async function oauth4webapi() {
  const oauth = await import("oauth4webapi");
  const client = { client_id: held.client_id };
  const options = { [oauth.allowInsecureRequests]: true };
  const post = oauth.ClientSecretPost(held.client_secret);
  const grant = async (parameters, authentication = post) => {
    const response = await oauth.genericTokenEndpointRequest(
      server, client, authentication, "password", parameters, options,
    );
    return oauth.processGenericTokenEndpointResponse(server, client, response);
  };
  const refresh = async (token) => {
    const response = await oauth.refreshTokenGrantRequest(server, client, post, token, options);
    return oauth.processRefreshTokenResponse(server, client, response);
  };
  // A 401 with a challenge is reported by the challenge; its body can still be read.
  const code = async (error) => error.error ?? (await error.response.json()).error;
  const byKey = await grant(key);
  const byPassword = await grant(login);
  const info = await oauth.userInfoRequest(server, client, byKey.access_token, options);
  const claims = await oauth.processUserInfoResponse(server, client, byKey.user_guid, info);
  return {
    key: byKey.token_type,
    password: byPassword.token_type,
    refresh: byPassword.refresh_token ? (await refresh(byPassword.refresh_token)).refresh_token.slice(0, 3) : "none",
    userinfo: claims.email,
    errors: [
      await refused(grant(key, oauth.ClientSecretPost("x")), code),
      await refused(grant({ ...key, api_key: "x" }), code),
    ],
  };
}

// The client knows the URL of a proxy, whose requests `fetch` sends to the server.
async function discovery() {
  const oauth = await import("oauth4webapi");
  const issuer = new URL("https://login.example.org/gam");
  const proxied = { [oauth.customFetch]: (url, init) => fetch(url.replace(issuer.origin, new URL(held.url).origin), init) };
  const found = await oauth.discoveryRequest(issuer, { ...proxied, algorithm: "oauth2" });
  const discovered = await oauth.processDiscoveryResponse(issuer, found);
  const client = { client_id: held.client_id };
  const post = oauth.ClientSecretPost(held.client_secret);
  const response = await oauth.genericTokenEndpointRequest(discovered, client, post, "password", key, proxied);
  const token = await oauth.processGenericTokenEndpointResponse(discovered, client, response);
  const asked = await oauth.introspectionRequest(discovered, client, post, token.access_token, proxied);
  const state = await oauth.processIntrospectionResponse(discovered, client, asked);
  return { issuer: discovered.issuer, token: token.token_type, active: state.active };
}

async function openidClient() {
  const client = await import("openid-client");
  const configure = (secret) => {
    const config = new client.Configuration(server, held.client_id, undefined, client.ClientSecretPost(secret));
    client.allowInsecureRequests(config);
    return config;
  };
  const config = configure(held.client_secret);
  const code = async (error) => error.error ?? (await error.response.json()).error;
  const byKey = await client.genericGrantRequest(config, "password", key);
  const byPassword = await client.genericGrantRequest(config, "password", login);
  const renewed = await client.refreshTokenGrant(config, byPassword.refresh_token);
  const claims = await client.fetchUserInfo(config, byKey.access_token, byKey.user_guid);
  return {
    key: byKey.token_type,
    password: byPassword.token_type,
    refresh: renewed.refresh_token.slice(0, 3),
    userinfo: claims.email,
    errors: [
      await refused(client.genericGrantRequest(configure("x"), "password", key), code),
      await refused(client.genericGrantRequest(config, "password", { ...key, api_key: "x" }), code),
    ],
  };
}

// The library sends no requests with a token itself: userinfo is read with fetch.
async function simpleOauth2() {
  const { default: { ResourceOwnerPassword } } = await import("simple-oauth2");
  const create = (secret) => new ResourceOwnerPassword({
    client: { id: held.client_id, secret },
    auth: { tokenHost: held.url, tokenPath: new URL(held.token_url).pathname },
  });
  const code = async (error) => error.data?.payload?.error ?? String(error);
  const byKey = await create(held.client_secret).getToken({ username: "", password: "", ...key });
  const byPassword = await create(held.client_secret).getToken(login);
  const renewed = await byPassword.refresh();
  const claims = await fetch(held.claims_url, { headers: { Authorization: `Bearer ${byKey.token.access_token}` } });
  return {
    key: byKey.token.token_type,
    password: byPassword.token.token_type,
    refresh: renewed.token.refresh_token.slice(0, 3),
    userinfo: (await claims.json()).email,
    errors: [
      await refused(create("x").getToken({ username: "", password: "", ...key }), code),
      await refused(create(held.client_secret).getToken({ username: "", password: "", ...key, api_key: "x" }), code),
    ],
  };
}

const flows = { oauth4webapi, "openid-client": openidClient, "simple-oauth2": simpleOauth2, discovery };
process.stdout.write(JSON.stringify(await flows[process.argv[2]]()));
