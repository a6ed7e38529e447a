// Puts the page together: tabs, theme, keys, and whether the server still answers.

import { $, announce } from "./dom.js";
import { json } from "./api.js";
import * as traffic from "./traffic.js";
import * as endpoints from "./endpoints.js";
import * as map from "./map.js";
import * as pipeline from "./pipeline.js";

const VIEWS = { traffic, endpoints, map, pipeline };
const NAMES = Object.keys(VIEWS);
const LOOK_MS = 1000;
const THEMES = { "": ["◐", "as the system"], light: ["☀", "light"], dark: ["☾", "dark"] };

let current = "traffic";

function show(name) {
  current = name;
  for (const each of NAMES) {
    $(each).hidden = each !== name;
    $(`tab-${each}`).setAttribute("aria-selected", String(each === name));
    $(`tab-${each}`).tabIndex = each === name ? 0 : -1;
  }
  VIEWS[name].shown?.();
}

function state(name, text) {
  if ($("state").dataset.state === name && $("state").textContent === text) return;
  $("state").dataset.state = name;
  $("state").textContent = text;
}

function theme(name) {
  const [sign, words] = THEMES[name];
  if (name) document.documentElement.dataset.theme = name;
  else delete document.documentElement.dataset.theme;
  $("theme").textContent = sign;
  $("theme").setAttribute("aria-label", `Theme: ${words}`);
  $("theme").title = `Theme: ${words}`;
  localStorage.setItem("httpipe-theme", name);
}

function nextTheme() {
  const names = Object.keys(THEMES);
  theme(names[(names.indexOf(document.documentElement.dataset.theme ?? "") + 1) % names.length]);
}

function onTab(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  show(NAMES[(NAMES.indexOf(current) + step + NAMES.length) % NAMES.length]);
  $(`tab-${current}`).focus();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  if (event.target.closest("input, textarea, select")) return;
  if (event.key >= "1" && event.key <= String(NAMES.length)) show(NAMES[Number(event.key) - 1]);
  else if (event.key === "?") $("help").showModal();
  else if (current !== "traffic" || !traffic.pressed(event)) return;
  event.preventDefault();
}

async function look() {
  try {
    if (current !== "traffic" && !document.hidden) await VIEWS[current].refresh();
  } catch (error) {
    state("closed", error.status === 401 ? "Not allowed" : "Disconnected");
  }
  setTimeout(look, LOOK_MS);
}

theme(localStorage.getItem("httpipe-theme") ?? "");
for (const name of NAMES) $(`tab-${name}`).addEventListener("click", () => show(name));
$("tabs").addEventListener("keydown", onTab);
$("theme").addEventListener("click", nextTheme);
$("help-button").addEventListener("click", () => $("help").showModal());
document.addEventListener("keydown", onKey);

try {
  const hello = await json("hello");
  $("file").textContent = hello.title;
  document.title = `${hello.title} | httpipe`;
  traffic.start(hello, state);
  endpoints.asked((where) => { show("traffic"); traffic.filtered(where); });
  look();
} catch (error) {
  state("closed", error.status === 401 ? "Not allowed" : "Disconnected");
  $("nothing").textContent = error.status === 401
    ? "Open the link that httpipe printed: it holds the token of this run, and this address or this token is an old one."
    : "The server does not answer: has httpipe ended?";
  announce($("nothing").textContent);
}
