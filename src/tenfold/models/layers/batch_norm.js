"use strict";
function normalised([x, scale, shift, mean, variance], { epsilon = 1e-5 }) {
  const made = make(x.dims), [n, c] = x.dims, each = size(x.dims.slice(2));
  for (let p = 0; p < n * c; p++) {
    const k = p % c, factor = scale.data[k] / Math.sqrt(variance.data[k] + epsilon);
    for (let i = p * each; i < (p + 1) * each; i++) made.data[i] = (x.data[i] - mean.data[k]) * factor + shift.data[k];
  }
  return made;
}

OPERATORS.BatchNormalization = normalised;
