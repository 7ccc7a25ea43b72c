OPERATORS.Halve = ([x]) => map(x, (v) => v / 2);
