// A table that does not fit breaks long words (addresses, queue ids). On a small screen, and where that is not enough, it
// is shown row by row, each cell with the head of its column. Without script it can be moved sideways.
"use strict";
(() => {
  const small = matchMedia("(max-width: 48rem)");
  const seen = new WeakSet(); // what htmx puts into a page comes here more than once
  const roles = { TABLE: "table", THEAD: "rowgroup", TBODY: "rowgroup", TR: "row", TD: "cell" };

  // What is no table to the style any more stays one for a screen reader.
  const label = (table) => {
    const heads = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
    for (const one of [table, ...table.querySelectorAll("thead, tbody, tr, td, th")]) {
      one.setAttribute("role", roles[one.tagName] ?? (one.scope === "row" ? "rowheader" : "columnheader"));
    }
    for (const row of [...table.tBodies].flatMap((body) => [...body.rows])) {
      [...row.cells].forEach((cell, place) => (cell.dataset.label = heads[place]));
    }
  };
  const isTooWide = (table) => table.scrollWidth > table.parentElement.clientWidth;
  const fit = (table) => {
    table.classList.remove("stacked", "tight");
    if (!isTooWide(table)) {
      return;
    }
    table.classList.add("tight");
    if (small.matches || isTooWide(table)) {
      if (!table.hasAttribute("role")) {
        label(table);
      }
      table.classList.replace("tight", "stacked");
    }
  };
  const look = (within) => {
    for (const table of within.querySelectorAll(".scroll > table")) {
      if (table.tHead && !seen.has(table) && !table.querySelector("[rowspan], [colspan]")) {
        seen.add(table);
        let width = 0; // of its place: a table within <details> has none until that is open
        new ResizeObserver(([entry]) => {
          if (entry.contentRect.width !== width) {
            width = entry.contentRect.width;
            fit(table);
          }
        }).observe(table.parentElement);
        fit(table);
      }
    }
  };
  look(document);
  document.addEventListener("htmx:load", (event) => look(event.detail.elt.parentElement ?? document));
})();
