// A line over time as SVG, with its axis, and its numbers in words for who cannot see it.

import { h, s } from "./dom.js";

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [420, 130, 46, 18, 8];

/** Round values between 0 and a bit more than the highest. */
function scale(highest) {
  if (!(highest > 0)) return [0, 1];
  const rough = highest / 3;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough);
  return Array.from({ length: Math.ceil(highest / step) + 1 }, (_, number) => number * step);
}

/** `series`: [name, class, values]; a value is null where nothing was seen. `times`: ms since 1970, one for each value. */
export function plot(title, times, series, text) {
  const values = series.flatMap(([, , each]) => each).filter((value) => value !== null);
  const ticks = scale(Math.max(0, ...values));
  const top = ticks.at(-1);
  const [from, till] = [times[0], times.at(-1)];
  const x = (time) => LEFT + ((WIDTH - LEFT - 6) * (time - from)) / Math.max(1, till - from);
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);
  const last = series.map(([name, , each]) => `${name} ${text(each.findLast((value) => value !== null) ?? 0)}`).join(", ");
  const minutes = Math.round((till - from) / 60_000);
  return h("figure", { class: "plot" },
    h("figcaption", {}, h("strong", {}, title), series.map(([name, kind]) => h("span", { class: `key ${kind}` }, name))),
    s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img",
      "aria-label": `${title}, last ${minutes} minutes. Now: ${last}. Highest: ${text(Math.max(0, ...values))}.` },
      ticks.map((value) => [
        s("line", { class: "grid", x1: LEFT, x2: WIDTH - 6, y1: y(value), y2: y(value) }),
        s("text", { x: LEFT - 5, y: y(value) + 3.5, "text-anchor": "end" }, text(value))]).flat(),
      s("text", { x: LEFT, y: HEIGHT - 4 }, `−${minutes} min`),
      s("text", { x: WIDTH - 6, y: HEIGHT - 4, "text-anchor": "end" }, "now"),
      series.map(([, kind, each]) => line(kind, each.map((value, at) => (value === null ? null : [x(times[at]), y(value)]))))));
}

/** Pieces where there are values; a value that stands alone is a dot. */
function line(kind, points) {
  let path = "";
  points.forEach((point, at) => {
    if (!point) return;
    const [x, y] = point.map((each) => each.toFixed(1));
    path += points[at - 1] ? `L${x} ${y}` : `M${x} ${y}${points[at + 1] ? "" : "h1"}`;
  });
  return s("path", { class: `line ${kind}`, d: path });
}

/** A small one without axes. */
export function sparkline(values) {
  const top = Math.max(1e-9, ...values);
  const points = values.map((value, at) => [(100 * at) / Math.max(1, values.length - 1), 19 - (17 * value) / top]);
  return s("svg", { class: "spark", viewBox: "0 0 100 20", preserveAspectRatio: "none", "aria-hidden": "true" }, line("rate", points));
}
