"use strict";
// MNIST's recipe, as tenfold.reading.normalise.frame has it, for what is on the pad.

const FIELD = 28, BOX = 20, FAINT = 0.06, FAINTEST = 0.08;

// A canvas -> {height, width, data}: ink 0..1. The ground is the mean of the border.
function inkOf(canvas) {
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  const grey = new Float32Array(width * height);
  for (let i = 0; i < grey.length; i++) grey[i] = (19595 * data[4 * i] + 38470 * data[4 * i + 1] + 7471 * data[4 * i + 2] + 32768) / 65536;
  let border = 0;
  for (let x = 0; x < width; x++) border += grey[x] + grey[(height - 1) * width + x];
  for (let y = 0; y < height; y++) border += grey[y * width] + grey[y * width + width - 1];
  const ground = border / (2 * (width + height)), bright = ground < 128;
  const ink = grey.map((v) => Math.max(0, bright ? (v - ground) / Math.max(1, 255 - ground) : (ground - v) / Math.max(1, ground)));
  const strong = ink.filter((v) => v > FAINTEST).sort();
  const full = strong.length ? percentile(strong, 0.9) : 1;
  return { width, height, data: strong.length ? ink.map((v) => (v > FAINTEST / 2 ? Math.min(1, v / full) : 0)) : ink.fill(0) };
}

// Ink -> 28 x 28 levels 0..255, flat: crop, a box of 20 x 20, full contrast, centre of mass.
function frame({ width, height, data }) {
  let [top, bottom, left, right] = [height, -1, width, -1];
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) if (data[y * width + x] > FAINT) {
    [top, bottom, left, right] = [Math.min(top, y), Math.max(bottom, y), Math.min(left, x), Math.max(right, x)];
  }
  const field = new Uint8Array(FIELD * FIELD);
  if (bottom < 0) return field;
  const [h, w] = [bottom - top + 1, right - left + 1], scale = BOX / Math.max(h, w);
  const [rows, columns] = [h, w].map((side) => Math.max(1, roundEven(side * scale)));
  const down = resampling(h, rows), across = resampling(w, columns);
  const half = Array.from({ length: rows }, (_, r) => Array.from({ length: w }, (_, x) => down[r].reduce((sum, [y, v]) => sum + v * data[(top + y) * width + left + x], 0)));
  const digit = half.map((row) => across.map((weights) => weights.reduce((sum, [x, v]) => sum + v * row[x], 0)));
  const flat = digit.flat(), most = Math.max(...flat);
  const full = Math.max(1e-6, percentile(Float64Array.from(flat.filter((v) => v > 0.1 * most)).sort(), 0.9));
  const levels = digit.map((row) => row.map((v) => Math.min(1, Math.max(0, v / full))));
  let [sum, y0, x0] = [0, 0, 0];
  levels.forEach((row, y) => row.forEach((v, x) => { sum += v; y0 += v * y; x0 += v * x; }));
  const place = (middle, length) => Math.min(Math.max(roundEven(FIELD / 2 - middle), 0), FIELD - length);
  const [py, px] = [place(y0 / sum, rows), place(x0 / sum, columns)];
  levels.forEach((row, y) => row.forEach((v, x) => { field[(py + y) * FIELD + px + x] = roundEven(255 * v); }));
  return field;
}

// For each place after, the places before and their weights: triangles as wide as the coarser grid.
function resampling(before, after) {
  const step = before / after, reach = Math.max(1, step);
  return Array.from({ length: after }, (_, i) => {
    const centre = (i + 0.5) * step - 0.5, weights = [];
    for (let k = Math.max(0, Math.floor(centre - reach)); k <= Math.min(before - 1, Math.ceil(centre + reach)); k++) {
      const weight = 1 - Math.abs(k - centre) / reach;
      if (weight > 0) weights.push([k, weight]);
    }
    const sum = weights.reduce((total, [, v]) => total + v, 0);
    return weights.map(([k, v]) => [k, v / sum]);
  });
}

function percentile(sorted, share) { // numpy's, linear
  const at = share * (sorted.length - 1), low = Math.floor(at);
  return sorted[low] + (at - low) * (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]);
}

function roundEven(value) { // as Python rounds
  const near = Math.round(value);
  return Math.abs(value % 1) === 0.5 && near % 2 ? near - 1 : near;
}
