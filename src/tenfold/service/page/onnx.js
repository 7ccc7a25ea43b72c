"use strict";
// Reads an ONNX file as tenfold writes it: Protocol Buffers (https://protobuf.dev/programming-guides/encoding), onnx.proto.

class Fields {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  varint(at) {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.bytes[at++];
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return [Number(BigInt.asIntN(64, value)), at];
    }
  }

  *[Symbol.iterator]() { // [number, value]: a number for varints and floats, bytes otherwise
    let at = 0;
    while (at < this.bytes.length) {
      let key, value;
      [key, at] = this.varint(at);
      const kind = key & 7;
      if (kind === 0) [value, at] = this.varint(at);
      else if (kind === 2) {
        let length;
        [length, at] = this.varint(at);
        value = this.bytes.subarray(at, at + length);
        at += length;
      } else if (kind === 5) { value = this.view.getFloat32(at, true); at += 4; }
      else throw new Error(`wire type ${kind}`);
      yield [key >> 3, value];
    }
  }
}

const textOf = (bytes) => new TextDecoder().decode(bytes);

function integers(value) { // packed or not
  if (typeof value === "number") return [value];
  const fields = new Fields(value), found = [];
  for (let at = 0; at < value.length;) { let one; [one, at] = fields.varint(at); found.push(one); }
  return found;
}

function parseTensor(bytes) {
  const dims = [];
  let name = "", raw = new Uint8Array(), kind = 1;
  for (const [number, value] of new Fields(bytes)) {
    if (number === 1) dims.push(...integers(value));
    else if (number === 2) kind = value;
    else if (number === 8) name = textOf(value);
    else if (number === 9) raw = value;
  }
  const buffer = raw.slice().buffer; // aligned
  const data = kind === 7 ? Float32Array.from(new BigInt64Array(buffer), Number)
    : kind === 10 ? Float32Array.from(new Uint16Array(buffer), fromHalf)
      : kind === 3 ? Float32Array.from(new Int8Array(buffer)) : new Float32Array(buffer);
  return { name, dims, data };
}

function fromHalf(bits) { // IEEE 754 binary16; weights are finite
  const sign = bits >> 15 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  return sign * (exponent ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction);
}

function parseNode(bytes) {
  const node = { inputs: [], outputs: [], operator: "", attributes: {} };
  for (const [number, value] of new Fields(bytes)) {
    if (number === 1) node.inputs.push(textOf(value));
    else if (number === 2) node.outputs.push(textOf(value));
    else if (number === 4) node.operator = textOf(value);
    else if (number === 5) {
      let name = "", plain = 0;
      const list = [];
      let kind = 0;
      for (const [field, content] of new Fields(value)) {
        if (field === 1) name = textOf(content);
        else if (field === 2 || field === 3) plain = content;
        else if (field === 8) list.push(...integers(content));
        else if (field === 20) kind = content;
      }
      node.attributes[name] = kind === 7 ? list : plain;
    }
  }
  return node;
}

// {nodes, weights: name -> {dims, data}}
function parseOnnx(bytes) {
  const nodes = [], weights = {};
  for (const [number, graph] of new Fields(bytes)) {
    if (number !== 7) continue;
    for (const [field, content] of new Fields(graph)) {
      if (field === 1) nodes.push(parseNode(content));
      else if (field === 5) { const tensor = parseTensor(content); weights[tensor.name] = tensor; }
    }
  }
  return { nodes, weights };
}
