"use strict";
// By patches: each place of the output is a row of what its filter covers, so that the work is long dot products.
function convolution([x, w, b], { strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], group = 1 }) {
  const [n, c, h, wide] = x.dims, [filters, perGroup, kh, kw] = w.dims;
  const [top, left, bottom, right] = pads;
  const oh = Math.floor((h + top + bottom - dilations[0] * (kh - 1) - 1) / strides[0]) + 1;
  const ow = Math.floor((wide + left + right - dilations[1] * (kw - 1) - 1) / strides[1]) + 1;
  const made = make([n, filters, oh, ow]), places = oh * ow, length = perGroup * kh * kw, share = filters / group;
  const patches = new Float32Array(places * length);
  for (let image = 0; image < n; image++) for (let g = 0; g < group; g++) {
    let at = 0;
    for (let y = 0; y < oh; y++) for (let col = 0; col < ow; col++) for (let k = 0; k < perGroup; k++) {
      const plane = (image * c + g * perGroup + k) * h;
      for (let ky = 0; ky < kh; ky++) {
        const row = y * strides[0] + ky * dilations[0] - top, inside = row >= 0 && row < h;
        for (let kx = 0; kx < kw; kx++) {
          const place = col * strides[1] + kx * dilations[1] - left;
          patches[at++] = inside && place >= 0 && place < wide ? x.data[(plane + row) * wide + place] : 0;
        }
      }
    }
    for (let f = g * share, end = f + share; f < end; f += 4) {
      const four = [0, 1, 2, 3].map((k) => Math.min(f + k, end - 1)); // a last filter may be there twice
      filtered(patches, places, length, w.data, b?.data, four, made.data, image * filters * places);
    }
  }
  return made;
}

// Four filters on all patches, two at a time: six numbers are read for eight products, and eight sums at once keep the processor busy.
function filtered(patches, places, length, weights, bias, [f0, f1, f2, f3], out, at) {
  const w0 = f0 * length, w1 = f1 * length, w2 = f2 * length, w3 = f3 * length;
  for (let p = 0; p < places; p += 2) {
    const q = Math.min(p + 1, places - 1); // a last place may be there twice
    let s0 = 0, s1 = 0, s2 = 0, s3 = 0, t0 = 0, t1 = 0, t2 = 0, t3 = 0;
    for (let k = 0, first = p * length, second = q * length; k < length; k++) {
      const x = patches[first + k], y = patches[second + k];
      const u0 = weights[w0 + k], u1 = weights[w1 + k], u2 = weights[w2 + k], u3 = weights[w3 + k];
      s0 += x * u0;
      s1 += x * u1;
      s2 += x * u2;
      s3 += x * u3;
      t0 += y * u0;
      t1 += y * u1;
      t2 += y * u2;
      t3 += y * u3;
    }
    const put = (f, s, t) => {
      const row = at + f * places, more = bias ? bias[f] : 0;
      out[row + p] = s + more;
      out[row + q] = t + more;
    };
    put(f0, s0, t0);
    put(f1, s1, t1);
    put(f2, s2, t2);
    put(f3, s3, t3);
  }
}

OPERATORS.Conv = convolution;
