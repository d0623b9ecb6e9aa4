// Speaks to the server. Every request that changes something has an id, so that sending it twice does it once.

export class Failed extends Error {}

let unreachable = () => "";

/** `words` gives the sentence for a server that does not answer, in the language of the page at that moment. */
export function onUnreachable(words) {
  unreachable = words;
}

export function newRequest() {
  return crypto.randomUUID();
}

export async function get(path) {
  return answer(() => fetch(path, { headers: { Accept: "application/json" } }));
}

export async function post(path, body) {
  const sent = { request: newRequest(), ...body };
  return answer(() =>
    fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(sent) }),
  );
}

async function answer(ask) {
  let response;
  try {
    response = await ask();
  } catch {
    throw new Failed(unreachable());
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Failed(body.error ?? `${response.status}`);
  return body;
}
