// The server: what it is asked with the token in a header. A cookie would go to every port of this host; this goes nowhere else.

const KEY = "httpipe-token";

function found() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem(KEY, given);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(KEY) ?? "";
}

const token = found();

export class Refused extends Error {}

/** An answer. Raises Refused with the server's words. */
export async function get(path, parameters = {}, signal = undefined) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== undefined && value !== ""));
  const answer = await fetch(`api/${path}${query.size ? `?${query}` : ""}`, {
    headers: { Authorization: `Bearer ${token}` }, cache: "no-store", credentials: "omit", signal,
  });
  if (!answer.ok) {
    const problem = new Refused((await answer.json().catch(() => ({}))).error ?? `the server answered ${answer.status}`);
    problem.status = answer.status;
    throw problem;
  }
  return answer;
}

export const json = async (path, parameters) => (await get(path, parameters)).json();

/** Server-sent events, as [name, data]; EventSource itself can send no header. Ends with the stream. */
export async function* events(path, parameters, signal) {
  const answer = await get(path, parameters, signal);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      if (part.startsWith(":")) continue;
      const [name, data] = part.split("\n");
      yield [name.slice("event: ".length), JSON.parse(data.slice("data: ".length))];
    }
  }
}

/** Save what the server gives as a file. Returns what the server says of it. */
export async function save(parameters) {
  const answer = await get("export", parameters);
  const name = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? "httpipe";
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = name;
  link.click();
  const remark = answer.headers.get("X-Remark");
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  return remark;
}
