"use strict";
// The map: every image a point, drawn into a pixel buffer that also remembers which row each pixel shows.
const exploredMap = (() => {
  const NEAR = 6; // CSS pixels between the pointer and a point that count as on it
  const IMAGES_FROM = 400; // with fewer points in view, they are shown as images
  const IMAGE_SIZE = 30; // CSS pixels
  const STEPS = 8; // of confidence

  const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const pack = ([r, g, b]) => (255 << 24) | (b << 16) | (g << 8) | r;
  const mixed = (a, b, share) => a.map((value, i) => Math.round(value + (b[i] - value) * share));

  function create(points, marks) {
    const { meta, count, width, height, channels } = explored;
    const map = { colouring: "class", shownMap: 0, split: null, hidden: new Set(), selected: new Set(), hovered: -1, box: null, view: null };
    const context = points.getContext("2d", { alpha: false });
    const overlay = marks.getContext("2d");
    const order = shuffled(count);
    let [columns, rows, ratio] = [0, 0, 1];
    let image, pixels, picks, colours, faded, paper, ink;
    let centres = [];

    // a fixed order without pattern, so that no class lies on top of the others
    function shuffled(n) {
      const list = Uint32Array.from({ length: n }, (_, i) => i);
      let state = 1;
      for (let i = n - 1; i > 0; i--) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        const j = state % (i + 1);
        [list[i], list[j]] = [list[j], list[i]];
      }
      return list;
    }

    map.isShown = (row) => {
      if (map.hidden.has(explored.label(row))) return false;
      return map.split === null || explored.split(row)[1] === map.split;
    };

    map.resize = () => {
      const box = points.getBoundingClientRect();
      ratio = Math.min(devicePixelRatio || 1, 2);
      columns = Math.max(1, Math.round(box.width * ratio));
      rows = Math.max(1, Math.round(box.height * ratio));
      for (const canvas of [points, marks]) Object.assign(canvas, { width: columns, height: rows });
      image = context.createImageData(columns, rows);
      pixels = new Uint32Array(image.data.buffer);
      picks = new Int32Array(columns * rows);
      if (!map.view) map.fit(); else map.draw();
    };

    map.theme = () => {
      const style = getComputedStyle(points.parentElement);
      const [back, front] = [style.backgroundColor, style.color].map((text) => text.match(/[\d.]+/g).slice(0, 3).map(Number));
      [paper, ink] = [back, front];
      const scheme = (back[0] + back[1] + back[2] > 384 ? meta.light : meta.dark).map(rgb);
      // after the classes: unknown, read right, misread, and steps of confidence from low to high
      const [low, high] = [[230, 97, 0], scheme[0]];
      map.steps = Array.from({ length: STEPS }, (_, i) => mixed(low, mixed(paper, high, 0.55), i / (STEPS - 1)));
      map.right = mixed(paper, ink, 0.22);
      map.wrong = low;
      colours = [...scheme, mixed(paper, ink, 0.5), map.right, map.wrong, ...map.steps];
      faded = colours.map((colour) => pack(mixed(colour, paper, 0.8)));
      map.scheme = scheme;
      if (map.view) map.draw();
    };

    // The view: data units (0..65535) at the upper left corner, and pixels a unit.
    map.fit = () => {
      const scale = (0.94 * Math.min(columns, rows)) / 65536;
      map.view = { x: 32768 - columns / 2 / scale, y: 32768 - rows / 2 / scale, scale };
      map.least = scale;
      map.draw();
    };
    map.pan = (dx, dy) => {
      map.view.x -= (dx * ratio) / map.view.scale;
      map.view.y -= (dy * ratio) / map.view.scale;
      map.draw();
    };
    map.zoom = (factor, cx = columns / ratio / 2, cy = rows / ratio / 2) => {
      const { x, y, scale } = map.view;
      const next = Math.min(Math.max(scale * factor, map.least / 2), map.least * 400);
      map.view = { x: x + cx * ratio * (1 / scale - 1 / next), y: y + cy * ratio * (1 / scale - 1 / next), scale: next };
      map.draw();
    };

    const colourOf = (row) => {
      const unknown = meta.names.length;
      const read = explored.read(row);
      if (map.colouring === "class") return explored.label(row) ?? unknown;
      if (read === null) return map.colouring === "mistake" ? unknown + 1 : unknown;
      if (map.colouring === "prediction") return read;
      if (map.colouring === "mistake") return explored.isMistake(row) ? unknown + 2 : unknown + 1;
      const doubt = Math.min(1, -Math.log10(1.0001 - explored.confidence(row)) / 3); // 0.9, 0.99 and 0.999 are steps apart
      return unknown + 3 + Math.round(doubt * (STEPS - 1));
    };

    function inView() {
      const places = explored.maps[map.shownMap];
      const { x, y, scale } = map.view;
      const seen = [];
      const margin = (IMAGE_SIZE * ratio) / 2;
      for (let i = 0; i < count; i++) {
        const row = order[i];
        const px = (places[2 * row] - x) * scale;
        const py = (places[2 * row + 1] - y) * scale;
        if (px > -margin && py > -margin && px < columns + margin && py < rows + margin && map.isShown(row)) seen.push(row, px, py);
      }
      return seen;
    }

    map.draw = () => {
      const began = performance.now();
      pixels.fill(pack(paper));
      picks.fill(-1);
      const seen = inView();
      const close = seen.length / 3 <= IMAGES_FROM && map.view.scale > 3 * map.least;
      const stamp = close ? null : disc(seen.length / 3);
      const plain = colours.map(pack);
      for (let i = 0; i < seen.length; i += 3) {
        const row = seen[i];
        if (close) picture(row, seen[i + 1], seen[i + 2]);
        else {
          const dim = map.selected.size && !map.selected.has(row);
          point(row, seen[i + 1] | 0, seen[i + 2] | 0, (dim ? faded : plain)[colourOf(row)], stamp);
        }
      }
      if (!close && map.colouring === "mistake") { // mistakes lie on top, and are larger
        const large = disc(Math.min(seen.length / 3, 2000));
        for (let i = 0; i < seen.length; i += 3)
          if (explored.isMistake(seen[i])) point(seen[i], seen[i + 1] | 0, seen[i + 2] | 0, plain[meta.names.length + 2], large);
      }
      context.putImageData(image, 0, 0);
      map.mark(close);
      points.dataset.shown = seen.length / 3;
      points.dataset.images = close;
      points.dataset.milliseconds = (performance.now() - began).toFixed(1);
    };

    // offsets of the pixels of a point; smaller where there are many
    function disc(many) {
      const radius = ratio * Math.min(3.2, Math.max(1.1, 150 / Math.sqrt(many + 1)));
      const offsets = [];
      for (let dy = -Math.ceil(radius); dy <= radius; dy++)
        for (let dx = -Math.ceil(radius); dx <= radius; dx++) if (dx * dx + dy * dy <= radius * radius) offsets.push(dx, dy);
      return offsets;
    }

    function point(row, px, py, colour, stamp) {
      for (let i = 0; i < stamp.length; i += 2) {
        const [x, y] = [px + stamp[i], py + stamp[i + 1]];
        if (x >= 0 && y >= 0 && x < columns && y < rows) {
          pixels[y * columns + x] = colour;
          picks[y * columns + x] = row;
        }
      }
    }

    // brings a row to the middle, close enough to see its picture
    map.show = (row) => {
      const places = explored.maps[map.shownMap];
      const scale = map.least * 12;
      map.view = { x: places[2 * row] - columns / 2 / scale, y: places[2 * row + 1] - rows / 2 / scale, scale };
      map.hovered = row;
      map.draw();
    };

    // an image in the colour of its class (or in its own colours) on nothing
    function picture(row, px, py) {
      const step = (Math.max(width, height)) / (IMAGE_SIZE * ratio);
      const [w, h] = [Math.round(width / step), Math.round(height / step)];
      const [left, top] = [Math.round(px - w / 2), Math.round(py - h / 2)];
      const dim = map.selected.size && !map.selected.has(row) ? 0.25 : 1;
      const shades = Array.from({ length: 16 }, (_, level) => pack(mixed(paper, colours[colourOf(row)], (dim * level) / 15)));
      const plane = width * height;
      for (let y = Math.max(0, -top); y < h && top + y < rows; y++) {
        for (let x = Math.max(0, -left); x < w && left + x < columns; x++) {
          const at = Math.min(height - 1, (y * step) | 0) * width + Math.min(width - 1, (x * step) | 0);
          const place = (top + y) * columns + left + x;
          picks[place] = row;
          if (channels === 3) {
            const own = [0, 1, 2].map((c) => 17 * explored.level(row, at + c * plane));
            pixels[place] = pack(mixed(paper, own, dim));
          } else if (explored.level(row, at)) pixels[place] = shades[explored.level(row, at)];
        }
      }
    }

    // What lies above the points: names, the hovered point, the box that is being drawn.
    map.mark = (close) => {
      overlay.clearRect(0, 0, columns, rows);
      const { x, y, scale } = map.view;
      const screen = (px, py) => [(px - x) * scale, (py - y) * scale];
      if (!close) {
        overlay.font = `600 ${(meta.names.some((name) => name.length > 3) ? 11 : 15) * ratio}px ${getComputedStyle(document.body).fontFamily}`;
        Object.assign(overlay, { textAlign: "center", textBaseline: "middle", lineJoin: "round", lineWidth: 4 * ratio });
        for (const { label, place } of centres) {
          if (map.hidden.has(label)) continue;
          const [px, py] = screen(...place);
          overlay.strokeStyle = `rgb(${paper})`;
          overlay.strokeText(meta.names[label], px, py);
          overlay.fillStyle = `rgb(${ink})`;
          overlay.fillText(meta.names[label], px, py);
        }
      }
      if (map.hovered >= 0) {
        const places = explored.maps[map.shownMap];
        const [px, py] = screen(places[2 * map.hovered], places[2 * map.hovered + 1]);
        overlay.strokeStyle = `rgb(${ink})`;
        overlay.lineWidth = 1.5 * ratio;
        overlay.beginPath();
        if (close) overlay.rect(px - (IMAGE_SIZE / 2) * ratio, py - (IMAGE_SIZE / 2) * ratio, IMAGE_SIZE * ratio, IMAGE_SIZE * ratio);
        else overlay.arc(px, py, 6 * ratio, 0, 2 * Math.PI);
        overlay.stroke();
      }
      if (map.box) {
        const [left, top, right, bottom] = map.box.map((value) => value * ratio);
        overlay.strokeStyle = `rgb(${ink})`;
        overlay.fillStyle = `rgb(${ink} / 0.08)`;
        overlay.lineWidth = ratio;
        overlay.fillRect(left, top, right - left, bottom - top);
        overlay.strokeRect(left, top, right - left, bottom - top);
      }
    };

    // the row under a place in CSS pixels, or -1
    map.at = (cx, cy) => {
      const [px, py, reach] = [Math.round(cx * ratio), Math.round(cy * ratio), Math.round(NEAR * ratio)];
      let [best, row] = [reach * reach + 1, -1];
      for (let y = Math.max(0, py - reach); y <= Math.min(rows - 1, py + reach); y++)
        for (let x = Math.max(0, px - reach); x <= Math.min(columns - 1, px + reach); x++) {
          const distance = (x - px) ** 2 + (y - py) ** 2;
          if (distance < best && picks[y * columns + x] >= 0) [best, row] = [distance, picks[y * columns + x]];
        }
      return row;
    };

    // all shown rows in a box of CSS pixels
    map.inside = ([left, top, right, bottom]) => {
      const seen = inView();
      const found = [];
      for (let i = 0; i < seen.length; i += 3) {
        const [px, py] = [seen[i + 1] / ratio, seen[i + 2] / ratio];
        if (px >= left && px <= right && py >= top && py <= bottom) found.push(seen[i]);
      }
      return found.sort((a, b) => a - b);
    };

    // where each class has its name: the middle of its points
    map.choose = (index) => {
      map.shownMap = index;
      const places = explored.maps[index];
      const members = meta.names.map(() => []);
      for (let row = 0; row < count; row++) if (explored.label(row) !== null) members[explored.label(row)].push(row);
      const middle = (list, offset) => Float64Array.from(list, (row) => places[2 * row + offset]).sort()[list.length >> 1];
      centres = members.flatMap((list, label) => (list.length ? [{ label, place: [middle(list, 0), middle(list, 1)] }] : []));
      if (map.view) map.draw();
    };
    return map;
  }
  return { create };
})();
