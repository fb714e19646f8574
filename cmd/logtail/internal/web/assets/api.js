// What the server is asked for.

// Refused is an answer that is no success. about is what it says, as JSON if it is.
export class Refused extends Error {
  constructor(status, about) {
    super(typeof about === "string" ? about : about.problem);
    this.status = status;
    this.about = about;
  }
}

async function checked(response) {
  if (response.ok) return response;
  const text = (await response.text()).trim();
  let about = text;
  if (response.headers.get("Content-Type")?.startsWith("application/json")) about = JSON.parse(text);
  throw new Refused(response.status, about);
}

const options = { credentials: "same-origin", cache: "no-store" };

export async function get(path, params, signal) {
  const query = params && String(params);
  const response = await fetch(query ? `${path}?${query}` : path, { ...options, signal });
  return (await checked(response)).json();
}

export async function login(credentials) {
  const body = JSON.stringify(credentials);
  await checked(await fetch("/api/session", { ...options, method: "POST", body, headers: { "Content-Type": "application/json" } }));
}

// lines reads an answer of NDJSON, and hands over what there is of it at a time.
// Who takes long keeps the server waiting, and nobody else.
export async function lines(path, params, signal, take) {
  const response = await checked(await fetch(`${path}?${params}`, { ...options, signal }));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    if (parts.length > 0) await take(parts);
  }
}
