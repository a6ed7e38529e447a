// The filter: what is typed, what is wrong with it, and words that it may go on with (a combobox with a list, as WAI-ARIA has it).

import { $, h, shown } from "./dom.js";
import { json } from "./api.js";

const PAUSE_MS = 120; // in typing, before the server is asked

const field = $("where");
const list = $("where-words");

let asked = 0;
let typing = 0;
let begun = 0; // letters in front of the cursor that a word would take the place of
let chosen = -1;
let applied = "";
let apply = () => {};
let leave = () => {};

/** `use` is called with an expression that can be used, `left` when Escape is pressed. */
export function start(use, left) {
  [apply, leave] = [use, left];
  $("filter").addEventListener("submit", (event) => { event.preventDefault(); submit(); });
  $("clear").addEventListener("click", () => set(""));
  field.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(() => look(true), PAUSE_MS); });
  field.addEventListener("keydown", (event) => { if (pressed(event.key)) event.preventDefault(); });
  field.addEventListener("blur", close);
  list.addEventListener("mousedown", (event) => {
    event.preventDefault(); // the field keeps the focus
    const option = event.target.closest("[role=option]");
    if (option) take(option.dataset.word);
  });
}

/** Filter by this. */
export function set(text) {
  field.value = text;
  return submit();
}

async function submit() {
  close();
  if ((await look(false)).error) return;
  applied = field.value.trim();
  apply(applied);
}

/** Ask what is wrong. `offer`: and show words that fit; then it is not wrong yet. */
async function look(offer) {
  clearTimeout(typing);
  const mine = ++asked;
  const front = offer ? field.value.slice(0, field.selectionStart) : "";
  const answer = field.value.trim()
    ? await json("filter", { where: field.value, front }).catch((problem) => ({ error: problem.message, words: [] })) : { words: [] };
  if (mine !== asked) return { error: "asked again" };
  begun = answer.begun;
  show(answer.words, answer.more);
  const error = answer.words.length ? "" : answer.error ?? "";
  $("where-error").hidden = !error;
  $("where-error").textContent = error;
  field.setAttribute("aria-invalid", String(Boolean(error)));
  return answer;
}

function show(words, more) {
  chosen = -1;
  list.replaceChildren(...words.map((word, at) => h("li", { role: "option", id: `word-${at}`, "data-word": word, "aria-selected": "false" }, shown(word))),
    ...(more ? [h("li", { role: "presentation" }, `… ${more} more`)] : []));
  list.hidden = words.length === 0;
  field.setAttribute("aria-expanded", String(!list.hidden));
  field.removeAttribute("aria-activedescendant");
}

const close = () => { if (!list.hidden) show([], 0); };

function choose(step) {
  const options = list.querySelectorAll("[role=option]");
  chosen = (chosen + step + (chosen < 0 && step < 0 ? 1 : 0) + options.length) % options.length;
  options.forEach((each, at) => each.setAttribute("aria-selected", String(at === chosen)));
  field.setAttribute("aria-activedescendant", options[chosen].id);
  options[chosen].scrollIntoView({ block: "nearest" });
}

function take(word) {
  const at = field.selectionStart;
  field.setRangeText(word, at - begun, at, "end");
  look(true);
}

/** The field says again what is filtered by. */
function back() {
  field.value = applied;
  look(false);
  leave();
}

/** A key in the field. True where it was taken. */
function pressed(key) {
  if (key === "Escape") { if (list.hidden) back(); else close(); return true; }
  if (list.hidden) return false;
  if (key === "ArrowDown" || key === "ArrowUp") choose(key === "ArrowDown" ? 1 : -1);
  else if (key === "Tab" || (key === "Enter" && chosen >= 0)) take(list.querySelectorAll("[role=option]")[Math.max(0, chosen)].dataset.word);
  else return false;
  return true;
}
