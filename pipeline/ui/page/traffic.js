// The view of exchanges as they come: the stream from the server, the filter, and what the page keeps of them.

import { $, announce, h, whole } from "./dom.js";
import { Refused, events, save } from "./api.js";
import * as filter from "./filter.js";
import { ID, Table } from "./table.js";
import * as details from "./details.js";

const KEPT = 10_000; // rows of this page; the server keeps more
const SPARE = 500; // rows beyond that before the oldest go, so that they seldom move
const SORT_MS = 1000;
const AGAIN_MS = 1500;

const FORMATS = [["har", "HAR 1.2"], ["json", "JSON lines"], ["curl", "curl commands"], ["pcapng", "pcapng, packets of the connections"]];

let table;
let where = "";
let after = 0; // the newest that was seen
let missed = 0;
let stop = new AbortController();
let say = () => {};
let sortedAt = 0;

/** With what the server says of itself, and a function that shows the state of the connection. */
export function start(hello, state) {
  say = state;
  table = new Table({ open: (row) => { follow(false); details.open(row); }, leave: () => follow(false) });
  filter.start(apply, () => $("grid").focus());
  $("follow").addEventListener("click", () => follow(!table.following));
  saving(hello.formats);
  details.closed(() => $("grid").focus());
  stream();
}

/** A key that no field of the page has taken. */
export function pressed(event) {
  if (event.key === "/") $("where").focus();
  else if (event.key === "Escape") details.close();
  else if (event.target.closest("button, a, summary, aside") && event.target !== $("grid")) return false;
  else if (event.key === " ") follow(!table.following);
  else if (event.key === "Enter" && table.selected) details.open(table.selected);
  else if (table.pressed(event.key)) { if (details.isOpen()) details.open(table.selected, false); }
  else return false;
  return true;
}

/** Show what fits this filter, and go there. */
export function filtered(text) {
  filter.set(text);
  $("grid").focus();
}

/** Seen again after another view. */
export const shown = () => table?.draw();

function follow(on) {
  if (on && table.sorted) while (table.sorted) table.sort(ID);
  table.following = on;
  $("follow").setAttribute("aria-pressed", String(on));
  $("follow").textContent = on ? "Following" : "Follow";
  table.draw();
}

function apply(text) {
  where = text;
  table.rows.length = after = missed = 0;
  table.select(null);
  table.arrange();
  count();
  announce(where ? "Filter applied" : "Filter cleared");
  stop.abort(); // and the stream begins again with the other filter
}

async function stream() {
  for (;;) {
    stop = new AbortController();
    const mine = stop;
    try {
      for await (const [name, data] of events("exchanges", { where, after }, mine.signal)) {
        if (mine.signal.aborted) break;
        if (name === "rows") take(data);
        say(data.ended ? "ended" : "live", data.ended ? "Ended" : "Live");
      }
    } catch (error) {
      if (!mine.signal.aborted) say("closed", error instanceof Refused ? error.message : "Disconnected");
    }
    if (!mine.signal.aborted) await new Promise((resume) => setTimeout(resume, AGAIN_MS));
  }
}

function take(data) {
  table.add(data.rows);
  after = data.after;
  missed += data.missed;
  const beyond = table.rows.length - KEPT;
  if (beyond > SPARE) {
    table.rows.splice(0, beyond);
    table.gone(beyond);
  }
  count(data);
  if (!table.sorted) table.draw();
  else if (performance.now() > sortedAt + SORT_MS) {
    table.arrange();
    sortedAt = performance.now();
  }
}

function count(data) {
  const rows = table.rows.length;
  $("counts").textContent = `${whole(rows)} ${rows === 1 ? "exchange" : "exchanges"} here`
    + (data ? `; ${whole(data.kept)} kept by httpipe, ${whole(data.seen)} seen` : "");
  $("missed").textContent = missed
    ? `${whole(missed)} not shown: this page did not keep up, or they came before what it shows. A filter shows what is kept.` : "";
  if (data || !where) $("nothing").textContent = where ? "Nothing that was kept fits the filter." : "Waiting for HTTP traffic…";
}

function saving(formats) {
  const menu = $("save-menu");
  const close = (back) => { menu.hidden = true; $("save").setAttribute("aria-expanded", "false"); if (back) $("save").focus(); };
  for (const [format, name] of FORMATS.filter(([each]) => formats.includes(each))) {
    const item = (text, parameters) => h("li", {}, h("button", {
      type: "button",
      onclick: async () => {
        close(true);
        try { const said = await save({ format, ...parameters() }); if (said) { announce(said); $("missed").textContent = `Saved: ${said}.`; } } catch (error) { announce(error.message); $("missed").textContent = error.message; }
      },
    }, text));
    menu.append(item(`${name}: what fits the filter, the newest 10,000`, () => ({ where })));
    menu.append(item(`${name}: the selected exchange`, () => ({ ids: String(table.selected?.[ID] ?? -1) })));
  }
  $("save").addEventListener("click", () => {
    menu.hidden = !menu.hidden;
    $("save").setAttribute("aria-expanded", String(!menu.hidden));
    if (!menu.hidden) menu.querySelector("button").focus();
  });
  menu.addEventListener("keydown", (event) => {
    const items = [...menu.querySelectorAll("button")];
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") close(true);
    else if (step) items[(items.indexOf(document.activeElement) + step + items.length) % items.length].focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  document.addEventListener("click", (event) => { if (!event.target.closest(".menu")) close(false); });
}
