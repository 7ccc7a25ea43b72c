"use strict";
// Computes an ONNX graph in plain JavaScript, float32 as there. These operators move and combine tensors; those of a layer
// stand beside it, in tenfold/models/layers.

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

function reshaped([x, shape]) { // one number may be -1: what is left
  const dims = Array.from(shape.data, (n, i) => (n === 0 ? x.dims[i] : n)), open = dims.indexOf(-1);
  if (open >= 0) dims[open] = size(x.dims) / -size(dims);
  return { dims, data: x.data };
}

const OPERATORS = {};
OPERATORS.Add = ([a, b]) => combine(a, b, (u, v) => u + v);
OPERATORS.Cast = ([x]) => x;
OPERATORS.Div = ([a, b]) => combine(a, b, (u, v) => u / v);
OPERATORS.Flatten = ([x]) => ({ dims: [x.dims[0], size(x.dims.slice(1))], data: x.data });
OPERATORS.Log = ([x]) => map(x, Math.log);
OPERATORS.Max = (xs) => xs.reduce((a, b) => combine(a, b, Math.max));
OPERATORS.Mean = (xs) => map(xs.reduce((a, b) => combine(a, b, (u, v) => u + v)), (v) => v / xs.length);
OPERATORS.Mul = ([a, b]) => combine(a, b, (u, v) => u * v);
OPERATORS.Reshape = reshaped;
OPERATORS.Sub = ([a, b]) => combine(a, b, (u, v) => u - v);

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
