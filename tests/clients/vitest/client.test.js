import { beforeEach, expect, test } from "vitest";
import { Client } from "./client.js";
import { control } from "./control.js";

const env = process.env;
const API_KEY = { authentication_type_name: "apikey", api_key: env.GAM_API_KEY };
const PASSWORD = { authentication_type_name: "local", username: env.GAM_USERNAME, password: env.GAM_PASSWORD };

let waited;

function connect(credential, clientSecret = env.GAM_CLIENT_SECRET) {
  return new Client(env.GAM_URL, env.GAM_CLIENT_ID, clientSecret, credential, async (ms) => waited.push(ms));
}

async function requests() {
  return (await control.journal()).map((entry) => `${entry.path.split("/").pop()} ${entry.rule || entry.status}`);
}

beforeEach(async () => {
  waited = [];
  await control.reset();
});

test("an API key is exchanged for the claims of its user", async () => {
  expect((await connect(API_KEY).claims()).email).toBe("ana@example.com");
  expect(await requests()).toEqual(["access_token 200", "userinfo 200"]);
});

test("a wrong API key is refused", async () => {
  await expect(connect({ ...API_KEY, api_key: "wrong" }).login()).rejects.toMatchObject({ status: 401, code: "11" });
  expect((await control.journal())[0].fix).toBe("send the value of GAM_API_KEY");
});

test("a wrong client secret is refused", async () => {
  await expect(connect(API_KEY, "wrong").login()).rejects.toMatchObject({ status: 401, code: "116" });
});

test("a wrong password is refused", async () => {
  await expect(connect({ ...PASSWORD, password: "wrong" }).login()).rejects.toMatchObject({ code: "11" });
});

test("a token is used again while it is valid", async () => {
  const client = connect(API_KEY);
  await client.claims();
  await control.forward("59m");
  await client.claims();
  expect(await requests()).toEqual(["access_token 200", "userinfo 200", "userinfo 200"]);
});

test("an expired token is renewed", async () => {
  const client = connect(PASSWORD);
  await client.claims();
  await control.forward("2h");
  expect((await client.claims()).username).toBe("ana");
  expect((await requests()).slice(2)).toEqual(["userinfo token_expired", "access_token 200", "userinfo 200"]);
});

test("a refresh token is used once", async () => {
  const client = connect(PASSWORD);
  const { refresh_token } = await client.login();
  await client.renew();
  const thief = connect({ grant_type: "refresh_token", refresh_token });
  await expect(thief.login()).rejects.toMatchObject({ code: "101" });
  expect((await requests()).at(-1)).toBe("access_token refresh_used");
});

test("a busy server is asked again when it says so", async () => {
  await control.fault("token=503:2x");
  expect((await connect(API_KEY).claims()).username).toBe("ana");
  expect(waited).toEqual([1000, 1000]);
});

test("a server that stays busy is an error", async () => {
  await control.fault("token=503");
  await expect(connect(API_KEY).claims()).rejects.toMatchObject({ status: 503 });
  expect(waited).toHaveLength(2);
});

test("a closed connection is opened again", async () => {
  await control.fault("userinfo=close:1x");
  expect((await connect(API_KEY).claims()).username).toBe("ana");
});

test("a key that is revoked in the middle ends the session", async () => {
  const { id, api_key } = await control.issue({ user: "ana", app: "portal", replace: true });
  const client = connect({ ...API_KEY, api_key });
  await client.claims();
  await control.change(`keys/${id}/revoke`);
  await expect(client.claims()).rejects.toMatchObject({ status: 401 });
  await expect(client.login()).rejects.toThrow("The API key was revoked.");
});

test("a key expires by the clock, and a blocked user is refused until unblocked", async () => {
  const client = connect(API_KEY);
  await control.change("users/ana/block");
  await expect(client.login()).rejects.toMatchObject({ code: "10" });
  await control.change("users/ana/unblock");
  await client.login();
  await control.forward("91d");
  await expect(client.login()).rejects.toThrow("The API key has expired.");
});
