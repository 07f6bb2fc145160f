// Steers the server: GAM_CONTROL_URL is in the environment of every program that `serve --control -- CMD` runs.

async function request(method, path, body) {
  const options = { method, body: body && JSON.stringify(body) };
  const response = await fetch(`${process.env.GAM_CONTROL_URL}/${path}`, options);
  const answer = await response.json();
  if (!response.ok) throw new Error(`${answer.error.message}: ${answer.error.hint}`);
  return answer;
}

export const control = {
  reset: () => request("POST", "reset"),
  forward: (step) => request("POST", "clock", { forward: step }),
  fault: (...faults) => request("POST", "faults", { faults }),
  change: (path) => request("POST", path),
  issue: (key) => request("POST", "keys", key),
  journal: () => request("GET", "journal"),
};
