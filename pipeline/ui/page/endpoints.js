// Endpoints: rate, errors and latency of each, and of the one that was chosen how they went.

import { $, bytes, duration, h, percent, perSecond, shown, whole } from "./dom.js";
import { json } from "./api.js";
import { plot, sparkline } from "./plot.js";
import { sortable } from "./sortable.js";

const key = (row) => `${row.method} ${row.host}${row.path}`;

const plots = h("div", { class: "plots" });
const title = h("h2", {});
const list = sortable("Endpoints", [
  ["Endpoint", "wide", key, (row) => shown(key(row))],
  ["Rate", "number", (row) => row.rate, (row) => `${perSecond(row.rate)}/s`],
  ["Over time", "", (row) => row.rate, (row) => sparkline(row.points.map(([, count]) => count))],
  ["Requests", "number", (row) => row.count, (row) => whole(row.count)],
  ["Errors", "number", (row) => row.error_share, (row) => h("span", { class: row.errors ? "failed" : "" }, percent(row.error_share))],
  ["p50", "number", (row) => row.p50, (row) => duration(row.p50)],
  ["p95", "number", (row) => row.p95, (row) => duration(row.p95)],
  ["p99", "number", (row) => row.p99, (row) => duration(row.p99)],
  ["Bytes", "number", (row) => row.bytes, (row) => bytes(row.bytes)],
], { order: 3, key, chosen: show });
const none = h("p", { class: "empty" }, "No exchanges were seen in the last minutes.");
let step = 5;

$("endpoints").append(h("div", { class: "plots-of" }, title, plots), list.element, none);

/** Ask again. */
export async function refresh() {
  const answer = await json("endpoints");
  step = answer.step_secs;
  none.hidden = answer.endpoints.length > 0;
  list.element.hidden = plots.hidden = title.hidden = !none.hidden;
  list.show(answer.endpoints);
}

function show(row) {
  title.textContent = shown(key(row));
  const times = row.points.map(([time]) => time);
  const of = (place) => row.points.map((point) => point[place]);
  plots.replaceChildren(
    plot("Requests a second", times, [["rate", "rate", of(1).map((count) => count / step)]], perSecond),
    plot("Share of errors", times, [["errors", "errors", row.points.map(([, count, errors]) => (count ? errors / count : null))]], percent),
    plot("Latency", times, [["p50", "p50", of(3)], ["p95", "p95", of(4)]], (value) => duration(value) || "0"),
  );
}
