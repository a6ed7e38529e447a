// One exchange with all that is known of it.

import { $, announce, bytes, clock, duration, h, lines, s, shown } from "./dom.js";
import { json } from "./api.js";
import { ID } from "./table.js";

const LONGEST = 200_000; // characters of a body that are shown; the rest is in what "Save as" gives

let leave = () => {};
let asked = 0;
let opened = null;

export const closed = (then) => { leave = then; };
export const isOpen = () => !$("details").hidden;

export function close() {
  if (!isOpen()) return;
  $("details").hidden = true;
  opened = null;
  leave();
}

/** Show this row's exchange; `focus`: and go there. */
export async function open(row, focus = true) {
  if (opened === row[ID] && !focus) return;
  opened = row[ID];
  const mine = ++asked;
  let exchange;
  try {
    exchange = await json(`exchange/${row[ID]}`);
  } catch (error) {
    exchange = { error: error.status === 404 ? "It is no longer kept." : error.message };
  }
  if (mine !== asked) return;
  const panel = $("details");
  panel.replaceChildren(
    h("div", { class: "bar-top" }, h("h2", {}, shown(exchange.title ?? "Exchange")), copying(exchange.curl),
      h("button", { type: "button", class: "quiet", "aria-label": "Close the details", title: "Close (Esc)", onclick: close }, "✕")),
    ...(exchange.error ? [h("p", {}, exchange.error)] : parts(exchange)),
  );
  panel.hidden = false;
  panel.scrollTop = 0;
  if (focus) panel.focus();
}

/** A browser lets only pages of this host, or by TLS, write to the clipboard. */
function copying(command) {
  if (!command || !navigator.clipboard) return null;
  return h("button", { type: "button", onclick: async ({ target }) => {
    try { await navigator.clipboard.writeText(command); } catch { announce("The browser does not allow copying"); return; }
    announce("Copied");
    target.textContent = "Copied";
    setTimeout(() => { target.textContent = "Copy as curl"; }, 1500);
  } }, "Copy as curl");
}

function parts(exchange) {
  const { event } = exchange;
  return [
    h("p", { class: "url" }, shown(exchange.url)),
    marks(exchange.marks),
    timing(event),
    section("Request", true, head(exchange.request_head), body(exchange.request_body)),
    section("Response", true, head(exchange.response_head), body(exchange.response_body)),
    section("Connection and processes", true, table(exchange.ends)),
    section("As a curl command", false, exchange.curl && h("pre", { tabindex: "0", "aria-label": "curl command" }, lines(exchange.curl))),
    section("All fields", false, table(Object.entries(event).filter(([name]) => !name.includes(".body.content")))),
  ].filter(Boolean);
}

const section = (name, isOpenAtFirst, ...children) => {
  const given = children.filter(Boolean);
  return given.length ? h("details", { open: isOpenAtFirst }, h("summary", {}, name), given) : null;
};

const table = (pairs) => pairs.length ? h("table", { class: "pairs" }, h("tbody", {}, pairs.map(([name, value]) =>
  h("tr", {}, h("th", { scope: "row" }, shown(name)), h("td", {}, shown(Array.isArray(value) ? value.join(", ") : value)))))) : null;

const marks = (given) => given.length ? h("ul", { class: "marks", "aria-label": "What is not whole" }, given.map(([name, words]) =>
  h("li", {}, h("strong", {}, shown(name.replaceAll("_", " "))), ` ${words}`))) : null;

function timing(event) {
  const total = event["httpipe.duration_ms"];
  if (total === undefined || total === null) return h("p", { class: "timing" }, "No whole answer was seen, so there is no duration.");
  const wait = Math.min(total, event["httpipe.ttfb_ms"] ?? total);
  const at = total ? (300 * wait) / total : 300;
  const words = `${duration(wait)} to the first byte of the response, ${duration(total - wait)} for the rest, ${duration(total)} in all`;
  return h("figure", { class: "timing" },
    s("svg", { viewBox: "0 0 300 14", preserveAspectRatio: "none", role: "img", "aria-label": words },
      s("rect", { class: "wait", x: 0, y: 0, width: Math.max(1, at), height: 14 }),
      s("rect", { class: "rest", x: at, y: 0, width: Math.max(0, 300 - at), height: 14 })),
    h("figcaption", {}, `${clock(Date.parse(event.timestamp))}: ${words}`));
}

function head(given) {
  if (!given?.fields.length && !given?.start) return h("p", { class: "none" }, "No head was kept.");
  return h("div", {}, h("p", { class: "start" }, shown(given.start)), table(given.fields));
}

function body(given) {
  if (!given) return null;
  if (given.text === null) return h("p", { class: "none" }, given.size ? `Body of ${bytes(given.size)}, not kept (see --bodies).` : "No body.");
  const text = given.text.slice(0, LONGEST);
  return h("div", {}, h("p", { class: "none" }, `Body: ${bytes(given.size)}${given.note ? `, ${given.note}` : ""}`),
    h("pre", { tabindex: "0", "aria-label": "Body" }, coloured(lines(pretty(text)))),
    given.text.length > LONGEST ? h("p", { class: "none" }, "The rest is not shown here.") : null);
}

/** JSON set out; anything else as it is. Numbers stay as they were written: JSON.parse would round them. */
function pretty(text) {
  try { JSON.parse(text); } catch { return text; }
  let depth = 0;
  const inner = () => `\n${"  ".repeat(depth)}`;
  return text.replace(/"(?:[^"\\]|\\.)*"|[{[]\s*[}\]]|[{}[\],:]|\s+|[^\s"{}[\],:]+/g, (part) => {
    if (/^\s+$/.test(part)) return "";
    if (/^[{[]\s*[}\]]$/.test(part)) return part[0] + part.at(-1);
    if (part === "{" || part === "[") { depth += 1; return part + inner(); }
    if (part === "}" || part === "]") { depth = Math.max(0, depth - 1); return inner() + part; }
    return part === "," ? part + inner() : part === ":" ? ": " : part;
  });
}

/** Names, strings and numbers of JSON in colours, for texts that are not too long for that. */
function coloured(text) {
  if (text.length > 50_000 || !/^[{[]/.test(text)) return [text];
  return text.split(/("(?:[^"\\]|\\.)*"(?:: )?|-?\d[\d.eE+-]*|\btrue\b|\bfalse\b|\bnull\b)/).map((part, number) => {
    if (number % 2 === 0) return part;
    return h("span", { class: part.endsWith('": ') ? "j-name" : part.startsWith('"') ? "j-string" : "j-value" }, part);
  });
}
