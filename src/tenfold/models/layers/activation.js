"use strict";
OPERATORS.Relu = ([x]) => map(x, (v) => (v > 0 ? v : 0));
OPERATORS.Elu = ([x], { alpha = 1 }) => map(x, (v) => (v < 0 ? alpha * Math.expm1(v) : v));
OPERATORS.LeakyRelu = ([x], { alpha = 0.01 }) => map(x, (v) => (v < 0 ? alpha * v : v));
OPERATORS.Sigmoid = ([x]) => map(x, (v) => 1 / (1 + Math.exp(-v)));
OPERATORS.Softplus = ([x]) => map(x, (v) => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v))));
