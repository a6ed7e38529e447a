// Who calls whom: callers on the left, who is called on the right, who does both between them; and the same as a table.

import { $, duration, h, percent, perSecond, s, shown, whole } from "./dom.js";
import { json } from "./api.js";
import { sortable } from "./sortable.js";

const MOST = 60; // lines that are drawn: more is no picture
const [BOX, GAP, LINE] = [230, 190, 46];

const drawing = h("div", { class: "drawing", tabindex: "0", role: "region", "aria-label": "Drawing of who calls whom" });
const key = (call) => `${call.client} → ${call.server}`;
const list = sortable("Calls", [
  ["Who calls whom", "wide", key, (call) => shown(key(call))],
  ["Rate", "number", (call) => call.rate, (call) => `${perSecond(call.rate)}/s`],
  ["Requests", "number", (call) => call.requests, (call) => whole(call.requests)],
  ["Errors", "number", (call) => call.errors / call.requests, (call) => h("span", { class: call.errors ? "failed" : "" }, percent(call.errors / call.requests))],
  ["p95", "number", (call) => call.p95, (call) => duration(call.p95)],
], { order: 2, key });
const none = h("p", { class: "empty" }, "No exchanges were seen in the last minutes.");

$("map").append(drawing, list.element, none);

/** Ask again. */
export async function refresh() {
  const { calls } = await json("calls");
  none.hidden = calls.length > 0;
  drawing.hidden = list.element.hidden = !none.hidden;
  list.show(calls);
  draw(calls.toSorted((one, other) => other.requests - one.requests).slice(0, MOST));
}

function draw(calls) {
  const callers = new Set(calls.map((call) => call.client));
  const called = new Set(calls.map((call) => call.server));
  const columns = [
    [...callers].filter((name) => !called.has(name)),
    [...callers].filter((name) => called.has(name)),
    [...called].filter((name) => !callers.has(name)),
  ].filter((names) => names.length);
  const tallest = Math.max(1, ...columns.map((names) => names.length));
  const width = columns.length * BOX + (columns.length - 1) * GAP + 40;
  const height = tallest * LINE + 20;
  const places = new Map();
  columns.forEach((names, column) => names.toSorted().forEach((name, number) => places.set(name, {
    x: 20 + column * (BOX + GAP), y: 10 + ((tallest - names.length) * LINE) / 2 + number * LINE })));
  const most = Math.max(1, ...calls.map((call) => call.requests));
  drawing.replaceChildren(s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    "aria-label": `${callers.size} callers, ${called.size} called; the table below has all of it` },
    s("defs", {}, s("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 9, markerHeight: 9, markerUnits: "userSpaceOnUse", orient: "auto" },
      s("path", { class: "arrow", d: "M0 0L8 4L0 8z" }))),
    calls.map((call) => arrow(places.get(call.client), places.get(call.server), call, most)),
    [...places].map(([name, place]) => s("g", { transform: `translate(${place.x} ${place.y})` },
      s("title", {}, shown(name)),
      s("rect", { class: "box", width: BOX, height: LINE - 14, rx: 6 }),
      s("text", { x: 10, y: 20.5 }, short(shown(name), 32))))));
}

const short = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function arrow(from, to, call, most) {
  const middle = (LINE - 14) / 2;
  const [x1, y1, x2, y2] = [from.x + BOX, from.y + middle, to.x, to.y + middle];
  const back = x2 <= x1;
  const bend = back ? 60 : (x2 - x1) / 2;
  const end = back ? to.x + BOX : x2;
  const path = back ? `M${x1} ${y1}C${x1 + bend} ${y1} ${end + bend} ${y2} ${end} ${y2}` : `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
  return s("g", { class: "call" }, s("title", {}, `${shown(key(call))}: ${perSecond(call.rate)}/s, ${percent(call.errors / call.requests)} errors`),
    s("path", { class: call.errors / call.requests > 0.05 ? "edge bad" : "edge", d: path, "marker-end": "url(#arrow)", "stroke-width": (1.2 + 5 * Math.sqrt(call.requests / most)).toFixed(1) }));
}
