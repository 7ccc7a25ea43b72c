"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  function sortable(table) {
    const body = table.tBodies[0];
    const headings = all("thead th", table);
    headings.forEach((heading, column) => {
      if (!heading.dataset.sort) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      const numeric = heading.dataset.sort === "number";
      const value = (row) => {
        const cell = row.cells[column];
        const text = cell.dataset.v ?? cell.textContent.trim();
        return text === "" ? null : numeric ? Number(text.replaceAll(",", "")) : text.toLowerCase();
      };
      button.addEventListener("click", () => {
        const first = heading.dataset.first === "asc" ? "ascending" : "descending";
        const other = first === "ascending" ? "descending" : "ascending";
        const direction = heading.getAttribute("aria-sort") === first ? other : first;
        headings.forEach((each) => each.removeAttribute("aria-sort"));
        heading.setAttribute("aria-sort", direction);
        const sign = direction === "ascending" ? 1 : -1;
        const rows = [...body.rows].map((row) => [value(row), row]);
        rows.sort(([a], [b]) => (a === null) - (b === null) || (a < b ? -sign : a > b ? sign : 0)); // the unknown stays last
        body.append(...rows.map(([, row]) => row));
      });
    });
  }

  const rows = all("#table tbody tr");
  const lines = all(".overlay .run, .overlay .line-name");

  function filter() {
    const words = $("find").value.toLowerCase();
    const [recipe, state] = [$("filter-recipe").value, $("filter-state").value];
    const visible = new Set();
    for (const row of rows) {
      const { run, recipe: own, state: now } = row.dataset;
      const fits = `${run} ${own}`.toLowerCase().includes(words) && (!recipe || own === recipe) && (!state || now === state);
      row.hidden = !fits;
      if (fits) visible.add(run);
    }
    lines.forEach((line) => line.toggleAttribute("hidden", !visible.has(line.dataset.run)));
    $("shown").textContent = visible.size === rows.length ? "" : `${visible.size} of ${rows.length}`;
  }

  function point(row, on) {
    let found = false;
    for (const line of lines) {
      const mine = on && line.dataset.run === row.dataset.run;
      line.classList.toggle("on", mine);
      if (mine && line.matches(".run")) line.parentElement.append(line); // on top
      found ||= mine;
    }
    all(".overlay").forEach((plot) => plot.classList.toggle("pointing", found));
  }

  all("table.sortable").forEach(sortable);
  for (const row of rows) {
    for (const event of ["pointerenter", "focusin"]) row.addEventListener(event, () => point(row, true));
    for (const event of ["pointerleave", "focusout"]) row.addEventListener(event, () => point(row, false));
  }
  for (const id of ["find", "filter-recipe", "filter-state"]) $(id).addEventListener("input", filter);
  $("filters").hidden = false;
})();
