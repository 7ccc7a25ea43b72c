(() => {
  const items = [...document.querySelectorAll("#questions > li")];
  const inputs = items.map((item) => item.querySelector("input"));
  const save = document.getElementById("save");
  const progress = document.getElementById("progress");
  const count = document.getElementById("count");
  let saved = true;

  const update = () => {
    const done = items.filter((item) => item.classList.contains("done")).length;
    progress.value = done;
    count.textContent = `${done} of ${items.length}`;
    save.disabled = done < items.length || !items.length;
  };

  const confirm = (i) => {
    if (!inputs[i].checkValidity()) {
      inputs[i].reportValidity();
      return;
    }
    items[i].classList.add("done");
    saved = false;
    update();
    const next = [...items.keys()].slice(i + 1).find((k) => !items[k].classList.contains("done"))
      ?? [...items.keys()].find((k) => !items[k].classList.contains("done"));
    if (next === undefined) save.focus();
    else open(next);
  };

  const open = (i) => {
    if (!inputs[i]) return;
    inputs[i].focus();
    inputs[i].select();
    items[i].scrollIntoView({ block: "nearest" });
  };

  inputs.forEach((input, i) => {
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      if (event.shiftKey) open(i - 1);
      else confirm(i);
    });
    input.addEventListener("input", () => {
      items[i].classList.remove("done");
      update();
    });
  });

  // a cell that a spreadsheet would compute gets an apostrophe, as in the files that tenfold writes
  const cell = (text) => {
    const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };

  const table = () => {
    const rows = items.map((item, i) => [item.dataset.file, item.dataset.line, inputs[i].value, "1.000000"]);
    return [["file", "line", "text", "confidence"], ...rows].map((row) => row.map(cell).join(",") + "\n").join("");
  };

  save.addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([table()], { type: "text/csv" }));
    link.download = "reviewed.csv";
    link.click();
    URL.revokeObjectURL(link.href);
    saved = true;
  });
  document.getElementById("questions").addEventListener("table", (event) => { event.detail.text = table(); });
  addEventListener("beforeunload", (event) => { if (!saved) event.preventDefault(); });
  update();
  open(0);
})();
