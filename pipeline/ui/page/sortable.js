// A table that a click on a heading sorts, and that keeps the focus when its rows are made anew.

import { h } from "./dom.js";

/** `columns`: [name, class, value of a row, cell of a row]. Gives the element and a function that shows rows. */
export function sortable(label, columns, { order = 0, chosen = () => {}, key }) {
  let sort = order;
  let down = true;
  let rows = [];
  let picked = null;
  const buttons = columns.map(([name], place) => h("button", { type: "button", onclick: () => {
    down = sort === place ? !down : true;
    sort = place;
    show(rows);
  } }, name));
  const headings = columns.map(([, kind], place) => h("th", { scope: "col", class: kind }, buttons[place]));
  const body = h("tbody");
  const element = h("div", { class: "scrolls", tabindex: "0", role: "region", "aria-label": label },
    h("table", { class: "list" }, h("thead", {}, h("tr", {}, headings)), body));

  function pick(row) {
    picked = key(row);
    chosen(row);
    for (const each of body.children) each.setAttribute("aria-selected", String(each.dataset.key === picked));
  }

  function show(given) {
    rows = given;
    headings.forEach((cell, place) => {
      if (place === sort) cell.setAttribute("aria-sort", down ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
    const value = columns[sort][2];
    const sorted = rows.toSorted((one, other) => {
      const [a, b] = [value(one) ?? -1, value(other) ?? -1];
      return (a < b ? -1 : a > b ? 1 : 0) * (down ? -1 : 1);
    });
    const again = rows.find((row) => key(row) === picked) ?? sorted[0];
    picked = again ? key(again) : null;
    const focused = document.activeElement?.closest("tr")?.dataset.key;
    body.replaceChildren(...sorted.slice(0, 500).map((row) => h("tr", { "data-key": key(row), "aria-selected": String(key(row) === picked) },
      columns.map(([, kind, , cell], place) => h(place ? "td" : "th", { class: kind, scope: place ? undefined : "row" },
        place ? cell(row) : h("button", { type: "button", onclick: () => pick(row) }, cell(row)))))));
    if (focused !== undefined) [...body.children].find((each) => each.dataset.key === focused)?.querySelector("button").focus();
    if (again) chosen(again);
  }
  return { element, show };
}
