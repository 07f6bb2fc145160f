// The flows of oauth4webapi against a token endpoint: credentials come in as JSON, what came of each step goes out so.
import { readFileSync } from "node:fs";
import * as oauth from "oauth4webapi";

const held = JSON.parse(readFileSync(0, "utf8"));
const server = {
  issuer: held.url,
  token_endpoint: `${held.url}/oauth/gam/v2.0/access_token`,
  userinfo_endpoint: `${held.url}/oauth/gam/v2.0/userinfo`,
};
const client = { client_id: held.client_id };
const options = { [oauth.allowInsecureRequests]: true };
const post = oauth.ClientSecretPost(held.client_secret);

async function granted(grant, parameters, authentication = post) {
  const response = await oauth.genericTokenEndpointRequest(server, client, authentication, grant, parameters, options);
  return oauth.processGenericTokenEndpointResponse(server, client, response);
}

async function refused(promise) {
  try {
    await promise;
  } catch (error) {
    if (error instanceof oauth.ResponseBodyError) return [error.status, error.error];
    // A 401 with a challenge is told by the challenge; its body is still there to be read.
    if (error instanceof oauth.WWWAuthenticateChallengeError)
      return [error.status, (await error.response.json()).error];
    throw error;
  }
  throw new Error("that should have been refused");
}

const key = { api_key: held.api_key, authentication_type_name: "apikey" };
const login = { username: "ana", password: held.password, authentication_type_name: "local", scope: "gam_user_roles" };

const byKey = await granted("password", key);
const claims = await oauth.protectedResourceRequest(
  byKey.access_token, "GET", new URL(server.userinfo_endpoint), undefined, undefined, options,
);
const byPassword = await granted("password", login);
const renewal = await oauth.processRefreshTokenResponse(
  server,
  client,
  await oauth.refreshTokenGrantRequest(server, client, post, byPassword.refresh_token, options),
);
const basic = await granted("password", key, oauth.ClientSecretBasic(held.client_secret));

let challenge;
try {
  await oauth.protectedResourceRequest("x", "GET", new URL(server.userinfo_endpoint), undefined, undefined, options);
} catch (error) {
  const [{ scheme, parameters }] = error.cause;
  challenge = [error.status, scheme, parameters.realm, parameters.error];
}

process.stdout.write(JSON.stringify({
  api_key: { scope: byKey.scope, expires_in: byKey.expires_in },
  claims: (await claims.json()).email,
  password: byPassword.scope,
  renewal: renewal.refresh_token.slice(0, 3),
  basic: basic.token_type,
  refusals: {
    api_key: await refused(granted("password", { ...key, api_key: "x" })),
    client_secret: await refused(granted("password", key, oauth.ClientSecretPost("x"))),
    scope: await refused(granted("password", { ...key, scope: "openid" })),
    grant_type: await refused(granted("client_credentials", {})),
    refresh_token: await refused(granted("refresh_token", { refresh_token: "x" })),
  },
  challenge,
}));
