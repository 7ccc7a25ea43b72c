"use strict";
(() => {
  const MORE = 60; // images that a press of "more" adds
  const $ = (id) => document.getElementById(id);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const images = (count) => `${count.toLocaleString("en")} image${count === 1 ? "" : "s"}`;
  const { meta } = explored;

  function press(buttons, pressed) {
    buttons.forEach((button) => button.setAttribute("aria-pressed", String(button === pressed)));
  }

  function strips() {
    for (const strip of all(".strip[data-rows]:not([data-rows=''])"))
      strip.replaceChildren(...strip.dataset.rows.split(",").map((row) => explored.tile(Number(row))));
  }

  // rows of all classes in turn, so that the first ones show every class
  function inTurn(rows) {
    const seen = new Map();
    const rank = rows.map((row) => {
      const before = seen.get(explored.label(row)) ?? 0;
      seen.set(explored.label(row), before + 1);
      return [before, explored.label(row) ?? -1, row];
    });
    return rank.sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]).map(([, , row]) => row);
  }

  function samples() {
    const [label, split, more] = [$("sample-class"), $("sample-split"), $("sample-more")];
    const first = $("sample-tiles").children.length;
    let rows = [];
    let shown = 0;
    const add = (many) => {
      const next = rows.slice(shown, shown + many);
      $("sample-tiles").append(...next.map(explored.tile));
      shown += next.length;
      more.hidden = shown >= rows.length;
      $("sample-count").textContent = `${shown.toLocaleString("en")} of ${images(rows.length)}`;
    };
    const choose = () => {
      const set = Number(split?.value ?? 0);
      const start = meta.splits.slice(0, set).reduce((sum, [, size]) => sum + size, 0);
      rows = Array.from({ length: meta.splits[set][1] }, (_, i) => start + i);
      if (label && !label.value) rows = inTurn(rows);
      if (label?.value) rows = rows.filter((row) => explored.label(row) === Number(label.value));
      shown = 0;
      $("sample-tiles").replaceChildren();
      add(first);
    };
    label?.addEventListener("change", choose);
    split?.addEventListener("change", choose);
    more.addEventListener("click", () => add(MORE));
    choose();
  }

  function findings() {
    for (const button of all("[data-finding]"))
      button.addEventListener("click", () => {
        const { name, groups } = meta.findings[Number(button.dataset.finding)];
        const lines = groups.flatMap((group, number) => group.map((id) => [number + 1, id].map(explored.quoted).join(",")));
        explored.save(`${name}.csv`, ["group,id", ...lines]);
      });
  }

  function maps() {
    const canvas = $("map-points");
    if (!canvas) return;
    const map = exploredMap.create(canvas, $("map-marks"));
    const chips = chipsFor(map);
    const recolour = () => {
      map.theme();
      chips.forEach((chip, label) => chip.style.setProperty("--hue", map.scheme[label]?.length ? `rgb(${map.scheme[label]})` : ""));
    };
    map.choose(0);
    recolour();
    map.resize();
    new ResizeObserver(map.resize).observe(canvas);
    new MutationObserver(recolour).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
    $("map-wait").hidden = true;

    const choices = all("#map-choice button");
    choices.forEach((button) => button.addEventListener("click", () => {
      press(choices, button);
      map.choose(Number(button.dataset.map));
      map.fit();
      all("[data-note]").forEach((note) => { note.hidden = note.dataset.note !== button.dataset.map; });
    }));
    const sets = all("#split-choice button");
    sets.forEach((button) => button.addEventListener("click", () => {
      press(sets, button);
      map.split = button.dataset.split === "" ? null : Number(button.dataset.split);
      map.draw();
    }));
    const colourings = all("#colour-choice button");
    colourings.forEach((button) => button.addEventListener("click", () => {
      press(colourings, button);
      map.colouring = button.dataset.colour;
      colourKey(map);
      map.draw();
    }));
    const select = selection(map);
    hover(map, canvas);
    moves(map, canvas, select);
    fromAddress(map, select);
    addEventListener("hashchange", () => fromAddress(map, select));
  }

  // What the colours mean where they are not classes.
  function colourKey(map) {
    const key = $("colour-key");
    const dot = (rgb, text) => {
      const mark = document.createElement("i");
      mark.style.background = `rgb(${rgb})`;
      return [mark, text];
    };
    const keys = { mistake: [[map.wrong, "misread"], [map.right, "right, or not judged"]],
      confidence: [[map.steps[0], "unsure"], [map.steps[map.steps.length >> 1], "98 %"], [map.steps.at(-1), "99.9 % or more"]] };
    key.hidden = !keys[map.colouring];
    key.replaceChildren(...(keys[map.colouring] ?? []).flatMap(([rgb, text]) => dot(rgb, text)));
  }

  // explore.html#image=test:ID, where a mistake's dialog in the report leads
  function fromAddress(map, select) {
    const wanted = decodeURIComponent(location.hash).match(/^#image=([^:]*):(.*)$/s);
    if (!wanted) return;
    const row = explored.ids.findIndex((id, at) => id === wanted[2] && explored.split(at)[0] === wanted[1]);
    if (row < 0) return;
    $("map").scrollIntoView();
    select([row]);
    map.show(row);
  }

  function chipsFor(map) {
    const chips = meta.names.map((name, label) => {
      const chip = document.createElement("button");
      chip.type = "button";
      chip.setAttribute("aria-pressed", "true");
      chip.title = "Double-click: only this class";
      chip.append(document.createElement("i"), name);
      const update = () => {
        chips.forEach((other, index) => other.setAttribute("aria-pressed", String(!map.hidden.has(index))));
        map.draw();
      };
      chip.addEventListener("click", () => {
        if (!map.hidden.delete(label)) map.hidden.add(label);
        update();
      });
      chip.addEventListener("dblclick", () => {
        const alone = map.hidden.size === meta.names.length - 1 && !map.hidden.has(label);
        map.hidden = new Set(alone ? [] : meta.names.keys());
        map.hidden.delete(label);
        update();
      });
      return chip;
    });
    if (explored.labels.some((label) => label !== 65535)) $("map-classes").append(...chips);
    return chips;
  }

  // The card beside the pointer: the image, its id and its label.
  function hover(map, canvas) {
    const card = $("map-card");
    const show = (row, x, y) => {
      map.hovered = row;
      card.hidden = row < 0;
      canvas.dataset.row = row;
      if (row >= 0) {
        explored.draw(row, card.querySelector("canvas"));
        card.querySelector("b").textContent = explored.name(row);
        card.querySelector("span").textContent = [meta.splits.length > 1 ? explored.split(row)[0] : "", explored.ids[row], explored.said(row)].filter(Boolean).join(" ");
        const { width, height } = canvas.getBoundingClientRect();
        card.style.left = `${x + 156 > width ? x - 152 : x + 16}px`;
        card.style.top = `${Math.max(4, Math.min(y - 40, height - card.offsetHeight - 8))}px`;
      }
      map.mark(canvas.dataset.images === "true");
    };
    canvas.addEventListener("pointermove", (event) => {
      if (event.buttons) { show(-1); return; }
      const row = map.at(event.offsetX, event.offsetY);
      if (row !== map.hovered || row >= 0) show(row, event.offsetX, event.offsetY);
    });
    canvas.addEventListener("pointerleave", () => show(-1));
  }

  function moves(map, canvas, select) {
    const tool = document.querySelector('[data-tool="select"]');
    const pointers = new Map();
    let start = null;
    const selecting = (event) => event.shiftKey || tool.getAttribute("aria-pressed") === "true";
    const box = (event) => [Math.min(start.x, event.offsetX), Math.min(start.y, event.offsetY), Math.max(start.x, event.offsetX), Math.max(start.y, event.offsetY)];

    canvas.addEventListener("pointerdown", (event) => {
      canvas.focus({ preventScroll: true });
      try { canvas.setPointerCapture(event.pointerId); } catch { /* a pointer that a script made up */ }
      pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
      start = { x: event.offsetX, y: event.offsetY, selects: selecting(event) };
      canvas.classList.add(start.selects ? "selecting" : "dragging");
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      const now = [event.offsetX, event.offsetY];
      if (start.selects) {
        map.box = box(event);
        map.mark(canvas.dataset.images === "true");
      } else if (pointers.size === 2) {
        const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
        const apart = (a) => Math.hypot(a[0] - other[0], a[1] - other[1]);
        const factor = apart(now) / Math.max(apart(before), 1);
        map.zoom(factor, (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
      } else {
        map.pan(now[0] - before[0], now[1] - before[1]);
      }
      pointers.set(event.pointerId, now);
    });
    const end = (event) => {
      if (!pointers.delete(event.pointerId)) return;
      canvas.classList.remove("selecting", "dragging");
      if (start?.selects && map.box) {
        const chosen = map.inside(map.box);
        map.box = null;
        select(chosen);
      }
    };
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
    canvas.addEventListener("wheel", (event) => {
      if (document.activeElement !== canvas && !event.ctrlKey && !event.metaKey) return; // the page scrolls on
      event.preventDefault();
      map.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : event.ctrlKey ? 0.01 : 0.0018)), event.offsetX, event.offsetY);
    }, { passive: false });

    const acts = { in: () => map.zoom(1.6), out: () => map.zoom(1 / 1.6), fit: map.fit,
      select: () => tool.setAttribute("aria-pressed", String(tool.getAttribute("aria-pressed") !== "true")) };
    all(".map-tools button").forEach((button) => button.addEventListener("click", acts[button.dataset.tool]));
    const keys = { "+": acts.in, "=": acts.in, "-": acts.out, 0: acts.fit, Escape: () => select([]),
      ArrowLeft: () => map.pan(60, 0), ArrowRight: () => map.pan(-60, 0), ArrowUp: () => map.pan(0, 60), ArrowDown: () => map.pan(0, -60) };
    canvas.addEventListener("keydown", (event) => {
      if (!keys[event.key] || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      keys[event.key]();
    });
  }

  // What was selected: how many of which class, the images, and the ids to take away.
  function selection(map) {
    let rows = [];
    const show = (chosen) => {
      rows = chosen;
      map.selected = new Set(rows);
      $("selection").hidden = !rows.length;
      $("selection-title").textContent = `${images(rows.length)} selected`;
      const counts = new Map();
      for (const row of rows) counts.set(explored.name(row), (counts.get(explored.name(row)) ?? 0) + 1);
      $("selection-classes").textContent = [...counts].sort((a, b) => b[1] - a[1]).map(([name, n]) => `${name}: ${n.toLocaleString("en")}`).join(" · ");
      $("selection-tiles").replaceChildren(...rows.slice(0, 2 * MORE).map(explored.tile));
      map.draw();
    };
    $("selection-clear").addEventListener("click", () => show([]));
    $("selection-csv").addEventListener("click", () => {
      const line = (row) => [explored.split(row)[0], explored.ids[row], explored.name(row)].map(explored.quoted).join(",");
      explored.save("selection.csv", ["set,id,label", ...rows.map(line)]);
    });
    $("selection-copy").addEventListener("click", async (event) => {
      const button = event.currentTarget;
      const text = rows.map((row) => explored.ids[row]).join("\n");
      button.textContent = await navigator.clipboard.writeText(text).then(() => "Copied", () => "Not allowed here: save them");
      setTimeout(() => { button.textContent = "Copy ids"; }, 1500);
    });
    return show;
  }

  explored.ready.then(() => {
    strips();
    samples();
    findings();
    maps();
    document.documentElement.dataset.ready = "true";
  });
})();
