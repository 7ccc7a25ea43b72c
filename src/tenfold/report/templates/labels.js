"use strict";
(() => {
  const list = document.getElementById("items");
  if (!list) return;
  const names = JSON.parse(list.dataset.names);
  const items = [...list.children];
  const [save, progress, count] = ["save", "progress", "count"].map((id) => document.getElementById(id));
  let saved = true;

  const update = () => {
    const done = items.filter((item) => item.dataset.decision).length;
    progress.value = done;
    count.textContent = `${done} of ${items.length}`;
    save.disabled = !done;
  };

  const open = (i) => {
    if (!items[i]) return;
    items.forEach((item, k) => { item.tabIndex = k === i ? 0 : -1; });
    items[i].focus();
    items[i].scrollIntoView({ block: "nearest" });
  };

  const decide = (i, decision, goOn) => {
    const item = items[i];
    item.dataset.decision = decision;
    for (const button of item.querySelectorAll("[data-decision]")) {
      button.setAttribute("aria-pressed", String(button.dataset.decision === decision));
    }
    saved = false;
    update();
    if (goOn) open(Math.min(i + 1, items.length - 1));
  };

  const relabel = (i, k, goOn) => {
    const item = items[i];
    if (Number(item.dataset.given) === k) return decide(i, "keep", goOn);
    item.querySelector("select").value = String(k);
    decide(i, "relabel", goOn);
  };

  items.forEach((item, i) => {
    item.addEventListener("click", (event) => {
      const button = event.target.closest("button[data-decision]");
      if (button) decide(i, button.dataset.decision, false);
    });
    item.querySelector("select").addEventListener("change", () => decide(i, "relabel", false));
    item.addEventListener("focusin", () => items.forEach((other, k) => { other.tabIndex = k === i ? 0 : -1; }));
    item.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
      const key = event.key.toLowerCase();
      if (key === "arrowdown") open(i + 1);
      else if (key === "arrowup") open(i - 1);
      else if (key === "k") decide(i, "keep", true);
      else if (key === "r") relabel(i, Number(item.dataset.suggested), true);
      else if (key === "c") decide(i, "cannot tell", true);
      else if (/^[0-9]$/.test(key) && names.length <= 10 && Number(key) < names.length) relabel(i, Number(key), true);
      else return;
      event.preventDefault();
    });
  });

  // a cell that a spreadsheet would compute gets an apostrophe, as in the files that tenfold writes
  const cell = (text) => {
    const risky = /^[=+\-@\t\r]/.test(text) && !/^[+-]?[0-9.]+$/.test(text);
    const safe = risky ? `'${text}` : text;
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };

  const table = () => {
    const rows = items.filter((item) => item.dataset.decision).map((item) => {
      const to = item.dataset.decision === "relabel" ? names[Number(item.querySelector("select").value)] : "";
      return [item.dataset.id, names[Number(item.dataset.given)], item.dataset.decision, to];
    });
    return [["id", "label", "decision", "new_label"], ...rows].map((row) => row.map(cell).join(",") + "\n").join("");
  };

  save.addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([table()], { type: "text/csv" }));
    link.download = "labels.csv";
    link.click();
    URL.revokeObjectURL(link.href);
    saved = true;
  });
  list.addEventListener("table", (event) => { event.detail.text = table(); });
  addEventListener("beforeunload", (event) => { if (!saved) event.preventDefault(); });
  update();
})();
