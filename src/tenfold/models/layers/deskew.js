"use strict";
// Images at the places of a grid, -1..1 from side to side; linear between pixels, 0 outside.
function sampled([x, grid], { align_corners: corners = 0 }) {
  const [n, c, h, wide] = x.dims, [, oh, ow] = grid.dims, places = oh * ow, made = make([n, c, oh, ow]);
  const pixel = (place, length) => (corners ? (place + 1) / 2 * (length - 1) : ((place + 1) * length - 1) / 2);
  for (let image = 0; image < n; image++) for (let p = 0; p < places; p++) {
    const at = 2 * (image * places + p), col = pixel(grid.data[at], wide), row = pixel(grid.data[at + 1], h);
    const left = Math.floor(col), top = Math.floor(row), across = col - left, down = row - top;
    for (let k = 0; k < c; k++) {
      const plane = (image * c + k) * h;
      const value = (r, q) => (r >= 0 && q >= 0 && r < h && q < wide ? x.data[(plane + r) * wide + q] : 0);
      const upper = (1 - across) * value(top, left) + across * value(top, left + 1);
      const lower = (1 - across) * value(top + 1, left) + across * value(top + 1, left + 1);
      made.data[(image * c + k) * places + p] = (1 - down) * upper + down * lower;
    }
  }
  return made;
}

OPERATORS.GridSample = sampled;
