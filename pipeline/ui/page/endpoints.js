// Endpoints: rate, errors and latency of each, and of the one that was chosen how they went.

import { $, bytes, duration, h, percent, perSecond, shown, whole } from "./dom.js";
import { json } from "./api.js";
import { plot, sparkline } from "./plot.js";
import { sortable } from "./sortable.js";

const key = (row) => row.key;

const plots = h("div", { class: "plots" });
const title = h("h2", {});
const look = h("button", { type: "button", onclick: () => ask(where) }, "Show its exchanges");
const list = sortable("Endpoints", [
  ["Endpoint", "wide", key, (row) => shown(key(row))],
  ["Rate", "number", (row) => row.rate, (row) => `${perSecond(row.rate)}/s`],
  ["Over time", "", (row) => row.rate, (row) => sparkline(row.counts)],
  ["Requests", "number", (row) => row.requests, (row) => whole(row.requests)],
  ["Errors", "number", (row) => row.errors / row.requests, (row) => h("span", { class: row.errors ? "failed" : "" }, percent(row.errors / row.requests))],
  ["p50", "number", (row) => row.p50, (row) => duration(row.p50)],
  ["p95", "number", (row) => row.p95, (row) => duration(row.p95)],
  ["p99", "number", (row) => row.p99, (row) => duration(row.p99)],
  ["Bytes", "number", (row) => row.bytes, (row) => bytes(row.bytes)],
], { order: 3, key, chosen: (row) => { ({ key: chosen, where } = row); draw(); } });
const none = h("p", { class: "empty" }, "No exchanges were seen in the last minutes.");
let chosen = null;
let where = null;
let ask = () => {};

$("endpoints").append(h("div", { class: "plots-of" }, h("div", { class: "plots-title" }, title, look), plots), list.element, none);

/** `then` is called with the filter of an endpoint whose exchanges somebody wants to see. */
export const asked = (then) => { ask = then; };

/** Ask again. */
export async function refresh() {
  const answer = await json("endpoints");
  none.hidden = answer.endpoints.length > 0;
  list.element.hidden = plots.hidden = title.hidden = look.hidden = !none.hidden;
  list.show(answer.endpoints);
}

let drawn = 0;

async function draw() {
  const mine = ++drawn;
  title.textContent = shown(chosen);
  look.disabled = !where; // the one that stands for all others
  const { points, step_secs: step } = await json("points", { key: chosen });
  if (mine !== drawn || !points.length) return;
  const times = points.map(([time]) => time);
  const of = (place) => points.map((point) => point[place]);
  plots.replaceChildren(
    plot("Requests a second", times, [["rate", "rate", of(1).map((count) => count / step)]], perSecond),
    plot("Share of errors", times, [["errors", "errors", points.map(([, count, errors]) => (count ? errors / count : null))]], percent),
    plot("Latency", times, [["p50", "p50", of(3)], ["p95", "p95", of(4)]], duration),
  );
}
