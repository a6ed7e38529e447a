// The pipeline that runs: its graph with what passes now, every component's ledger, and what was lost.

import { $, duration, h, perSecond, percent, s, shown, whole } from "./dom.js";
import { json } from "./api.js";

const [BOX, TALL, GAP_X, GAP_Y] = [190, 64, 80, 22];

const summary = h("p", { class: "summary" });
const drawing = h("div", { class: "drawing", tabindex: "0", role: "region", "aria-label": "Drawing of the pipeline" });
const ledger = h("div", { class: "scrolls", tabindex: "0", role: "region", "aria-label": "Ledger" });
const losses = h("div", { class: "losses", id: "losses" });
const counted = h("div", { class: "losses" });
let before = null;

$("pipeline").append(summary, drawing, h("h2", {}, "Ledger"), ledger, h("h2", {}, "Losses"), losses,
  h("h2", {}, "Left out on purpose, and what components count"), counted);

/** Ask again. */
export async function refresh() {
  const { now, losses: names } = await json("pipeline");
  if (!now) return;
  const rates = new Map(now.components.map((each) => [each.id, rate(each, now)]));
  summary.textContent = `${now.file || "httpipe"}, PID ${now.pid}, up ${duration(now.uptime_secs * 1000)}, `
    + (now.draining ? "ending" : now.ready ? "carries events" : "starting");
  draw(now.components, now.edges, rates);
  list(now.components, rates);
  count(now.components, new Set(names));
  if (!before || now.uptime_secs - before.uptime_secs >= 0.9) before = now;
}

const passed = (component) => (component.kind === "sink" ? component.received : component.sent);

function rate(component, now) {
  const old = before?.components.find((each) => each.id === component.id);
  const secs = now.uptime_secs - (before?.uptime_secs ?? 0);
  return secs > 0 ? Math.max(0, passed(component) - (old ? passed(old) : 0)) / secs : 0;
}

/** Each one column behind the last of what feeds it. */
function columns(components, edges) {
  const depth = new Map(components.map((each) => [each.id, 0]));
  for (let turn = 0; turn < components.length; turn += 1) {
    for (const [from, to] of edges) depth.set(to, Math.max(depth.get(to) ?? 0, (depth.get(from) ?? 0) + 1));
  }
  const found = [];
  for (const each of components) (found[depth.get(each.id)] ??= []).push(each);
  return found.filter(Boolean);
}

function draw(components, edges, rates) {
  const found = columns(components, edges);
  const tallest = Math.max(1, ...found.map((each) => each.length));
  const [width, height] = [found.length * (BOX + GAP_X) - GAP_X + 20, tallest * (TALL + GAP_Y) - GAP_Y + 20];
  const places = new Map();
  found.forEach((each, column) => each.forEach((component, number) => places.set(component.id, {
    x: 10 + column * (BOX + GAP_X), y: 10 + ((tallest - each.length) * (TALL + GAP_Y)) / 2 + number * (TALL + GAP_Y) })));
  drawing.replaceChildren(s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    "aria-label": `${components.length} components: ${edges.map(([from, to]) => `${from} feeds ${to}`).join(", ")}` },
    edges.map(([from, to]) => {
      const [one, other] = [places.get(from), places.get(to)];
      if (!one || !other) return null;
      const [x1, y1, x2, y2] = [one.x + BOX, one.y + TALL / 2, other.x, other.y + TALL / 2];
      return s("path", { "stroke-width": 1.5, class: rates.get(from) > 0 ? "edge flows" : "edge", d: `M${x1} ${y1}C${x1 + GAP_X / 2} ${y1} ${x2 - GAP_X / 2} ${y2} ${x2} ${y2}` });
    }),
    components.map((each) => {
      const { x, y } = places.get(each.id);
      return s("g", { transform: `translate(${x} ${y})`, class: `component ${each.kind} ${each.state}` },
        s("title", {}, [each.state, each.error, each.complaint].filter(Boolean).join(": ")),
        s("rect", { class: "box", width: BOX, height: TALL, rx: 8 }),
        s("text", { x: 12, y: 20, class: "name" }, shown(each.id).slice(0, 22)),
        s("text", { x: 12, y: 37, class: "dim" }, `${each.kind} · ${each.type} · ${each.state}`),
        s("text", { x: 12, y: 54 }, `${perSecond(rates.get(each.id))}/s · ${whole(passed(each))}`));
    })));
}

const lostOf = (component) => component.discarded.filter((each) => !each.intentional).reduce((sum, each) => sum + each.events, 0);
const wanted = (component) => component.discarded.filter((each) => each.intentional).reduce((sum, each) => sum + each.events, 0);

function list(components, rates) {
  const heads = ["Component", "State", "Rate", "Received", "Created", "Sent", "Filtered", "Lost", "In flight", "Queue"];
  ledger.replaceChildren(h("table", { class: "list" },
    h("thead", {}, h("tr", {}, heads.map((name, at) => h("th", { scope: "col", class: at > 1 ? "number" : "" }, name)))),
    h("tbody", {}, components.map((each) => h("tr", {},
      h("th", { scope: "row" }, `${shown(each.id)} (${each.kind} ${each.type})`),
      h("td", { class: each.state }, [each.state, each.error || each.complaint].filter(Boolean).join(": ")),
      [`${perSecond(rates.get(each.id))}/s`, whole(each.received), whole(each.created + each.restored), whole(each.sent), whole(wanted(each))]
        .map((text) => h("td", { class: "number" }, text)),
      h("td", { class: lostOf(each) ? "number failed" : "number" }, whole(lostOf(each))),
      h("td", { class: "number" }, whole(each.in_flight)),
      h("td", { class: "number" }, each.max_events ? percent(each.queued_events / each.max_events) : "–"))))));
}

/** `names`: counters of sources that stand for something lost before there was an event. */
function count(components, names) {
  const found = components.flatMap((each) => [
    ...each.discarded.filter(({ events }) => events).map(({ reason, intentional, events }) => [each.id, reason, events, !intentional]),
    ...Object.entries(each.counters).filter(([, number]) => number).map(([name, number]) => [each.id, name, number, names.has(name)]),
  ]);
  const [lost, others] = [found.filter(([, , , isLost]) => isLost), found.filter(([, , , isLost]) => !isLost)];
  losses.replaceChildren(lost.length ? counts(lost) : h("p", { class: "none" }, "Nothing was lost."));
  counted.replaceChildren(others.length ? counts(others) : h("p", { class: "none" }, "Nothing so far."));
}

const counts = (found) => h("table", { class: "list" },
  h("thead", {}, h("tr", {}, ["Component", "What", "Count"].map((name, at) => h("th", { scope: "col", class: at === 2 ? "number" : "" }, name)))),
  h("tbody", {}, found.map(([id, what, number, isLost]) => h("tr", { class: isLost ? "failed" : "" },
    h("th", { scope: "row" }, shown(id)), h("td", {}, shown(what).replaceAll("_", " ")), h("td", { class: "number" }, whole(number))))));
