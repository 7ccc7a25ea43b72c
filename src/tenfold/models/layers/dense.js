"use strict";
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

function softmax([x]) {
  const [n, k] = x.dims, made = make(x.dims);
  for (let row = 0; row < n; row++) {
    const values = x.data.subarray(row * k, (row + 1) * k), most = Math.max(...values);
    const powers = Array.from(values, (v) => Math.exp(v - most)), sum = powers.reduce((a, b) => a + b, 0);
    powers.forEach((v, i) => { made.data[row * k + i] = v / sum; });
  }
  return made;
}

OPERATORS.Gemm = ([a, b, c], { transA = 0, transB = 0 }) => product(a, b, transA, transB, c);
OPERATORS.MatMul = ([a, b]) => product(a, b, 0, 0, null);
OPERATORS.Softmax = softmax;
