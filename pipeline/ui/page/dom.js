// Elements, and texts off the wire. Nothing here or elsewhere parses HTML: whatever a peer sends is only ever the text of a node.

const SVG = "http://www.w3.org/2000/svg";

/** The element with this id. */
export const $ = (id) => document.getElementById(id);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((each) => each !== null && each !== undefined));
  return element;
}

/** An element of HTML. Children are elements, or texts. */
export const h = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);

/** An element of SVG. */
export const s = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
const UNSEEN_BUT_LINES = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
const escaped = (char) => `\\u{${char.codePointAt(0).toString(16)}}`;

/** Text off the wire in one line: what would be invisible or change the direction of writing is written out. */
export const shown = (text) => String(text ?? "").replace(UNSEEN, escaped);

/** The same with its lines. */
export const lines = (text) => String(text ?? "").replace(/\r\n/g, "\n").replace(UNSEEN_BUT_LINES, escaped);

const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** Bytes with a unit. */
export function bytes(count) {
  if (count === null || count === undefined) return "";
  let unit = 0;
  while (count >= 1000 && unit < UNITS.length - 1) { count /= 1000; unit += 1; }
  return `${unit && count < 10 ? count.toFixed(1) : Math.round(count)} ${UNITS[unit]}`;
}

/** Milliseconds with a unit. */
export function duration(ms) {
  if (ms === null || ms === undefined) return "";
  if (ms === 0) return "0";
  if (ms < 1) return `${Math.max(1, Math.round(ms * 1000))} µs`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s` : `${(ms / 60_000).toFixed(1)} min`;
}

/** A rate. */
export const perSecond = (rate) => (rate >= 10 ? Math.round(rate).toLocaleString("en") : rate.toFixed(rate ? 1 : 0));

/** A share. */
export const percent = (share) => (share === 0 ? "0 %" : share < 0.001 ? "< 0.1 %" : `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`);

export const whole = (count) => (count ?? 0).toLocaleString("en");

const two = (number) => String(number).padStart(2, "0");

/** Time of day, of milliseconds since 1970. */
export function clock(ms) {
  const at = new Date(ms);
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}

/** What a screen reader says next. */
export function announce(text) {
  $("announce").textContent = text;
}
