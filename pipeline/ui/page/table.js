// The table of exchanges: as many rows of the document as fit on the screen, whatever the number of exchanges.

import { $, bytes, clock, duration, h, shown } from "./dom.js";

export const ROW = 26; // pixels, as in style.css

/** Places in a row as the server sends it (pipeline/live/rows.py). */
export const [ID, TIME, METHOD, STATUS, HOST, PATH, CLIENT, SERVER, SIZE, MS, WAIT, ERROR, MARKS, REQUEST, OUTCOME] = Array.from({ length: 15 }, (_, at) => at);

const COLUMNS = [
  ["Time", TIME, (row) => clock(row[TIME])],
  ["Method", METHOD, (row) => row[METHOD]],
  ["Status", STATUS, (row) => row[STATUS] ?? row[ERROR] ?? "–"],
  ["Host", HOST, (row) => row[HOST]],
  ["Path", PATH, (row) => row[PATH]],
  ["Client", CLIENT, (row) => row[CLIENT]],
  ["Server", SERVER, (row) => row[SERVER]],
  ["Size", SIZE, (row) => bytes(row[SIZE])],
  ["Duration", MS, (row) => duration(row[MS])],
];

/** How well it went: a class, and a word for who sees no colour. */
export function outcome(row) {
  const status = row[STATUS];
  if (row[OUTCOME]) return row[OUTCOME];
  if (status === null) return row[ERROR] ? "failed" : "open";
  return ["", "informational", "success", "redirect", "refused", "failed"][Math.floor(status / 100)] ?? "open";
}

export class Table {
  #pool = [];
  #sort = null;
  #down = true;
  #drawn = false;
  #height = 0; // of what is seen, and where that begins: known without asking, for which the browser would have to lay out the page
  #top = 0;

  /** `rows`: the newest last. `open`: called with a row that somebody wants to see. `leave`: the reader has scrolled away. */
  constructor({ open, leave }) {
    this.rows = [];
    this.view = this.rows;
    this.selected = null;
    this.following = true;
    this.open = open;
    this.leave = leave;
    this.#heading();
    $("scroll").addEventListener("scroll", () => this.#scrolled());
    $("scroll").addEventListener("wheel", (event) => event.deltaY < 0 && this.following && this.leave(), { passive: true });
    $("rows").addEventListener("click", (event) => {
      const element = event.target.closest("[role=row]");
      if (!element) return;
      this.select(this.view[Number(element.dataset.at)]);
      this.open(this.selected);
    });
    new ResizeObserver(([entry]) => { this.#height = entry.contentRect.height; this.draw(); }).observe($("scroll"));
  }

  #heading() {
    const cells = COLUMNS.map(([name, place]) => h("div", { role: "columnheader", class: `c-${name.toLowerCase()}`, "data-place": place },
      h("button", { type: "button", tabindex: "-1", onclick: () => this.sort(place) }, name)));
    $("heading").append(h("div", { role: "row", "aria-rowindex": 1, class: "row" }, cells,
      h("div", { role: "columnheader", class: "c-waterfall" }, "Waterfall")));
    $("grid").setAttribute("aria-colcount", COLUMNS.length + 1);
  }

  /** By this column, once more the other way round, a third time as they came. */
  sort(place) {
    if (this.#sort === place && !this.#down) this.#sort = null;
    else if (this.#sort === place) this.#down = false;
    else { this.#sort = place; this.#down = place !== TIME; }
    if (this.#sort !== null) this.leave();
    for (const cell of $("heading").querySelectorAll("[data-place]")) {
      const mine = this.#sort !== null && Number(cell.dataset.place) === this.#sort;
      if (mine) cell.setAttribute("aria-sort", this.#down ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    }
    this.arrange();
  }

  /** Add rows; an exchange takes the place of its request in progress. */
  add(rows) {
    const over = new Map(rows.filter((row) => row[REQUEST] && row[OUTCOME] !== "open").map((row) => [row[REQUEST], row]));
    this.rows.push(...rows);
    if (over.size === 0) return;
    const stays = (row) => row[OUTCOME] !== "open" || !over.has(row[REQUEST]);
    if (this.selected && !stays(this.selected)) this.selected = over.get(this.selected[REQUEST]);
    this.rows = this.rows.filter(stays);
    if (this.#sort === null) this.view = this.rows;
  }

  /** Rows have come or gone: put them in order. */
  arrange() {
    const place = this.#sort;
    if (place === null) this.view = this.rows;
    else {
      const way = this.#down ? -1 : 1;
      this.view = this.rows.toSorted((one, other) => {
        const [a, b] = [one[place] ?? "", other[place] ?? ""];
        if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
        return way * (a < b ? -1 : a > b ? 1 : one[ID] - other[ID]);
      });
    }
    this.draw();
  }

  get sorted() { return this.#sort !== null; }

  /** Rows at the top have gone: what the reader looks at stays where it is. */
  gone(count) {
    if (!this.following && !this.sorted) $("scroll").scrollTop -= count * ROW;
  }

  select(row) {
    this.selected = row ?? null;
    this.draw();
  }

  /** Arrows and the like. True where the key was one of them. */
  pressed(key) {
    const page = Math.max(1, Math.floor($("scroll").clientHeight / ROW) - 1);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[key];
    if (step === undefined || !this.view.length) return false;
    const now = this.selected ? this.view.indexOf(this.selected) : step > 0 ? -1 : this.view.length;
    const at = Math.min(this.view.length - 1, Math.max(0, now + step));
    if (at < this.view.length - 1 && this.following) this.leave();
    this.selected = this.view[at];
    const scroll = $("scroll");
    if (at * ROW < scroll.scrollTop) scroll.scrollTop = at * ROW;
    else if ((at + 1) * ROW > scroll.scrollTop + scroll.clientHeight) scroll.scrollTop = (at + 1) * ROW - scroll.clientHeight;
    this.draw();
    return true;
  }

  #scrolled() {
    this.#top = $("scroll").scrollTop;
    this.draw();
  }

  /** Soon: once for all that happens before the next picture. */
  draw() {
    if (this.#drawn) return;
    this.#drawn = true;
    requestAnimationFrame(() => { this.#drawn = false; this.#draw(); });
  }

  #draw() {
    const scroll = $("scroll");
    const whole = this.view.length * ROW;
    if ($("rows").style.height !== `${whole}px`) $("rows").style.height = `${whole}px`;
    if (this.following && !this.sorted && this.#top !== Math.max(0, whole - this.#height)) {
      this.#top = Math.max(0, whole - this.#height);
      scroll.scrollTop = this.#top;
    }
    this.#top = Math.min(this.#top, Math.max(0, whole - this.#height));
    const first = Math.max(0, Math.floor(this.#top / ROW) - 2);
    const count = Math.max(0, Math.min(this.view.length - first, Math.ceil(this.#height / ROW) + 4));
    while (this.#pool.length < count) this.#pool.push(this.#made());
    const visible = this.view.slice(first, first + count);
    const from = Math.min(...visible.map((row) => row[TIME]));
    const till = Math.max(from + 1, ...visible.map((row) => row[TIME] + (row[MS] ?? 0)));
    this.#pool.forEach((line, number) => {
      line.element.hidden = number >= count;
      if (number < count) this.#fill(line, visible[number], first + number, from, till - from);
    });
    $("grid").setAttribute("aria-rowcount", this.view.length + 1);
    const selected = visible.includes(this.selected) ? `row-${this.selected[ID]}` : null;
    if (selected) $("grid").setAttribute("aria-activedescendant", selected);
    else $("grid").removeAttribute("aria-activedescendant");
    $("nothing").hidden = this.rows.length > 0;
  }

  #made() {
    const cells = COLUMNS.map(([name]) => h("div", { role: "gridcell", class: `c-${name.toLowerCase()}` }));
    const bar = h("span", { class: "bar" }, h("span", { class: "wait" }));
    const element = h("div", { role: "row", class: "row" }, cells, h("div", { role: "gridcell", class: "c-waterfall" }, bar));
    $("rows").append(element);
    return { element, cells, bar, wait: bar.firstChild, row: null };
  }

  #fill(line, row, at, from, span) {
    const { element, bar } = line;
    if (line.row !== row) {
      line.row = row;
      element.id = `row-${row[ID]}`;
      COLUMNS.forEach(([, , text], number) => { line.cells[number].textContent = shown(text(row)); });
      for (const place of [HOST, PATH, CLIENT, SERVER]) line.cells[COLUMNS.findIndex(([, at]) => at === place)].title = shown(row[place]);
      const how = outcome(row);
      element.className = `row ${how}${row[MARKS] ? " marked" : ""}`;
      bar.title = row[MS] === null ? "no answer seen" : `${duration(row[MS])}, ${duration(row[WAIT] ?? row[MS])} to the first byte`;
      line.wait.style.width = row[MS] ? `${Math.min(100, (100 * (row[WAIT] ?? row[MS])) / row[MS])}%` : "100%";
    }
    element.dataset.at = at;
    element.setAttribute("aria-rowindex", at + 2);
    element.setAttribute("aria-selected", String(row === this.selected));
    element.style.transform = `translateY(${at * ROW}px)`;
    const left = (100 * (row[TIME] - from)) / span;
    bar.style.left = `min(${left}%, 100% - 3px)`;
    bar.style.width = `max(3px, ${(100 * (row[MS] ?? 0)) / span}%)`;
  }
}
