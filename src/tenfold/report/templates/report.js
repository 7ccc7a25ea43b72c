"use strict";
(() => {
  const FIRST = 60; // mistakes shown before one asks for all
  const $ = (id) => document.getElementById(id);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const images = (count) => `${count.toLocaleString("en")} image${count === 1 ? "" : "s"}`;

  function charts() {
    for (const plot of all(".plot[data-readout]")) {
      const points = JSON.parse(plot.dataset.readout);
      const [rule, box] = [plot.querySelector(".rule"), plot.querySelector(".readout")];
      let at = points.length - 1;
      const show = (index) => {
        at = Math.max(0, Math.min(points.length - 1, index));
        const { x, epoch, ...values } = points[at];
        rule.hidden = box.hidden = false;
        rule.style.left = `${x}%`;
        box.style.left = x <= 50 ? `calc(${x}% + 0.5rem)` : "auto";
        box.style.right = x > 50 ? `calc(${100 - x}% + 0.5rem)` : "auto";
        box.textContent = [`epoch ${epoch}`, ...Object.entries(values).map(([name, text]) => `${name} ${text}`)].join("\n");
      };
      const hide = () => { rule.hidden = box.hidden = true; };
      plot.addEventListener("pointermove", (event) => {
        const { left, width } = plot.getBoundingClientRect();
        const place = (100 * (event.clientX - left)) / width;
        const gap = (index) => Math.abs(points[index].x - place);
        show(points.reduce((best, _, index) => (gap(index) < gap(best) ? index : best), 0));
      });
      plot.addEventListener("pointerleave", hide);
      plot.addEventListener("focus", () => plot.matches(":focus-visible") && show(at));
      plot.addEventListener("blur", hide);
      plot.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (!step) return;
        event.preventDefault();
        show(at + step);
      });
    }
  }

  // Cells of the matrix and entries of the list of pairs open the same panel.
  function cells() {
    const matrix = $("matrix");
    const openers = all(".confusion button[data-true]");
    let opener = null;
    const hide = () => {
      openers.forEach((button) => button.setAttribute("aria-pressed", "false"));
      $("cell").hidden = true;
      $("pairs").hidden = false;
    };
    const close = () => { hide(); opener?.focus(); };
    const open = (button) => {
      hide();
      opener = button;
      const { true: truth, predicted, count, title } = button.dataset;
      const same = `[data-true="${truth}"][data-predicted="${predicted}"]`;
      const isRight = truth === predicted;
      const found = all(`.tile${same}`, isRight ? $("read-right").content : $("tiles"));
      openers.filter((other) => other.matches(same)).forEach((other) => other.setAttribute("aria-pressed", "true"));
      const some = isRight ? `the ${found.length} least sure` : found.length;
      const shown = found.length < Number(count) ? `${some} of ${images(Number(count))}` : images(found.length);
      $("cell-title").textContent = `${title}: ${shown}`;
      $("cell-none").hidden = found.length > 0;
      $("cell-tiles").replaceChildren(...found.map((tile) => {
        const copy = tile.cloneNode(true);
        copy.hidden = false;
        return copy;
      }));
      $("pairs").hidden = true;
      $("cell").hidden = false;
      if (!button.checkVisibility()) $("cell-close").focus(); // the list it stood in has made room
      $("cell").scrollIntoView({ block: "nearest" });
    };
    openers.forEach((button) => button.addEventListener("click", () => {
      if (button.getAttribute("aria-pressed") === "true") close(); else open(button);
    }));
    $("cell-close")?.addEventListener("click", close);
    document.querySelector(".confusion")?.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !$("cell").hidden) close();
    });
    if (!matrix) return;

    const modes = all(".segmented button");
    for (const button of modes) {
      button.parentElement.hidden = false;
      button.addEventListener("click", () => {
        matrix.dataset.mode = button.dataset.mode;
        modes.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
      });
    }

    // One stop for Tab; arrows go to the next cell with images in that direction.
    const stops = all("button", matrix);
    if (stops.length) stops[0].tabIndex = 0;
    const place = (button) => [Number(button.dataset.true), Number(button.dataset.predicted)];
    matrix.addEventListener("keydown", (event) => {
      const direction = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      const from = event.target.closest("button");
      if (!direction || !from) return;
      event.preventDefault();
      const [row, column] = place(from);
      const distance = (button) => {
        const [r, c] = place(button);
        const along = (r - row) * direction[0] + (c - column) * direction[1];
        const across = Math.abs((r - row) * direction[1]) + Math.abs((c - column) * direction[0]);
        return along > 0 ? along + 3 * across : Infinity;
      };
      const next = stops.reduce((best, button) => (distance(button) < distance(best) ? button : best), from);
      stops.forEach((button) => { button.tabIndex = -1; });
      next.tabIndex = 0;
      next.focus();
    });
  }

  // The matrix after each epoch; cells keep one scale, so that fading can be seen.
  function evolution() {
    const box = $("evolution");
    if (!box) return;
    const [mistakes, right, epochs, names] = ["mistakes", "right", "epochs", "names"].map((key) => JSON.parse(box.dataset[key]));
    const rows = all("tbody tr", box).map((row) => all("td", row));
    const best = Math.max(...right.flat());
    const [slider, play, said] = [$("epoch"), $("play"), $("epoch-said")];
    const show = () => {
      const at = Number(slider.value);
      rows.flat().forEach((cell) => { cell.textContent = ""; cell.className = ""; cell.title = ""; });
      const fill = (truth, predicted, count, most) => {
        const cell = rows[truth][predicted];
        cell.textContent = count;
        cell.className = truth === predicted ? "d" : "e";
        cell.style.setProperty("--n", Math.sqrt(count / most).toFixed(3));
        cell.title = `${names[truth]} read as ${names[predicted]}: ${images(count)}`;
      };
      let total = 0;
      for (const [truth, predicted, count] of mistakes[at]) {
        fill(truth, predicted, count, box.dataset.most);
        total += count;
      }
      (right[at] ?? []).forEach((count, k) => count && fill(k, k, count, best));
      said.textContent = `after epoch ${epochs[at]}: ${total.toLocaleString("en")} mistake${total === 1 ? "" : "s"}`;
    };
    let timer = null;
    const stop = () => { clearInterval(timer); timer = null; play.textContent = "▶"; play.setAttribute("aria-label", "Play"); };
    const step = () => {
      if (Number(slider.value) >= epochs.length - 1) return stop();
      slider.value = Number(slider.value) + 1;
      show();
    };
    play.addEventListener("click", () => {
      if (timer) return stop();
      if (Number(slider.value) >= epochs.length - 1) { slider.value = 0; show(); }
      timer = setInterval(step, Math.max(120, 3000 / epochs.length));
      play.textContent = "❚❚";
      play.setAttribute("aria-label", "Pause");
    });
    slider.addEventListener("input", () => { stop(); show(); });
    box.hidden = false;
    show();
  }

  function mistakes() {
    const tiles = all("#tiles .tile");
    if (!tiles.length) return;
    const [truth, predicted, more] = [$("filter-true"), $("filter-predicted"), $("more")];
    let limit = FIRST;
    const update = () => {
      const matching = tiles.filter((tile) =>
        (!truth.value || tile.dataset.true === truth.value) && (!predicted.value || tile.dataset.predicted === predicted.value));
      const visible = new Set(matching.slice(0, limit));
      tiles.forEach((tile) => { tile.hidden = !visible.has(tile); });
      more.hidden = visible.size === matching.length;
      more.textContent = `Show all ${images(matching.length)}`;
      $("shown").textContent = visible.size < matching.length ? `${visible.size} of ${images(matching.length)}` : images(visible.size);
    };
    const filter = () => { limit = FIRST; update(); };
    truth.addEventListener("change", filter);
    predicted.addEventListener("change", filter);
    more.addEventListener("click", () => { limit = Infinity; update(); });
    $("filters").hidden = false;
    update();
  }

  function zoom() {
    const dialog = $("zoom");
    document.addEventListener("click", (event) => {
      const picture = event.target.closest(".tile .px");
      if (picture) {
        const tile = picture.parentElement;
        const big = document.createElement("div");
        big.className = picture.className;
        big.style.cssText = picture.style.cssText;
        const further = all("ol, .votes, .near", tile).map((part) => {
          const copy = part.cloneNode(true);
          copy.hidden = false;
          return copy;
        });
        $("zoom-title").textContent = `Image ${tile.querySelector("small").textContent}`;
        const link = document.createElement("a");
        if (dialog.dataset.map) {
          link.href = `explore.html#image=${dialog.dataset.map}:${encodeURIComponent(tile.querySelector("small").textContent)}`;
          link.textContent = "Its place on the map of the data";
        }
        $("zoom-body").replaceChildren(big, ...further, link);
        dialog.showModal();
      } else if (event.target === dialog) {
        dialog.close();
      }
    });
  }

  // report.html#image=ID, where a mistake on the map leads
  function fromAddress() {
    const wanted = decodeURIComponent(location.hash).match(/^#image=(.*)$/s);
    const tile = wanted && all("#tiles .tile").find((one) => one.querySelector("small").textContent === wanted[1]);
    tile?.querySelector(".px")?.click();
  }

  charts();
  cells();
  evolution();
  mistakes();
  zoom();
  fromAddress();
  addEventListener("hashchange", fromAddress);
})();
