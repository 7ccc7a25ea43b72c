"use strict";
// Computes an ONNX graph in plain JavaScript: the operators that tenfold's networks are made of, float32 as there.

const size = (dims) => dims.reduce((a, b) => a * b, 1);
const make = (dims) => ({ dims, data: new Float32Array(size(dims)) });

function map(x, f) {
  const made = make(x.dims);
  for (let i = 0; i < made.data.length; i++) made.data[i] = f(x.data[i]);
  return made;
}

// Two tensors, broadcast as numpy does.
function combine(a, b, f) {
  const rank = Math.max(a.dims.length, b.dims.length);
  const pad = (dims) => [...Array(rank - dims.length).fill(1), ...dims];
  const [da, db] = [pad(a.dims), pad(b.dims)];
  const made = make(da.map((n, i) => Math.max(n, db[i])));
  const strides = (dims) => dims.map((n, i) => (n === 1 ? 0 : size(dims.slice(i + 1))));
  const [sa, sb, so] = [strides(da), strides(db), made.dims.map((_, i) => size(made.dims.slice(i + 1)))];
  for (let i = 0; i < made.data.length; i++) {
    let ia = 0, ib = 0;
    for (let k = 0; k < rank; k++) {
      const at = Math.floor(i / so[k]) % made.dims[k];
      ia += at * sa[k];
      ib += at * sb[k];
    }
    made.data[i] = f(a.data[ia], b.data[ib]);
  }
  return made;
}

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

function product(a, b, transA, transB, bias) {
  const inner = transA ? a.dims[0] : a.dims.at(-1), m = size(a.dims) / inner, n = transB ? b.dims[0] : b.dims[1];
  const made = make(transA ? [m, n] : [...a.dims.slice(0, -1), n]); // rows of any number of dimensions times one matrix
  for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) {
    let sum = bias ? bias.data[bias.data.length === n ? j : (bias.data.length === 1 ? 0 : i * n + j)] : 0;
    for (let k = 0; k < inner; k++) sum += a.data[transA ? k * m + i : i * inner + k] * b.data[transB ? j * inner + k : k * n + j];
    made.data[i * n + j] = sum;
  }
  return made;
}

function normalised([x, scale, shift, mean, variance], { epsilon = 1e-5 }) {
  const made = make(x.dims), [n, c] = x.dims, each = size(x.dims.slice(2));
  for (let p = 0; p < n * c; p++) {
    const k = p % c, factor = scale.data[k] / Math.sqrt(variance.data[k] + epsilon);
    for (let i = p * each; i < (p + 1) * each; i++) made.data[i] = (x.data[i] - mean.data[k]) * factor + shift.data[k];
  }
  return made;
}

function reshaped([x, shape]) { // one number may be -1: what is left
  const dims = Array.from(shape.data, (n, i) => (n === 0 ? x.dims[i] : n)), open = dims.indexOf(-1);
  if (open >= 0) dims[open] = size(x.dims) / -size(dims);
  return { dims, data: x.data };
}

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

function softmax([x]) {
  const [n, k] = x.dims, made = make(x.dims);
  for (let row = 0; row < n; row++) {
    const values = x.data.subarray(row * k, (row + 1) * k), most = Math.max(...values);
    const powers = Array.from(values, (v) => Math.exp(v - most)), sum = powers.reduce((a, b) => a + b, 0);
    powers.forEach((v, i) => { made.data[row * k + i] = v / sum; });
  }
  return made;
}

const OPERATORS = {
  Add: ([a, b]) => combine(a, b, (u, v) => u + v),
  AveragePool: (xs, options) => pooled(xs, options, false),
  BatchNormalization: normalised,
  Cast: ([x]) => x,
  Conv: convolution,
  Div: ([a, b]) => combine(a, b, (u, v) => u / v),
  Elu: ([x], { alpha = 1 }) => map(x, (v) => (v < 0 ? alpha * Math.expm1(v) : v)),
  Exp: ([x]) => map(x, Math.exp),
  Flatten: ([x]) => ({ dims: [x.dims[0], size(x.dims.slice(1))], data: x.data }),
  Gemm: ([a, b, c], { transA = 0, transB = 0 }) => product(a, b, transA, transB, c),
  GlobalAveragePool: (xs) => globally(xs, 0, (a, b) => a + b, (sum, count) => sum / count),
  GlobalMaxPool: (xs) => globally(xs, -Infinity, Math.max, (most) => most),
  GridSample: sampled,
  LeakyRelu: ([x], { alpha = 0.01 }) => map(x, (v) => (v < 0 ? alpha * v : v)),
  Log: ([x]) => map(x, Math.log),
  MatMul: ([a, b]) => product(a, b, 0, 0, null),
  Max: (xs) => xs.reduce((a, b) => combine(a, b, Math.max)),
  MaxPool: (xs, options) => pooled(xs, options, true),
  Mean: (xs) => map(xs.reduce((a, b) => combine(a, b, (u, v) => u + v)), (v) => v / xs.length),
  Mul: ([a, b]) => combine(a, b, (u, v) => u * v),
  Relu: ([x]) => map(x, (v) => (v > 0 ? v : 0)),
  Reshape: reshaped,
  Sigmoid: ([x]) => map(x, (v) => 1 / (1 + Math.exp(-v))),
  Softmax: softmax,
  Softplus: ([x]) => map(x, (v) => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v)))),
  Sqrt: ([x]) => map(x, Math.sqrt),
  Sub: ([a, b]) => combine(a, b, (u, v) => u - v),
};

class Network {
  constructor(bytes) {
    Object.assign(this, parseOnnx(bytes));
    this.nodes = this.nodes.filter(({ operator, inputs, outputs, attributes }) => { // weights of 8 bits become floats once
      const known = inputs.every((name) => name in this.weights);
      if (known) this.weights[outputs[0]] = OPERATORS[operator](inputs.map((name) => this.weights[name]), attributes);
      return !known;
    });
    this.plans = {};
  }

  // The nodes that a tensor needs, and the last that needs each of theirs, so that memory is that of the widest place.
  plan(tensor) {
    if (!this.plans[tensor]) {
      const wanted = new Set([tensor]), lastUse = {};
      const nodes = [...this.nodes].reverse().filter(({ inputs, outputs }) => {
        const needed = outputs.some((name) => wanted.has(name));
        if (needed) inputs.forEach((name) => wanted.add(name));
        return needed;
      }).reverse();
      nodes.forEach((node, i) => node.inputs.forEach((name) => { lastUse[name] = i; }));
      this.plans[tensor] = { nodes, lastUse };
    }
    return this.plans[tensor];
  }

  // levels 0..255 of N images, dims [N, C, H, W] -> N lists of K probabilities: of every look, or those that a tensor holds
  run(levels, dims, tensor = "probabilities") {
    const values = { images: { dims, data: Float32Array.from(levels) } }, { nodes, lastUse } = this.plan(tensor);
    nodes.forEach((node, i) => {
      const inputs = node.inputs.map((name) => this.weights[name] ?? values[name]);
      values[node.outputs[0]] = OPERATORS[node.operator](inputs, node.attributes);
      for (const name of node.inputs) if (lastUse[name] === i) delete values[name];
    });
    const { data, dims: [n, k] } = values[tensor];
    return Array.from({ length: n }, (_, i) => Array.from(data.subarray(i * k, (i + 1) * k)));
  }

  // One image, levels 0..255, dims [1, C, H, W] -> K probabilities: those of the first look if it is sure, as tenfold.bundle has them
  answer(levels, dims, look) {
    if (look) {
      const [first] = this.run(levels, dims, look.tensor);
      if (Math.max(...first) >= look.sure) return first;
    }
    return this.run(levels, dims)[0];
  }
}
