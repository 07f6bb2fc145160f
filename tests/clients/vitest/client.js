// A client of the token endpoint, as an application would write it: it keeps its token, renews it when it has expired,
// logs in again when it cannot be renewed, and tries again when the server is busy.

const BUSY = new Set([429, 503]);
const MAX_TRIES = 3;

export class Refused extends Error {
  constructor(status, error) {
    super(error.message);
    this.status = status;
    this.code = error.code;
  }
}

export class Client {
  #token = null;

  constructor(url, clientId, clientSecret, credential, wait = (ms) => new Promise((done) => setTimeout(done, ms))) {
    this.url = url;
    this.client = { client_id: clientId, client_secret: clientSecret };
    this.credential = credential;
    this.wait = wait;
  }

  async login() {
    return this.#request({ grant_type: "password", ...this.credential });
  }

  async renew() {
    return this.#request({ grant_type: "refresh_token", refresh_token: this.#token.refresh_token });
  }

  async claims() {
    if (!this.#token) await this.login();
    try {
      return await this.#userinfo();
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 401) throw error;
      await (this.#token.refresh_token ? this.renew() : this.login());
      return this.#userinfo();
    }
  }

  async #request(parameters) {
    const body = new URLSearchParams({ ...this.client, ...parameters });
    this.#token = await this.#send("/oauth/gam/v2.0/access_token", { method: "POST", body });
    return this.#token;
  }

  #userinfo() {
    return this.#send("/oauth/gam/v2.0/userinfo", { headers: { Authorization: `Bearer ${this.#token.access_token}` } });
  }

  async #send(path, options, tries = 1) {
    let response;
    try {
      response = await fetch(this.url + path, options);
    } catch (error) {
      if (tries === MAX_TRIES) throw error;
      return this.#send(path, options, tries + 1);
    }
    if (BUSY.has(response.status) && tries < MAX_TRIES) {
      await this.wait(1000 * Number(response.headers.get("Retry-After")));
      return this.#send(path, options, tries + 1);
    }
    const answer = await response.json();
    if (!response.ok) throw new Refused(response.status, answer.error);
    return answer;
  }
}
