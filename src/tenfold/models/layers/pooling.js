"use strict";
function pooled([x], { kernel_shape: [kh, kw], strides = [1, 1], pads = [0, 0, 0, 0], count_include_pad: all = 0 }, isMaximum) {
  const [n, c, h, wide] = x.dims, [top, left, bottom, right] = pads;
  const oh = Math.floor((h + top + bottom - kh) / strides[0]) + 1, ow = Math.floor((wide + left + right - kw) / strides[1]) + 1;
  const made = make([n, c, oh, ow]);
  for (let plane = 0; plane < n * c; plane++) for (let y = 0; y < oh; y++) for (let col = 0; col < ow; col++) {
    let most = -Infinity, sum = 0, count = 0;
    for (let ky = 0; ky < kh; ky++) for (let kx = 0; kx < kw; kx++) {
      const [r, q] = [y * strides[0] + ky - top, col * strides[1] + kx - left];
      if (r < 0 || q < 0 || r >= h || q >= wide) continue;
      const value = x.data[(plane * h + r) * wide + q];
      if (value > most) most = value;
      sum += value;
      count += 1;
    }
    made.data[(plane * oh + y) * ow + col] = isMaximum ? most : sum / (all ? kh * kw : count);
  }
  return made;
}

function globally([x], start, fold, end) {
  const [n, c, h, w] = x.dims;
  const made = make([n, c, 1, 1]);
  for (let p = 0; p < n * c; p++) {
    let value = start;
    for (let i = p * h * w; i < (p + 1) * h * w; i++) value = fold(value, x.data[i]);
    made.data[p] = end(value, h * w);
  }
  return made;
}

OPERATORS.AveragePool = (xs, options) => pooled(xs, options, false);
OPERATORS.MaxPool = (xs, options) => pooled(xs, options, true);
OPERATORS.GlobalAveragePool = (xs) => globally(xs, 0, (a, b) => a + b, (sum, count) => sum / count);
OPERATORS.GlobalMaxPool = (xs) => globally(xs, -Infinity, Math.max, (most) => most);
